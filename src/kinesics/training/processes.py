"""What the processes of one training agree on."""

from __future__ import annotations

from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from kinesics.errors import UserError

T = TypeVar("T")


def any_process(fabric: Fabric, flag: bool) -> bool:
    """Whether `flag` is true in one process or more; the same answer in all. All must call it at the same point."""
    return flag if fabric.world_size == 1 else sum_over_processes(fabric, float(flag))[0] > 0


def sum_over_processes(fabric: Fabric, *values: float) -> list[float]:
    """The sum of each value over all processes; the values themselves where there is one process."""
    if fabric.world_size == 1:
        return list(values)
    dtype = torch.float32 if fabric.device.type == "mps" else torch.float64  # MPS has no float64
    total = torch.tensor(values, dtype=dtype, device=fabric.device)
    torch.distributed.all_reduce(total)
    return [float(value) for value in total.tolist()]


def from_all_processes(fabric: Fabric, value: T) -> list[T]:
    """The `value` of each process, in the order of their ranks. All must call it at the same point."""
    values = [value] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values


def share_statistics(fabric: Fabric, model: nn.Module) -> None:
    """Have the BatchNorms of `model` take their statistics from the clips of all processes.

    Raises:
        UserError: the processes compute on something else than GPUs, which PyTorch cannot do this on.
    """
    if fabric.world_size == 1:
        return
    if fabric.device.type != "cuda":
        raise UserError(
            f"optim.sync_batch_norm: found {fabric.world_size} processes on {fabric.device.type}; expected GPUs"
        )
    nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]


def copy_buffers(fabric: Fabric, model: nn.Module) -> None:
    """Give all processes the buffers of the first, such as BatchNorm's statistics, which it saves with the model."""
    if fabric.world_size > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)
