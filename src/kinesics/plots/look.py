"""What pictures share: the values that they read, the colours of runs, axes that stay in the background."""

from __future__ import annotations

from typing import Protocol

from matplotlib.axes import Axes

RUNS = ("#2f6fb2", "#d9822b", "#3d9970", "#b0448f", "#7a6a3a", "#c0392b", "#4b5f73", "#5c4ab2")
"""Colours of runs, in their order; they begin anew after the last."""
LONGEST = 28


class Ranged(Protocol):
    """A figure with the ends of its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def plain(axes: Axes) -> None:
    """A pale grid behind the data, and no frame above or to the right."""
    axes.set_axisbelow(True)
    axes.grid(color="#e6ebf0")
    axes.spines[["top", "right"]].set_visible(False)


def short(name: str) -> str:
    """A name as it fits an axis: at most 28 letters, and without what the drawing library would take for a formula."""
    name = name.replace("$", r"\$")
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
