"""What TSM's shift costs of a ResNet-50's forward pass on a CPU: 8 frames of 224², float32, evaluation mode.

    OMP_NUM_THREADS=1 python benchmarks/shift.py [--rounds 15]

TSN and TSM with the same weights take turns, and change who begins, in both memory layouts. `ratio` is the median over
the rounds of TSM's time over TSN's in the same round. `share` is the time inside the sixteen shifts over the time of
the rest, in TSM alone: it is less at the mercy of what else the machine does. Wanted: 3 % at most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from torch import Tensor, nn

from kinesics.models.build import create_model
from kinesics.models.temporal.shift import TemporalShift
from kinesics.models.temporal.slot import Temporal


class Stopwatch(Temporal):
    """A slot that adds up the seconds spent in it."""

    def __init__(self, slot: nn.Module) -> None:
        super().__init__()
        self.slot = slot
        self.seconds = 0.0

    def forward(self, x: Tensor, t: int) -> Tensor:
        started = time.perf_counter()
        y: Tensor = self.slot(x, t)
        self.seconds += time.perf_counter() - started
        return y


def seconds(model: nn.Module, clips: Tensor) -> float:
    """The time of one forward pass."""
    started = time.perf_counter()
    model(clips)
    return time.perf_counter() - started


def measure(rounds: int, memory_format: torch.memory_format) -> dict[str, float]:
    """Medians over the rounds, after one round of warming up."""
    torch.manual_seed(0)
    tsn, tsm = create_model("tsn_resnet50", 400), create_model("tsm_resnet50", 400)
    tsm.load_state_dict(tsn.state_dict())
    for name, module in list(tsm.named_modules()):
        if isinstance(module, TemporalShift):
            tsm.set_submodule(name, Stopwatch(module))
    models = {"tsn": tsn.eval().to(memory_format=memory_format), "tsm": tsm.eval().to(memory_format=memory_format)}
    watches = [module for module in tsm.modules() if isinstance(module, Stopwatch)]
    clips = torch.randn(1, 8, 3, 224, 224)
    found: dict[str, list[float]] = {"tsn": [], "tsm": [], "shift": []}
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for watch in watches:
                watch.seconds = 0.0
            for name in ("tsn", "tsm") if turn % 2 else ("tsm", "tsn"):
                found[name].append(seconds(models[name], clips))
            found["shift"].append(sum(watch.seconds for watch in watches))
    tsn_s, tsm_s, shift_s = (found[name][1:] for name in ("tsn", "tsm", "shift"))
    return {
        "tsn_ms": round(1000 * statistics.median(tsn_s), 1),
        "tsm_ms": round(1000 * statistics.median(tsm_s), 1),
        "ratio": round(statistics.median(b / a for a, b in zip(tsn_s, tsm_s, strict=True)), 4),
        "share": round(statistics.median(c / (b - c) for b, c in zip(tsm_s, shift_s, strict=True)), 4),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    formats = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    report = {name: measure(rounds, memory_format) for name, memory_format in formats.items()}
    print(json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__, **report}, indent=2))


if __name__ == "__main__":
    main()
