"""A reliability diagram: accuracy over confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

from kinesics.files import atomic_path
from kinesics.plots.style import RUN_COLORS, short_name, style_axes


class ReliabilityBin(Protocol):
    """The answers of one bin: their number, mean probability and the share that is correct."""

    @property
    def low(self) -> float: ...
    @property
    def num_answers(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def accuracy(self) -> float: ...


def plot_reliability(runs: Mapping[str, Sequence[ReliabilityBin]], path: Path) -> None:
    """Write a PNG: the share of correct answers over their mean probability, one line per run; below, answers per bin.

    A point is larger where its bin has more answers.
    """
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color="#8a9aa9", linestyle="--", linewidth=1, label="perfect calibration")
    width = 1 / max(len(bins) for bins in runs.values()) / len(runs)
    for number, (name, bins) in enumerate(runs.items()):
        filled = [each for each in bins if each.num_answers]
        color = RUN_COLORS[number % len(RUN_COLORS)]
        x, y = [each.confidence for each in filled], [each.accuracy for each in filled]
        max_answers = max((each.num_answers for each in filled), default=1)
        axes.plot(x, y, color=color, linewidth=1.2, label=short_name(name))
        sizes = [8 + 60 * each.num_answers / max_answers for each in filled]
        axes.scatter(x, y, s=sizes, color=color, clip_on=False, zorder=3)
        positions = [each.low + (number + 0.5) * width for each in bins]
        counts.bar(positions, [each.num_answers for each in bins], width=0.9 * width, color=color)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share that is correct")
    counts.set_ylabel("answers")
    counts.set_xlabel("probability of the answer")
    for panel in (axes, counts):
        style_axes(panel)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
