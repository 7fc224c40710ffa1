"""Accuracy over cost, one point per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, NullFormatter, NullLocator

from kinesics.files import atomic_path
from kinesics.plots.style import RUN_COLORS, HasInterval, short_name, style_axes


@dataclass(frozen=True)
class Point:
    """One run. macs: multiply-accumulates per video. metric: the value with its interval."""

    name: str
    macs: int
    parameters: int
    metric: HasInterval


def plot_tradeoff(points: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG: the metric over the MACs per video and over the parameters, with 95 % intervals.

    The axis is logarithmic where the costs differ by more than a factor of four. title: the name of the metric.
    """
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, label, costs in (
        (panels[0], "GMACs per video", [point.macs / 1e9 for point in points]),
        (panels[1], "million parameters", [point.parameters / 1e6 for point in points]),
    ):
        for number, (point, cost) in enumerate(zip(points, costs, strict=True)):
            metric = point.metric
            errors = [[max(0.0, metric.value - metric.low)], [max(0.0, metric.high - metric.value)]]
            color = RUN_COLORS[number % len(RUN_COLORS)]
            axes.errorbar(
                [cost], [metric.value], yerr=errors, fmt="o", color=color, elinewidth=1.2, label=short_name(point.name)
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
        style_axes(axes)
    panels[0].set_ylim(0, 1.02)
    panels[0].set_ylabel(title)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        loc="outside upper left",
        ncols=min(4, len(points)),
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
