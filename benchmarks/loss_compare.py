"""Losses of two tiny trainings, TSM and MLFE, to compare before and after a change of the code.

    python benchmarks/loss_compare.py --out before.json
    python benchmarks/loss_compare.py --against before.json     # exit code 1 where a loss differs
    python benchmarks/loss_compare.py --against tests/assets/golden_losses.json
    python benchmarks/loss_compare.py --record tests/assets/golden_losses.json --reason "why the losses change"

The clips, the seed and the number of threads are fixed, so the same code on the same machine gives the same losses to
the last digit. The clips are drawn and encoded here without loss of a bit, so that they do not depend on the package.

On one machine `--against` allows a relative difference of 1e-6. Another kind of processor or another version of torch
adds numbers in another order: AVX2 against AVX-512 differs by 3e-6, so there, first measure the code before the change
on that same machine. The quick test allows 1e-4 for this reason; another draw of random numbers differs by 1e-2.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

import kinesics

Losses = dict[str, list[dict[str, float]]]
CLASSES = ("down", "left", "right", "up")
SPLITS = ("train", "train", "train", "train", "val", "val")
SIZE = 48
NUM_FRAMES = 16
TOLERANCE = 1e-6


def main() -> int:
    """Measure, print and write the losses; 1 where they differ from those of `--against`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the losses to this JSON file")
    parser.add_argument("--against", type=Path, help="compare with the losses in this JSON file")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="largest relative difference (%(default)s)")
    parser.add_argument("--record", type=Path, help="add the losses to the end of this history")
    parser.add_argument("--reason", default="", help="why the losses change; goes into the history")
    options = parser.parse_args()
    if options.record and not options.reason:
        parser.error("--record needs --reason: why do the losses change?")
    torch.set_num_threads(1)
    measured = measure()
    print(json.dumps(measured, indent=1))
    if options.out:
        options.out.write_text(json.dumps(measured, indent=1) + "\n")
    if options.record:
        add_to_history(options.record, measured, options.reason)
    if not options.against:
        return 0
    differences = compare(measured["losses"], newest(options.against)["losses"], options.tolerance)
    print("\n".join(differences) or f"equal to {options.against} within {options.tolerance:g}")
    return int(bool(differences))


def measure() -> dict[str, Any]:
    """The losses of both trainings, with the versions and the processor that gave them."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_clips(Path(folder))
        losses = {name: train(name, data, Path(folder) / name) for name in ("tsm", "mlfe")}
    return {
        "kinesics": kinesics.__version__,
        "commit": commit(),
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "losses": losses,
    }


def compare(losses: Losses, expected: Losses, tolerance: float) -> list[str]:
    """One line for each loss that differs by more than `tolerance` (relative), or that only one side has."""
    lines = []
    for name in sorted(losses.keys() | expected.keys()):
        ours, theirs = losses.get(name, []), expected.get(name, [])
        if len(ours) != len(theirs):
            lines.append(f"{name}: {len(ours)} epochs, expected {len(theirs)}")
        for epoch, (row, expected_row) in enumerate(zip(ours, theirs, strict=False), 1):
            for column in sorted(row.keys() | expected_row.keys()):
                loss, expected_loss = row.get(column, math.nan), expected_row.get(column, math.nan)
                if not math.isclose(loss, expected_loss, rel_tol=tolerance):
                    lines.append(f"{name}, epoch {epoch}: {column} is {loss!r}, expected {expected_loss!r}")
    return lines


def newest(path: Path) -> dict[str, Any]:
    """What `--out` wrote, or the last entry of a history."""
    content = json.loads(path.read_text())
    return content["history"][-1] if "history" in content else content


def add_to_history(path: Path, measured: Mapping[str, Any], reason: str) -> None:
    """Add an entry to the end of a history; a new file begins one."""
    content = json.loads(path.read_text()) if path.exists() else {"history": []}
    content["history"].append({"reason": reason, **measured})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def commit() -> str:
    """The commit of the package that is measured; `-dirty` follows where its files were changed."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(git, cwd=Path(kinesics.__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


class Listener:
    """Keeps each epoch's losses in full precision; log.csv rounds them. Every other call does nothing."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def epoch(self, row: Mapping[str, Any], *_: Any) -> None:
        self.rows.append({name: float(row[name]) for name in ("train_loss", "val_loss")})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: None


def train(name: str, data: Path, out: Path) -> list[dict[str, float]]:
    """Losses per epoch of a training on the CPU in this process, with random weights."""
    recipe = kinesics.recipe(name)
    recipe = replace(
        recipe,
        model=replace(recipe.model, backbone="resnet18", weights=None),
        input=replace(recipe.input, num_segments=4, resize=40, size=32, color_jitter=0.2, erasing=0.25),
        optim=replace(recipe.optim, learning_rate=0.002, epochs=2, batch_size=4, warmup_epochs=0.5, ema=0.5),
        seed=7,
    )
    listener = Listener()
    name = "listener" if "listener" in signature(kinesics.train).parameters else "watch"  # its name before 0.2
    kinesics.train(recipe, data, out, device="cpu", num_workers=0, **{name: listener})
    return listener.rows


def make_clips(folder: Path) -> Path:
    """Clips of a square that moves in one of four directions, and their manifest."""
    random = np.random.default_rng(0)
    manifest = folder / "set.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        for index, split in enumerate(SPLITS):
            for label in CLASSES:
                name = f"{label}_{index}.mkv"
                write_lossless(folder / name, moving_square(label, random))
                rows.writerow((name, label, split))
    return manifest


def moving_square(label: str, random: np.random.Generator) -> list[np.ndarray]:
    """Frames in planar YUV 4:2:0, (3/2 · SIZE, SIZE) of uint8 each."""
    side, noise = 12, random.integers(0, 24, (NUM_FRAMES, SIZE * 3 // 2, SIZE), dtype=np.uint8)
    across = int(random.integers(0, SIZE - side))
    frames = []
    for index in range(NUM_FRAMES):
        step = (SIZE - side) * index // (NUM_FRAMES - 1)
        along = step if label in ("right", "down") else SIZE - side - step
        y, x = (across, along) if label in ("left", "right") else (along, across)
        frame = 100 + noise[index]
        frame[y : y + side, x : x + side] = 220
        frames.append(frame)
    return frames


def write_lossless(path: Path, frames: list[np.ndarray]) -> None:
    """H.264 that decodes to the same bytes, with a key frame every 6 frames."""
    with av.open(str(path), "w") as container:
        options = {"qp": "0", "preset": "ultrafast", "threads": "1", "g": "6"}
        stream = container.add_stream("libx264", rate=12, options=options)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="yuv420p")))
        container.mux(stream.encode())


if __name__ == "__main__":
    sys.exit(main())
