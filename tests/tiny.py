"""Small real videos that the tests make themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinesics.analysis.evaluate import test as test_run
from kinesics.data.manifest import Manifest, Row, write_manifest
from kinesics.models.build import create_model
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.training.train import train
from kinesics.video.write import write_video


def moving_square(label: str, index: int, *, num_frames: int = 12, size: int = 32) -> list[np.ndarray]:
    """A bright square that goes left or right, by the label; its speed and height differ by the index."""
    random = np.random.default_rng(index)
    y = int(random.integers(2, size - 12))
    frames = []
    for i in range(num_frames):
        place = i if label == "right" else num_frames - 1 - i
        frame = np.full((size, size, 3), 40 + int(random.integers(0, 8)), dtype=np.uint8)
        x = int(place * (size - 10) / (num_frames - 1))
        frame[y : y + 10, x : x + 10] = (220, 200, 60)
        frames.append(frame)
    return frames


def make_set(folder: Path, *, train: int = 4, val: int = 2, test: int = 2, folds: int | None = None) -> Path:
    """A manifest of so many clips of each of two classes, `left` and `right`, and its videos."""
    rows = []
    for label in ("left", "right"):
        splits = ["train"] * train + ["val"] * val + ["test"] * test
        for index, split in enumerate(splits):
            path = folder / "clips" / f"{label}_{index}.mp4"
            write_video(path, moving_square(label, index), fps=12)
            fold = index % folds if folds else None
            rows.append(Row(f"clips/{label}_{index}.mp4", (label,), split=split, fold=fold, group=f"g{index}"))
    write_manifest(Manifest(folder / "set.csv", tuple(rows)), folder / "set.csv")
    return folder / "set.csv"


def tiny_recipe(system: str) -> Recipe:
    """A training of a second: three frames of 32 pixels, random weights, two epochs."""
    return Recipe(
        name=system,
        model=ModelConfig(system=system, backbone="resnet18", weights=None),
        input=InputConfig(num_segments=3, resize=32, size=32),
        optim=OptimConfig(epochs=2, batch_size=4, batch_norm="train"),
    )


def random_weights(folder: Path, name: str, **arguments: Any) -> str:
    """A weights file of a model with random weights: trainings that keep a part of the backbone need one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = create_model(name, 2, **arguments).state_dict()
    path = folder / f"{name}.pth"
    torch.save({name: tensor for name, tensor in state.items() if name.startswith("backbone.")}, path)
    return str(path)


def train_runs(data: Path, folder: Path) -> tuple[Path, Path]:
    """Two runs of the manifest, `tsn` and `tsm` in `folder`, trained and tested."""
    tsn, tsm = (train(tiny_recipe(name), data, folder / name, device="cpu", num_workers=0) for name in ("tsn", "tsm"))
    for run in (tsn, tsm):
        test_run(run, device="cpu", num_workers=0)
    return tsn, tsm
