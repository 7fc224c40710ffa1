"""Puppets: a data set that is drawn, not downloaded. Its classes differ only in motion."""

from __future__ import annotations

from pathlib import Path

from kinesics.data.puppets.draw import draw_clip
from kinesics.data.puppets.make import make_puppets
from kinesics.data.puppets.motions import CLASSES, PAIRS, SMALL
from kinesics.data.puppets.settings import PuppetSettings

__all__ = ["CLASSES", "PAIRS", "SMALL", "PuppetSettings", "contact_sheet", "draw_clip", "make_puppets"]


def contact_sheet(settings: PuppetSettings, path: Path, *, size: int = 144, columns: int = 6, first: int = 0) -> Path:
    """Write a PNG with a labelled row of frames for each class; see `sheet.contact_sheet`."""
    from kinesics.data.puppets import sheet  # matplotlib is slow to import, and every worker imports this file

    return sheet.contact_sheet(settings, path, size=size, columns=columns, first=first)
