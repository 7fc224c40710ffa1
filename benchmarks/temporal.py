"""What TEFE, KPSEM, MDT-Net and TEA cost on a CPU, beside the networks that they stand on: time and training memory.

    OMP_NUM_THREADS=1 python benchmarks/temporal.py [--rounds 9] [--only kpsem]

Time: forward passes of one clip of 224², in turns, who begins changing; weights lie as `predict` lays them, channels
last. `ratio` is the median over the rounds of one's time over the other's in the same round.

Memory: the largest memory of a process that makes one training step (forward, backward, SGD) on two clips, less what it
held before the model was made; each model in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

from kinesics.models.build import create_model, fixes_steps

CASES: dict[str, tuple[str, dict[str, Any], str, int, float | None]] = {
    "te": ("tefe_resnet50", {"te": (3, 4, 6, 3), "fe": (0, 0, 0, 0)}, "tsn_resnet50", 8, 1.06),
    "tefe": ("tefe_resnet50", {}, "tsn_resnet50", 8, 1.75),
    "tea": ("tea_res2net50", {}, "tsn_resnet50", 8, None),
    "mdt": ("mdt_resnet50", {}, "tsn_resnet50", 8, 1.4),
    "kpsem": ("kpsem_mfnet", {}, "plain_mfnet", 16, 1.03),
    "kpsem, 9 regions": ("kpsem_mfnet", {"regions": 9}, "plain_mfnet", 16, None),
    "kpsem, 16 regions": ("kpsem_mfnet", {"regions": 16}, "plain_mfnet", 16, None),
}
"""Model, its arguments, what it is compared with, time steps of a clip, and the ratio that is wanted at most."""


def made(name: str, arguments: dict[str, Any], steps: int, clips: int = 1) -> tuple[nn.Module, Tensor]:
    """A model as it runs, and clips for it."""
    torch.manual_seed(0)
    arguments = {**arguments, "num_steps": steps} if fixes_steps(name) else arguments
    model = create_model(name, 174, **arguments).channels_last()
    return model, torch.randn(clips, steps, model.channels, 224, 224)


def seconds(model: nn.Module, clips: Tensor) -> float:
    """The time of one forward pass."""
    started = time.perf_counter()
    model(clips)
    return time.perf_counter() - started


def compare(case: str, rounds: int) -> dict[str, Any]:
    """Medians over the rounds, after one round of warming up."""
    name, arguments, other, steps, wanted = CASES[case]
    pair = [made(name, arguments, steps), made(other, {}, steps)]
    found: list[list[float]] = [[], []]
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for which in (0, 1) if turn % 2 else (1, 0):
                model, clips = pair[which]
                found[which].append(seconds(model.eval(), clips))
    ours, theirs = (times[1:] for times in found)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "ms": round(1000 * statistics.median(ours)),
        f"{other}_ms": round(1000 * statistics.median(theirs)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(low, 3) for low in statistics.quantiles(ratios, n=4)],
        "wanted": wanted,
        "training_mib": in_a_process(name, arguments, steps),
        f"{other}_training_mib": in_a_process(other, {}, steps),
    }


def in_a_process(name: str, arguments: dict[str, Any], steps: int) -> int:
    """MiB of one training step."""
    command = [sys.executable, __file__, "--step", json.dumps([name, arguments, steps])]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def training_mib(name: str, arguments: dict[str, Any], steps: int) -> int:
    """The same, in this process, which should have done nothing else."""
    before = peak_mib()
    model, clips = made(name, arguments, steps, clips=2)
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.01, momentum=0.9)
    nn.functional.cross_entropy(model(clips), torch.tensor([0, 1])).backward()
    optimizer.step()
    return peak_mib() - before


def peak_mib() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--step", type=json.loads, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.step:
        print(training_mib(*flags.step))
        return
    report: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    for case in flags.only:
        report[case] = compare(case, flags.rounds)
        print(case, report[case], file=sys.stderr, flush=True)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
