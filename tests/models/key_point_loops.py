"""KPSEM's key points, their shifts and their weights in plain loops: its paper, section 3.3, equations 6 to 11."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def whole(line: float) -> int:
    """The nearest cell's edge; halves go up."""
    return math.floor(line + 0.5)


class Found(NamedTuple):
    """As `KeyPoints` of the package, in float64."""

    points: Tensor
    values: Tensor
    weights: Tensor
    shifts: Tensor


def key_point_shifts(x: Tensor, ys: Tensor, xs: Tensor) -> Found:
    """Section 3.3, one region of one channel of one frame after the other.

    x: (N, T, C, H, W). ys, xs: (N, T, G, k+1), where the regions end, down and across, in cells.
    """
    n, t, c, height, width = x.shape
    sets, k = ys.shape[2], ys.shape[3] - 1
    points = torch.zeros(n, t, sets, k * k, c, 2, dtype=torch.float64)
    values = torch.zeros(n, t, sets, k * k, c, dtype=torch.float64)
    means = torch.zeros(n, t, sets, k * k, c, dtype=torch.float64)
    for i in range(n):
        for f in range(t):
            for g in range(sets):
                for region in range(k * k):
                    (top, bottom), (left, right) = (
                        lines[i, f, g, place : place + 2].tolist()
                        for lines, place in ((ys, region // k), (xs, region % k))
                    )
                    for channel in range(c):
                        best, total, area = None, 0.0, 0.0
                        for y in range(height):
                            for x_ in range(width):
                                value = float(x[i, f, channel, y, x_])
                                inside = whole(top) <= y < whole(bottom) and whole(left) <= x_ < whole(right)
                                if inside and (best is None or value > best[0]):
                                    best = (value, x_, y)
                                share = max(0.0, min(bottom, y + 1) - max(top, y)) * max(
                                    0.0, min(right, x_ + 1) - max(left, x_)
                                )
                                total, area = total + share * value, area + share
                        assert best is not None
                        values[i, f, g, region, channel] = best[0]
                        points[i, f, g, region, channel, 0] = best[1] / (width - 1)
                        points[i, f, g, region, channel, 1] = best[2] / (height - 1)
                        means[i, f, g, region, channel] = total / area
    moved = torch.zeros(n, t - 1, sets, k * k, c, 2, dtype=torch.float64)
    for alpha in range(k * k):
        similar = torch.stack(
            [1 / ((values[:, :-1, :, alpha] - values[:, 1:, :, beta]).abs() + 0.1) for beta in range(k * k)]
        ).softmax(dim=0)
        for beta in range(k * k):
            moved[:, :, :, alpha] += similar[beta][..., None] * (points[:, 1:, :, beta] - points[:, :-1, :, alpha])
    return Found(points, values, ((means[:, 1:] + means[:, :-1]) / 2).softmax(dim=3), moved)
