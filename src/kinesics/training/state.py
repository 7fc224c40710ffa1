"""The state of a training: what a checkpoint holds, and how a training goes on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from kinesics.errors import UserError
from kinesics.models.recognizer import Recognizer
from kinesics.runs.checkpoint import CHECKPOINT, Progress, load_checkpoint
from kinesics.training.optim import AveragedWeights


def training_state(
    fabric: Fabric, model: Recognizer, optimizer: Any, averaged: AveragedWeights | None, progress: Progress
) -> dict[str, Any]:
    """All that `restore` needs, as tensors and plain values."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "precision": fabric.strategy.precision.state_dict(),
        "averaged": {"state": averaged.state, "num_steps": averaged.num_steps} if averaged else None,
        "progress": dict(vars(progress)),
        "processes": fabric.world_size,
    }


def restore(out: Path, fabric: Fabric, model: Recognizer, optimizer: Any, averaged: AveragedWeights | None) -> Progress:
    """Put a training back to where its checkpoint is.

    Raises:
        UserError: another number of processes wrote the checkpoint.
    """
    state = load_checkpoint(out)
    if state.get("processes", fabric.world_size) != fabric.world_size:
        raise UserError(
            f"{out / CHECKPOINT}: was written by a training with {state['processes']} processes, and this one has "
            f"{fabric.world_size}; resume with {state['processes']}"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    fabric.strategy.precision.load_state_dict(state["precision"])
    if averaged and state["averaged"]:
        averaged.num_steps = state["averaged"]["num_steps"]
        for name, tensor in state["averaged"]["state"].items():
            averaged.state[name].copy_(tensor)
    progress = Progress(**state["progress"])
    if "shares" in state:  # in the middle of an epoch each process goes on with its own sum
        progress.loss_sum, progress.clips_seen = state["shares"][fabric.global_rank]
    return progress
