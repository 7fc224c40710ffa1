"""All that a training needs to go on where it was: one file, written whole or not at all."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kinesics.errors import UserError
from kinesics.files import atomic_path

CHECKPOINT = "last/training.pt"


@dataclass
class Progress:
    """Where a training stands: the next batch to take, and what is known so far."""

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    clips_seen: int = 0
    best: float = float("-inf")
    best_epoch: int = -1
    rows: list[dict[str, Any]] = field(default_factory=list)


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write the training state of `run`: tensors, numbers, strings, lists and dicts of them."""
    with atomic_path(run / CHECKPOINT) as temporary:
        torch.save(state, temporary)


def load_checkpoint(run: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote.

    Raises:
        UserError: there is none, or it is not one.
    """
    path = run / CHECKPOINT
    if not path.is_file():
        raise UserError(f"{path}: no such file; wanted the checkpoint of a training to resume")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{path}: not a checkpoint of kinesics ({str(error).splitlines()[0]})") from error
    if not isinstance(state, dict) or "progress" not in state:
        raise UserError(f"{path}: not a checkpoint of kinesics")
    return state
