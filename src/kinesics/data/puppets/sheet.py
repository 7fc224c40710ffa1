"""A picture of the puppets: one row per class, frames of a clip from left to right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kinesics.data.puppets.draw import draw_clip, plan_act
from kinesics.data.puppets.motions import Array
from kinesics.data.puppets.settings import PuppetSettings
from kinesics.errors import UserError
from kinesics.files import atomic_path

GAP = 4
TITLE = 100
DPI = 100


def contact_sheet(settings: PuppetSettings, path: Path, *, size: int = 144, columns: int = 6, first: int = 0) -> Path:
    """Write a PNG with one labelled row for each of the settings' classes, `columns` frames of one clip in each.

    Drawn at `size` pixels, not at the size of the settings. Class number c is played by actor `first` + c, so that
    bodies vary.
    More than six classes are drawn in two halves, side by side.

    Raises:
        UserError: the path does not end in .png, or `columns` is below 1.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UserError(f"{path}: expected a name that ends in .png")
    if columns < 1:
        raise UserError(f"{path}: expected 1 column or more, found {columns}")
    large = replace(settings, size=size)
    halves = 2 if len(settings.classes) > 6 else 1
    num_rows = -(-len(settings.classes) // halves)
    half_width = TITLE + columns * (size + GAP)
    height, width = num_rows * (size + GAP) + GAP, halves * half_width
    sheet = np.full((height, width, 3), 255, dtype=np.uint8)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    for number, label in enumerate(settings.classes):
        top = GAP + number % num_rows * (size + GAP)
        start = number // num_rows * half_width + TITLE
        for column, frame in enumerate(_row(large, label, first + number, columns)):
            left = start + column * (size + GAP)
            sheet[top : top + size, left : left + size] = frame
        figure.text(
            (start - 10) / width,
            1 - (top + size / 2) / height,
            label.replace("_", " "),
            ha="right",
            va="center",
            fontsize=10.5,
        )
    figure.figimage(sheet, zorder=-1)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI)
    return path


def _row(settings: PuppetSettings, label: str, index: int, columns: int) -> list[NDArray[np.uint8]]:
    """Frames of one clip, evenly spread over the time in which it moves."""
    clip = draw_clip(label, settings, index)
    motion: Array = plan_act(label, settings, index).curve
    moving = np.flatnonzero(np.abs(np.diff(motion)) > 1e-3)
    start, end = (moving[0], moving[-1] + 1) if len(moving) else (0, len(clip) - 1)
    return [clip[i] for i in np.linspace(start, end, columns).round().astype(int)]
