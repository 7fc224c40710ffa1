"""Where a computation runs: the device, the number format, the processes and the cores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from kinesics.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_fabric(precision: str, device: str = "auto") -> Fabric:
    """Fabric on one device, or on all processes of `torchrun` where it started this one.

    device: auto, cpu, cuda or mps. Raises UserError where there is no such device.
    """
    from lightning_fabric import Fabric  # two seconds, which prediction does without

    devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    check_device(device)
    fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, precision=PRECISIONS[precision])  # type: ignore[arg-type]
    if devices * nodes > 1:
        fabric.launch()
    return fabric


def pick_device(device: str = "auto") -> torch.device:
    """The device of that name, without Fabric; auto takes a GPU where there is one.

    device: auto, cpu, cuda or mps. Raises UserError where there is no such device.
    """
    check_device(device)
    if device == "auto":
        device = "mps" if torch.backends.mps.is_available() else "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device, 0) if device != "cpu" else torch.device(device)


def check_device(device: str) -> None:
    """Raises UserError where there is no such device."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise UserError(f"device {device}: this machine has none; `kinesics doctor` lists the devices")
