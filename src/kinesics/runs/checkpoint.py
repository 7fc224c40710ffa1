"""The checkpoint: all that a training needs to go on where it was, in one file, written whole or not at all."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kinesics.errors import UserError, first_line
from kinesics.files import atomic_path
from kinesics.version import __version__

CHECKPOINT = "last/training.pt"
FORMAT = 1
"""Of the checkpoint. Unlike a model, a checkpoint is read by its own version only: it holds an optimizer's state."""


@dataclass
class Progress:
    """The state of a training: the next batch to take, and what was measured so far."""

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
        torch.save({**state, "format": FORMAT, "version": __version__}, temporary)


def load_checkpoint(run: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote.

    Raises:
        UserError: there is none, the file is another one, or it has another format.
    """
    path = run / CHECKPOINT
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected the checkpoint of a training to resume")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{path}: not a checkpoint of kinesics ({first_line(error)})") from error
    if not isinstance(state, dict) or not {"progress", "model", "optimizer"} <= state.keys():
        raise UserError(f"{path}: not a checkpoint of kinesics")
    if state.get("format") != FORMAT:
        version = state.get("version", "of an earlier version")
        raise UserError(
            f"{path}: format {state.get('format', 'unknown')}, written by kinesics {version}; "
            f"kinesics {__version__} reads format {FORMAT}. Go on with that version, or start a new run"
        )
    return state
