"""Bootstrap intervals: how far a figure would move with other videos of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; both ends are the figure itself where no draws were made."""

    value: float
    low: float
    high: float


def draw_counts(num_videos: int, num_draws: int, seed: int) -> npt.NDArray[np.int64]:
    """(B, M) how often each video is in each of B draws of M videos with replacement."""
    generator = np.random.default_rng(seed)
    counts = np.empty((num_draws, num_videos), dtype=np.int64)
    for row in counts:
        row[:] = np.bincount(generator.integers(num_videos, size=num_videos), minlength=num_videos)
    return counts


def intervals(statistic: Callable[[Array], Array], counts: npt.NDArray[np.int64]) -> list[Interval]:
    """The percentile intervals (2.5 % and 97.5 %) of figures that are a function of how often each video counts.

    statistic: (B, M) weights → (B, S) figures; NaN where a figure is not defined for a draw (left out).
    """
    values = statistic(np.ones((1, counts.shape[1])))[0]
    if not len(counts):
        return [Interval(float(v), float(v), float(v)) for v in values]
    drawn = statistic(counts.astype(np.float64))
    result = []
    for value, column in zip(values, drawn.T, strict=True):
        column = column[~np.isnan(column)]
        low, high = np.percentile(column, [2.5, 97.5]) if len(column) else (value, value)
        result.append(Interval(float(value), float(low), float(high)))
    return result
