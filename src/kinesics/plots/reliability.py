"""How far probabilities are kept, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

from kinesics.files import atomic_path
from kinesics.plots.look import RUNS, plain, short


class Answers(Protocol):
    """The answers of one bin: how many, their mean probability, and the share that is right."""

    @property
    def low(self) -> float: ...
    @property
    def num_answers(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def accuracy(self) -> float: ...


def plot_reliability(runs: Mapping[str, Sequence[Answers]], path: Path) -> None:
    """Write a PNG: the share right over the mean probability, a line a run; below, how many answers each bin has.

    Points are larger where they stand for more answers.
    """
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color="#8a9aa9", linestyle="--", linewidth=1, label="as sure as right")
    width = 1 / max(len(bins) for bins in runs.values()) / len(runs)
    for number, (name, bins) in enumerate(runs.items()):
        filled = [each for each in bins if each.num_answers]
        color = RUNS[number % len(RUNS)]
        x, y = [each.confidence for each in filled], [each.accuracy for each in filled]
        most = max((each.num_answers for each in filled), default=1)
        axes.plot(x, y, color=color, linewidth=1.2, label=short(name))
        sizes = [8 + 60 * each.num_answers / most for each in filled]
        axes.scatter(x, y, s=sizes, color=color, clip_on=False, zorder=3)
        places = [each.low + (number + 0.5) * width for each in bins]
        counts.bar(places, [each.num_answers for each in bins], width=0.9 * width, color=color)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share that is right")
    counts.set_ylabel("answers")
    counts.set_xlabel("probability of the answer")
    for each in (axes, counts):
        plain(each)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
