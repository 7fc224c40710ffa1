"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from kinesics.files import atomic_path
from kinesics.plots.style import short_name

MAX_NUMBERS = 25
"""With more classes, cells show no counts."""
MAX_NAMES = 60
"""With more classes, the axes show numbers instead of names."""


def plot_confusion(confusion: npt.NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Write a PNG: one row per true class, one column per predicted class.

    The colour of a cell is its share of the row, the number is its count.
    """
    num_classes = len(classes)
    rows = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, rows, out=np.zeros(confusion.shape), where=rows > 0)
    names = [short_name(name) for name in classes]
    margin = 0.075 * max(map(len, names)) if num_classes <= MAX_NAMES else 0.5
    side = min(16.0, max(2.6, (0.5 if num_classes <= MAX_NUMBERS else 0.22) * num_classes))
    figure = Figure(figsize=(side + margin + 1.4, side + margin + 0.7), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if num_classes <= MAX_NAMES:
        size = 9 if num_classes <= MAX_NUMBERS else 6
        axes.set_xticks(range(num_classes), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
        axes.set_yticks(range(num_classes), names, fontsize=size)
    if num_classes <= MAX_NUMBERS:
        for i, j in zip(*np.nonzero(confusion), strict=True):
            color = "white" if shares[i, j] > 0.55 else "#1b2a3a"
            axes.text(j, i, str(confusion[i, j]), ha="center", va="center", fontsize=9, color=color)
    for spine in axes.spines.values():
        spine.set_color("#c8d0d8")
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    bar.outline.set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
