"""Run every benchmark, one after the other, each in a process of its own.

python benchmarks/run.py
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ONE_THREAD = (("decode.py",), ("decode.py", "--memory"), ("puppets.py",), ("shift.py",), ("heads.py",), ("flow.py",))
ALL_THREADS = (("training.py",), ("flow.py", "--extract"), ("probe_fits.py",))


def main() -> int:
    """Run them all; 1 where one of them failed."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    failed = False
    for benchmarks, environment in ((ONE_THREAD, {"OMP_NUM_THREADS": "1"}), (ALL_THREADS, {})):
        for name, *flags in benchmarks:
            print(f"\n## {name} {' '.join(flags)}", flush=True)
            done = subprocess.run([sys.executable, HERE / name, *flags], env={**os.environ, **environment}, check=False)
            failed |= done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
