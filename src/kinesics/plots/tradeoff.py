"""What runs reach over what they cost, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, NullFormatter, NullLocator

from kinesics.files import atomic_path
from kinesics.plots.look import RUNS, Ranged, plain, short


@dataclass(frozen=True)
class Point:
    """A run: multiply-accumulates a video, parameters, and a figure with its interval."""

    name: str
    macs: int
    parameters: int
    figure: Ranged


def plot_tradeoff(points: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG: the figure over the MACs a video (by powers) and over the parameters, with 95 % intervals."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    for axes, label, costs in (
        (both[0], "GMACs a video", [point.macs / 1e9 for point in points]),
        (both[1], "million parameters", [point.parameters / 1e6 for point in points]),
    ):
        for number, (point, cost) in enumerate(zip(points, costs, strict=True)):
            found = point.figure
            ends = [[max(0.0, found.value - found.low)], [max(0.0, found.high - found.value)]]
            color = RUNS[number % len(RUNS)]
            axes.errorbar(
                [cost], [found.value], yerr=ends, fmt="o", color=color, elinewidth=1.2, label=short(point.name)
            )
        low, high = min(costs), max(costs)
        if high > 4 * low > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(LogFormatter())
            axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.2, 0.5)))
        else:
            axes.set_xlim(low - 0.15 * high, high + 0.15 * high)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        plain(axes)
    both[0].set_ylim(0, 1.02)
    both[0].set_ylabel(title)
    figure.legend(
        *both[0].get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        loc="outside upper left",
        ncols=min(4, len(points)),
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
