"""The style that plots share: the colours of runs, the axes, the length of names."""

from __future__ import annotations

from typing import Protocol

from matplotlib.axes import Axes

RUN_COLORS = ("#2f6fb2", "#d9822b", "#3d9970", "#b0448f", "#7a6a3a", "#c0392b", "#4b5f73", "#5c4ab2")
"""The colours of runs, in order; with more runs they repeat."""
MAX_LETTERS = 28


class HasInterval(Protocol):
    """A value with the ends of its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def style_axes(axes: Axes) -> None:
    """Draw a pale grid behind the data, and no frame above or to the right."""
    axes.set_axisbelow(True)
    axes.grid(color="#e6ebf0")
    axes.spines[["top", "right"]].set_visible(False)


def short_name(name: str) -> str:
    """A name for an axis: at most 28 letters, with "$" escaped, which matplotlib reads as the start of a formula."""
    name = name.replace("$", r"\$")
    return name if len(name) <= MAX_LETTERS else f"{name[: MAX_LETTERS - 1]}…"
