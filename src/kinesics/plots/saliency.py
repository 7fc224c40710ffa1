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
"""Time steps per row of tiles."""
TILE_INCHES = 1.35
GAP_INCHES = 0.05
MAX_OPACITY = 0.8
"""The opacity of the colour of the highest heat."""
INK = "#1b2a3a"
TITLE_POINTS, NOTE_POINTS = 10.0, 7.5
TITLE: dict[str, Any] = {"fontsize": TITLE_POINTS, "color": INK, "fontweight": "bold"}
NOTE: dict[str, Any] = {"fontsize": NOTE_POINTS, "color": "#5a6b7b"}
_COLOR_MAP = (matplotlib.colormaps["turbo"](np.linspace(0.5, 0.95, 256))[:, :3] * 255).astype(np.uint8)


def scaled(maps: npt.NDArray[np.floating]) -> Floats:
    """Any shape, 0 and up → the same shape, 0 to 1: divided by the largest value, on one scale for all maps of a clip.

    The largest value is the 99.9th percentile, because single pixels of fine maps are far above the others. Maps that
    are all zero stay zero.
    """
    largest = float(np.percentile(maps, 99.9)) or float(maps.max(initial=0.0))
    return np.asarray(np.clip(maps / largest, 0, 1) if largest > 0 else np.zeros_like(maps), dtype=np.float32)


def overlay(frame_HW3: Frames, heat_HW: Floats) -> Frames:
    """A frame with heat, 0 to 1 and of the same size, drawn over it. Where the heat is 0 the frame is unchanged."""
    opacity = (MAX_OPACITY * heat_HW.clip(0, 1) ** 0.8)[..., None]
    colors = _COLOR_MAP[(heat_HW.clip(0, 1) * 255).astype(np.uint8)]
    return np.asarray(np.rint(frame_HW3 * (1 - opacity) + colors * opacity), dtype=np.uint8)


def resized(heat_hw: Floats, frame_HW3: Frames) -> Floats:
    """(h, w) → (H, W): heat at the size of a frame."""
    return np.asarray(cv2.resize(heat_hw, frame_HW3.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def plot_saliency(
    frames_THW3: Frames, heat_Thw: Floats, seconds: Sequence[float], title: str, path: Path, *, note: str = ""
) -> None:
    """Write a PNG: the frames, the frames with their heat (0 to 1), and a bar with each frame's share of the heat."""
    shares = heat_Thw.mean(axis=(1, 2))
    shares = shares / shares.sum() if shares.sum() > 0 else shares
    height = frames_THW3.shape[1] / frames_THW3.shape[2] * TILE_INCHES
    sheet = Sheet.of(len(frames_THW3), 2 * height + 0.55, title, note)
    for t, frame in enumerate(frames_THW3):
        left, top = sheet.corner(t)
        axes = sheet.axes(left, top + 0.2, height)
        axes.imshow(frame, aspect="auto")
        axes.set_title(f"{seconds[t]:.2f} s", fontsize=8, color=INK, pad=3)
        sheet.axes(left, top + 0.24 + height, height).imshow(overlay(frame, resized(heat_Thw[t], frame)), aspect="auto")
        share_bar(sheet.axes(left, top + 0.29 + 2 * height, 0.15), float(shares[t]), float(shares.max()))
    save(sheet.figure, path)


@dataclass(frozen=True)
class Sheet:
    """A figure of tiles in rows of COLUMNS, placed in inches from the upper left.

    tiles_top: where the first row begins. row_height: the height of a row.
    """

    figure: Figure
    tiles_top: float
    row_height: float

    @staticmethod
    def of(num_tiles: int, row_height: float, title: str, note: str = "") -> Sheet:
        """A sheet of `num_tiles` tiles, in rows of `row_height` inches, with its title above and its note below."""
        width = max(4.4, min(num_tiles, COLUMNS) * (TILE_INCHES + GAP_INCHES) + 0.1)
        title_lines, note_lines = wrapped(title, width, TITLE_POINTS), wrapped(note, width, NOTE_POINTS)
        title_height, note_height = 0.08 + 0.18 * len(title_lines), 0.08 + 0.14 * len(note_lines)
        num_rows = -(-num_tiles // COLUMNS)
        figure = Figure(figsize=(width, title_height + num_rows * row_height + note_height))
        height = figure.get_figheight()
        figure.text(0.06 / width, 1 - 0.05 / height, "\n".join(title_lines), va="top", **TITLE)
        figure.text(0.06 / width, 0.05 / height, "\n".join(note_lines), va="bottom", **NOTE)
        return Sheet(figure, title_height, row_height)

    def corner(self, tile: int) -> tuple[float, float]:
        """The left and top of a tile, in inches."""
        return 0.06 + tile % COLUMNS * (TILE_INCHES + GAP_INCHES), self.tiles_top + tile // COLUMNS * self.row_height

    def axes(self, left: float, top: float, height: float) -> Axes:
        """Axes as wide as a tile, without ticks and frame; left, top and height in inches."""
        sheet_width, sheet_height = self.figure.get_size_inches()
        bottom = 1 - (top + height) / sheet_height
        axes = self.figure.add_axes((left / sheet_width, bottom, TILE_INCHES / sheet_width, height / sheet_height))
        axes.set_axis_off()
        return axes


def wrapped(text: str, inches: float, points: float) -> list[str]:
    """The lines of a text that fit a width; no lines for an empty text."""
    return textwrap.wrap(text, max(20, int(inches * 72 / (0.58 * points))))


def share_bar(axes: Axes, share: float, largest: float) -> None:
    """Draw a share as a bar and in per cent. The largest share has the full length."""
    axes.barh([0], [1], color="#e6ebf0", height=0.8)
    axes.barh([0], [share / largest if largest > 0 else 0], color="#d9822b", height=0.8)
    axes.text(0.5, 0, f"{share:.0%}", ha="center", va="center", fontsize=7, color=INK)
    axes.set_xlim(0, 1)


def heading(figure: Figure, title: str, note: str = "") -> None:
    """Draw the title of a figure whose layout is "constrained", and a note at its foot."""
    width = figure.get_figwidth()
    figure.suptitle("\n".join(wrapped(title, width, TITLE_POINTS)), x=0.01, ha="left", **TITLE)
    if note:
        figure.supxlabel("\n".join(wrapped(note, width, NOTE_POINTS)), x=0.01, ha="left", **NOTE)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, complete or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, facecolor="white")
