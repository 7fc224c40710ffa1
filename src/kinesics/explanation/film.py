"""Heat over all frames of a video: the maps of the time steps, laid where the network's crop lies."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import cv2
import numpy as np

from kinesics.annotation.annotate import Frame
from kinesics.plots.saliency import Floats, overlay


@dataclass(frozen=True)
class HeatPaint:
    """Lays heat over frames of a video; between two time steps it passes evenly from one map to the next.

    heat: (T, h, w), 0 to 1. seconds: of the time steps, never falling. resize, size: of the view plan, whose crop is
    the centre.
    """

    heat: Floats
    seconds: tuple[float, ...]
    resize: int
    size: int

    def at(self, now: float) -> Floats:
        """(h, w): the map at a time; before the first step the first, after the last the last."""
        after = bisect_right(self.seconds, now)
        if after in (0, len(self.seconds)):
            return np.asarray(self.heat[0 if after == 0 else -1])
        start, end = self.seconds[after - 1], self.seconds[after]
        share = np.float32((now - start) / (end - start))
        return np.asarray((1 - share) * self.heat[after - 1] + share * self.heat[after])

    def __call__(self, frame: Frame, now: float) -> Frame:
        """(H, W, 3) → the same with the heat of its time."""
        height, width = frame.shape[:2]
        top, left, side = crop_box(height, width, self.resize, self.size)
        heat = np.zeros((height, width), np.float32)
        heat[top : top + side, left : left + side] = cv2.resize(self.at(now), (side, side))
        return np.ascontiguousarray(overlay(frame, heat))


def crop_box(height: int, width: int, resize: int, size: int) -> tuple[int, int, int]:
    """Top, left and side, in pixels of a frame, of the centre crop that the network sees.

    >>> crop_box(100, 200, 50, 40)
    (10, 60, 80)
    """
    short = min(height, width)
    side = min(short, round(size * short / resize))
    return (height - side) // 2, (width - side) // 2, side
