"""A figure of each class as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kinesics.files import atomic_path
from kinesics.plots.look import RUNS, Ranged, plain, short


def plot_class_bars(classes: Sequence[str], runs: Mapping[str, Sequence[Ranged]], title: str, path: Path) -> None:
    """Write a PNG: a group of bars a class, a bar a run, with its 95 % interval as a line; NaN leaves a bar out.

    runs: by their names, an interval for each of `classes`, as shares of one.
    """
    thick = 0.8 / len(runs)
    height = max(1.8, 0.6 + len(classes) * min(0.9, max(0.24, 0.17 * len(runs))))
    figure = Figure(figsize=(7.2, min(height, 40.0)), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, bars) in enumerate(runs.items()):
        values = np.array([bar.value for bar in bars])
        ends = np.array([[bar.value - bar.low, bar.high - bar.value] for bar in bars]).T.clip(0)
        places = np.arange(len(classes)) + (number - (len(runs) - 1) / 2) * thick
        color = RUNS[number % len(RUNS)]
        axes.barh(places, values, height=0.9 * thick, color=color, alpha=0.75, label=short(name))
        axes.errorbar(values, places, xerr=ends, fmt="none", ecolor="#1b2a3a", elinewidth=0.9)
    axes.set_yticks(range(len(classes)), [short(name) for name in classes], fontsize=9 if len(classes) <= 60 else 5)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel(title)
    plain(axes)
    axes.grid(axis="y", visible=False)
    if len(runs) > 1:
        figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside upper left", ncols=3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
