"""Where a computation runs: the device, the number format, the processes and the cores."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric

from kinesics.errors import UserError

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_fabric(precision: str, device: str = "auto") -> Fabric:
    """Fabric on one device, or on all processes of `torchrun` where it started this one.

    device: auto, cpu, cuda or mps. Raises UserError where there is no such device.
    """
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    check_device(device)
    fabric = Fabric(accelerator=device, devices=devices, num_nodes=nodes, precision=PRECISIONS[precision])  # type: ignore[arg-type]
    if devices * nodes > 1:
        fabric.launch()
    return fabric


def check_device(device: str) -> None:
    """Raises UserError where there is no such device."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise UserError(f"device {device}: there is none here; `kinesics doctor` tells what there is")
