"""What MLFE's local features and STP's pyramid cost on a CPU, beside the networks that they stand on.

    OMP_NUM_THREADS=1 python benchmarks/heads.py [--rounds 9]

Time: MLFE against TSM on ResNet-50, 8 frames of 224², 10 and 400 classes; STP (3 segments of 4 frames) against TSN's 12
frames on BN-Inception, 51 classes. Both of a pair take turns, and change who begins; `ratio` is the median over the
rounds of one's time over the other's in the same round. `share` is the time inside MLFE's local features over the time
of all else in that network: it is less at the mercy of what else the machine does. Random inputs put the peaks of 400
classes in more places than a picture of something does.

Memory: what MLFE's head keeps for the backward pass of a batch of 16 clips beyond the stages' own outputs, which the
backbone keeps anyway: tensors saved by autograd, counted once for each storage, parameters left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from kinesics.models.build import create_model
from kinesics.models.heads.local import LocalHead

PAIRS = {
    "mlfe, 10 classes": (("mlfe_resnet50", "tsm_resnet50"), 10, 8),
    "mlfe, 400 classes": (("mlfe_resnet50", "tsm_resnet50"), 400, 8),
    "stp, 12 frames": (("stp_bninception", "tsn_bninception"), 51, 12),
}
STAGES = {"layer2": (256, 56), "layer3": (512, 28), "layer4": (1024, 14), "layer5": (2048, 7)}


def seconds(model: nn.Module, clips: Tensor) -> float:
    """The time of one forward pass."""
    started = time.perf_counter()
    model(clips)
    return time.perf_counter() - started


def compare(names: tuple[str, str], num_classes: int, num_frames: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds, after one round of warming up."""
    torch.manual_seed(0)
    models = [create_model(name, num_classes).eval() for name in names]
    models[1].backbone.load_state_dict(models[0].backbone.state_dict())
    clips = torch.randn(1, num_frames, 3, 224, 224)
    inside = [0.0]
    if isinstance(models[0].head, LocalHead):
        models[0].head.local = timed(models[0].head.local, inside)  # type: ignore[method-assign]
    shares = []
    found: list[list[float]] = [[], []]
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for which in (0, 1) if turn % 2 else (1, 0):
                inside[0] = 0.0
                found[which].append(seconds(models[which], clips))
                if which == 0:
                    shares.append(inside[0] / (found[0][-1] - inside[0]))
    ours, theirs = (times[1:] for times in found)
    return {
        f"{names[0]}_ms": round(1000 * statistics.median(ours), 1),
        f"{names[1]}_ms": round(1000 * statistics.median(theirs), 1),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 4),
        "share": round(statistics.median(shares[1:]), 4),
    }


def timed(function: Callable[..., Tensor], spent: list[float]) -> Callable[..., Tensor]:
    """The same function, which adds the seconds it takes to `spent`."""

    def call(*values: Any) -> Tensor:
        started = time.perf_counter()
        result = function(*values)
        spent[0] += time.perf_counter() - started
        return result

    return call


def saved_gib(num_classes: int, batch: int = 16, num_frames: int = 8) -> float:
    """GiB that MLFE's head keeps for the backward pass."""
    torch.manual_seed(0)
    head = create_model("mlfe_resnet50", num_classes).head.train()
    features = {
        name: torch.randn(batch, num_frames, channels, side, side, requires_grad=True)
        for name, (channels, side) in STAGES.items()
    }
    known = {tensor.untyped_storage().data_ptr() for tensor in (*features.values(), *head.parameters())}
    storages: dict[int, int] = {}
    kept: list[Tensor] = []  # so that no storage's place is used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            storages[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        terms = head.terms(features)
    del terms
    return round(sum(storages.values()) / 2**30, 2)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    report: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__}
    report |= {title: compare(*values, rounds) for title, values in PAIRS.items()}
    report |= {f"mlfe, {k} classes, saved GiB": saved_gib(k) for k in (10, 400)}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
