"""How long `kinesics predict` of one short clip takes as a whole process, beside PyTorch's import alone.

    python benchmarks/start.py RUN VIDEO [--rounds 5]

The processes take turns; the figures are medians, in seconds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    predict = f"from kinesics.cli import main; main(['predict', {str(options.run)!r}, {str(options.video)!r}])"
    times: dict[str, list[float]] = {"import torch": [], predict: []}
    for _ in range(options.rounds):
        for script, found in times.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
            found.append(time.perf_counter() - began)
    torch, whole = (statistics.median(found) for found in times.values())
    print(f"import torch {torch:.2f} s, kinesics predict {whole:.2f} s, {whole / torch:.2f} times as long")


if __name__ == "__main__":
    main()
