"""Mixup and cutmix: mix each clip of a batch with another one, and their targets too.

Batches are (N, …, C, H, W), uint8 or float, with targets (N, K). Float targets become soft: each row is a weighted
mean of two rows, so the sum of a batch's targets stays the same. One weight, one pairing and one box are used for the
whole batch and all frames. An alpha of 0 changes nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor


def mixup(batch: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """λ·clip + (1 - λ)·another clip of the batch, with λ from Beta(alpha, alpha); targets likewise.

    Raises:
        ValueError: alpha is negative.

    Source: Zhang et al. 2018, section 2.
    """
    if not _mixes(alpha):
        return batch, targets
    share, partner = _draw(len(batch), alpha, generator)
    mixed = torch.lerp(batch[partner].float(), batch.float(), share)
    if not batch.is_floating_point():
        mixed = mixed.round_()
    return mixed.to(batch.dtype), torch.lerp(targets[partner], targets, share)


def cutmix(batch: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Replace a box of each clip by the same box of another one; targets are mixed by the share of the area.

    The box has the frame's shape and the area 1 - λ, with λ from Beta(alpha, alpha). Its centre can be anywhere in the
    frame; the part outside the frame is cut off.

    Raises:
        ValueError: alpha is negative.

    Source: Yun et al. 2019, section 3.
    """
    if not _mixes(alpha):
        return batch, targets
    share, partner = _draw(len(batch), alpha, generator)
    height, width = batch.shape[-2:]
    side = (1 - share) ** 0.5
    down, right = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    top, bottom = _span(down * height, side * height, height)
    left, end = _span(right * width, side * width, width)
    mixed = batch.clone()
    mixed[..., top:bottom, left:end] = batch[partner][..., top:bottom, left:end]
    kept = 1 - (bottom - top) * (end - left) / (height * width)
    return mixed, torch.lerp(targets[partner], targets, kept)


def _mixes(alpha: float) -> bool:
    if alpha < 0:
        raise ValueError(f"alpha must be 0 or more, found {alpha}")
    return alpha > 0


def _draw(num_clips: int, alpha: float, generator: Generator) -> tuple[float, Tensor]:
    """The share λ that each clip keeps, and (N,) the index of the clip that it is mixed with."""
    seed = int(torch.randint(2**62, (), generator=generator))  # torch has no public Beta that takes a generator
    return float(np.random.default_rng(seed).beta(alpha, alpha)), torch.randperm(num_clips, generator=generator)


def _span(centre: float, length: float, limit: int) -> tuple[int, int]:
    """First and end pixel of a span around `centre`, cut off at 0 and `limit`."""
    return max(0, round(centre - length / 2)), min(limit, round(centre + length / 2))
