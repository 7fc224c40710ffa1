"""A metric per class, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kinesics.files import atomic_path
from kinesics.plots.style import RUN_COLORS, HasInterval, short_name, style_axes


def plot_class_bars(classes: Sequence[str], runs: Mapping[str, Sequence[HasInterval]], title: str, path: Path) -> None:
    """Write a PNG: one group of bars per class, one bar per run, its 95 % interval as a line. NaN draws no bar.

    runs: by the name of the run, one interval per class, in shares of one. title: the name of the metric.
    """
    thickness = 0.8 / len(runs)
    height = max(1.8, 0.6 + len(classes) * min(0.9, max(0.24, 0.17 * len(runs))))
    figure = Figure(figsize=(7.2, min(height, 40.0)), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, bars) in enumerate(runs.items()):
        values = np.array([bar.value for bar in bars])
        errors = np.array([[bar.value - bar.low, bar.high - bar.value] for bar in bars]).T.clip(0)
        positions = np.arange(len(classes)) + (number - (len(runs) - 1) / 2) * thickness
        color = RUN_COLORS[number % len(RUN_COLORS)]
        axes.barh(positions, values, height=0.9 * thickness, color=color, alpha=0.75, label=short_name(name))
        axes.errorbar(values, positions, xerr=errors, fmt="none", ecolor="#1b2a3a", elinewidth=0.9)
    axes.set_yticks(
        range(len(classes)), [short_name(name) for name in classes], fontsize=9 if len(classes) <= 60 else 5
    )
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel(title)
    style_axes(axes)
    axes.grid(axis="y", visible=False)
    if len(runs) > 1:
        figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside upper left", ncols=3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
