"""Bootstrap intervals: how far a figure would move with other videos of the same kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


Z = 1.959964
"""The 97.5 % point of the normal distribution."""
FEW_GROUPS = 5
"""Groups below which clips say little about other groups."""


def wilson(share: float, number: float) -> Interval:
    """The Wilson score interval of a share of `number` independent trials; it does not collapse at 0 and 1.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.

    >>> interval = wilson(1.0, 8)
    >>> round(interval.low, 3), interval.high
    (0.676, 1.0)
    """
    spread = Z * Z / number
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / number + spread / (4 * number)) / (1 + spread)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(share, 0.0 if share == 0 else low, 1.0 if share == 1 else high)


def units_of(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """(M,) the number of the unit of each clip: those of a group are one unit, a clip without a group is its own.

    >>> units_of(["ann", "", "ann", ""]).tolist()
    [0, 1, 0, 2]
    """
    numbers: dict[str, int] = {}
    keys = [group or f"\0{index}" for index, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def effective_number(hits: Array, units: npt.NDArray[np.int64]) -> float:
    """How many independent clips (M,) hits are worth, whose units are alike inside.

    The variance between units decides; where all clips are hits or none is, it says nothing, and units count as one.
    """
    num_clips, num_units = len(hits), int(units.max()) + 1
    share = float(hits.mean())
    if num_units == num_clips:
        return float(num_clips)
    if num_units == 1 or share in (0.0, 1.0):
        return float(num_units)
    sizes = np.bincount(units)
    excess = np.bincount(units, weights=hits) - share * sizes
    variance = float((excess**2).sum()) * num_units / (num_units - 1) / num_clips**2
    return float(np.clip(share * (1 - share) / max(variance, 1e-12), num_units, num_clips))


def draw_weights(units: npt.NDArray[np.int64], num_draws: int, seed: int) -> Array:
    """(B, M) the weight of each clip in each draw of the Bayesian bootstrap: one exponential weight per unit.

    Source: Rubin, The Bayesian Bootstrap, Annals of Statistics 1981.
    """
    generator = np.random.default_rng(seed)
    return np.asarray(generator.standard_exponential((num_draws, int(units.max()) + 1))[:, units])


def percentiles(values: Array, drawn: Array) -> list[Interval]:
    """(S,) figures and (B, S) draws of them → their 2.5 % to 97.5 % intervals, which hold the figures."""
    result = []
    for value, column in zip(values.tolist(), drawn.T, strict=True):
        column = column[~np.isnan(column)]
        if math.isnan(value) or not len(column):
            result.append(Interval(value, value, value))
            continue
        low, high = np.percentile(column, [2.5, 97.5])
        result.append(Interval(value, min(float(low), value), max(float(high), value)))
    return result


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
