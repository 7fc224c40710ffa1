"""The probabilities of labels over the time of a video, as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from kinesics.plots.saliency import INK, heading, save

COLORS = ("#d9822b", "#2f6fb2", "#8a9aa9", "#6aa84f")


def plot_probability_curve(
    seconds: Sequence[float], probs: Mapping[str, npt.NDArray[np.floating]], title: str, path: Path, *, note: str = ""
) -> None:
    """Write a PNG: one line per label over the middles of the clips, in seconds. The first line is thick."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    heading(figure, title, note)
    axes = figure.add_subplot()
    for number, (label, values) in enumerate(probs.items()):
        (line,) = axes.plot(seconds, values, color=COLORS[number % len(COLORS)], label=label, linewidth=1.2)
        if number == 0:
            line.set(linewidth=2.4, marker=".", zorder=3)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("probability", color=INK)
    axes.set_xlabel("seconds", color=INK)
    axes.grid(color="#e6ebf0")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)
