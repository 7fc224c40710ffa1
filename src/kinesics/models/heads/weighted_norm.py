"""BatchNorm over a batch in which an item counts several times."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinesics.models.precision import full_precision


def batch_norm(norm: nn.BatchNorm2d, x: Tensor, counts: Tensor | None) -> Tensor:
    """`norm(x)` as if item m of x (M, C, H, W) were `counts[m]` times in the batch, running statistics included.

    counts: (M,) whole numbers, zero for items that do not count; None for once each.
    """
    if counts is None or not norm.training:
        y: Tensor = norm(x)
        return y
    with full_precision(x):
        weight_M111 = counts.to(torch.float32)[:, None, None, None]
        wide = x.float()
        total = weight_M111.sum() * x.shape[2] * x.shape[3]
        mean = (wide * weight_M111).sum(dim=(0, 2, 3)) / total
        centred = wide - mean[:, None, None]
        variance = (centred.square() * weight_M111).sum(dim=(0, 2, 3)) / total
        with torch.no_grad():
            remember(norm, mean, variance * total / (total - 1).clamp_min(1))
        gain = norm.weight * (variance + norm.eps).rsqrt()
        return (centred * gain[:, None, None] + norm.bias[:, None, None]).to(x.dtype)


def remember(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics as BatchNorm does."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance, share)
