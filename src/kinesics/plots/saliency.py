"""Heat maps over frames: one frame, and a sheet of a clip's frames."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kinesics.files import atomic_path

Frames = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

COLUMNS = 8
"""Time steps beside each other; more stand in bands below."""
TILE_INCHES = 1.35
GAP_INCHES = 0.05
STRONGEST = 0.8
"""How much of a pixel the colour of the greatest heat covers."""
INK = "#1b2a3a"
TITLE_POINTS, NOTE_POINTS = 10.0, 7.5
TITLE: dict[str, Any] = {"fontsize": TITLE_POINTS, "color": INK, "fontweight": "bold"}
NOTE: dict[str, Any] = {"fontsize": NOTE_POINTS, "color": "#5a6b7b"}
_MAP = (matplotlib.colormaps["turbo"](np.linspace(0.5, 0.95, 256))[:, :3] * 255).astype(np.uint8)


def scaled(maps: npt.NDArray[np.floating]) -> Floats:
    """Any shape, 0 and up → 0 to 1: as a share of the largest value of all, so that maps of one clip stay comparable.

    The largest is the 99.9th percentile, since single pixels of fine maps stand out by far. All zero stays so.
    """
    top = float(np.percentile(maps, 99.9)) or float(maps.max(initial=0.0))
    return np.asarray(np.clip(maps / top, 0, 1) if top > 0 else np.zeros_like(maps), dtype=np.float32)


def overlay(frame_HW3: Frames, heat_HW: Floats) -> Frames:
    """A frame with heat, 0 to 1 and of the same size, laid over it: no heat leaves the frame as it is."""
    share = (STRONGEST * heat_HW.clip(0, 1) ** 0.8)[..., None]
    colors = _MAP[(heat_HW.clip(0, 1) * 255).astype(np.uint8)]
    return np.asarray(np.rint(frame_HW3 * (1 - share) + colors * share), dtype=np.uint8)


def fitted(heat_hw: Floats, frame_HW3: Frames) -> Floats:
    """Heat at the size of a frame."""
    return np.asarray(cv2.resize(heat_hw, frame_HW3.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def plot_saliency(
    frames_THW3: Frames, heat_Thw: Floats, seconds: Sequence[float], title: str, path: Path, *, note: str = ""
) -> None:
    """Write a PNG: the frames, the same with their heat (0 to 1), and bars of how much of the clip's heat each has."""
    shares = heat_Thw.mean(axis=(1, 2))
    shares = shares / shares.sum() if shares.sum() > 0 else shares
    tall = frames_THW3.shape[1] / frames_THW3.shape[2] * TILE_INCHES
    sheet = Sheet.of(len(frames_THW3), 2 * tall + 0.55, title, note)
    for t, frame in enumerate(frames_THW3):
        left, top = sheet.corner(t)
        first = sheet.axes(left, top + 0.2, tall)
        first.imshow(frame, aspect="auto")
        first.set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
        sheet.axes(left, top + 0.24 + tall, tall).imshow(overlay(frame, fitted(heat_Thw[t], frame)), aspect="auto")
        bar(sheet.axes(left, top + 0.29 + 2 * tall, 0.15), float(shares[t]), float(shares.max()))
    save(sheet.figure, path)


@dataclass(frozen=True)
class Sheet:
    """A figure of tiles in bands of COLUMNS, placed in inches from the upper left. head: where tiles begin."""

    figure: Figure
    head: float
    band: float

    @staticmethod
    def of(count: int, band: float, title: str, note: str = "") -> Sheet:
        """A sheet of `count` tiles, in bands `band` inches tall, with its title above and its note below."""
        width = max(4.4, min(count, COLUMNS) * (TILE_INCHES + GAP_INCHES) + 0.1)
        head, foot = wrapped(title, width, TITLE_POINTS), wrapped(note, width, NOTE_POINTS)
        top, low = 0.08 + 0.18 * len(head), 0.08 + 0.14 * len(foot)
        figure = Figure(figsize=(width, top + -(-count // COLUMNS) * band + low))
        height = figure.get_figheight()
        figure.text(0.06 / width, 1 - 0.05 / height, "\n".join(head), va="top", **TITLE)
        figure.text(0.06 / width, 0.05 / height, "\n".join(foot), va="bottom", **NOTE)
        return Sheet(figure, top, band)

    def corner(self, tile: int) -> tuple[float, float]:
        """Where a tile begins, in inches: left and top."""
        return 0.06 + tile % COLUMNS * (TILE_INCHES + GAP_INCHES), self.head + tile // COLUMNS * self.band

    def axes(self, left: float, top: float, height: float) -> Axes:
        """Bare axes of a tile's width."""
        wide, tall = self.figure.get_size_inches()
        axes = self.figure.add_axes((left / wide, 1 - (top + height) / tall, TILE_INCHES / wide, height / tall))
        axes.set_axis_off()
        return axes


def wrapped(text: str, inches: float, points: float) -> list[str]:
    """The text in lines that fit a width; none for no text."""
    return textwrap.wrap(text, max(20, int(inches * 72 / (0.58 * points))))


def bar(axes: Axes, share: float, largest: float) -> None:
    """A bar as long as a share is beside the largest, and its per cents."""
    axes.barh([0], [1], color="#e6ebf0", height=0.8)
    axes.barh([0], [share / largest if largest > 0 else 0], color="#d9822b", height=0.8)
    axes.text(0.5, 0, f"{share:.0%}", ha="center", va="center", fontsize=7, color=INK)
    axes.set_xlim(0, 1)


def heading(figure: Figure, title: str, note: str = "") -> None:
    """The title of a picture whose layout is "constrained", and a note below it."""
    width = figure.get_figwidth()
    figure.suptitle("\n".join(wrapped(title, width, TITLE_POINTS)), x=0.01, ha="left", **TITLE)
    if note:
        figure.supxlabel("\n".join(wrapped(note, width, NOTE_POINTS)), x=0.01, ha="left", **NOTE)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, facecolor="white")
