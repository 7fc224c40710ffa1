"""Coloured polygons over time, and their painting."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.motions import Array

ROUND = np.linspace(0, 2 * np.pi, 20, endpoint=False)
FRACTION_BITS = 6
"""Corners are on a grid of 1/64 of a drawn pixel: small motions stay smooth."""


@dataclass
class Shapes:
    """Polygons to paint, in order: points (T, P, 2) in units of the frame, RGB colour, frames in which each is seen."""

    points: list[Array] = field(default_factory=list)
    colours: list[tuple[float, ...]] = field(default_factory=list)
    visible: list[NDArray[np.bool_] | None] = field(default_factory=list)

    def add(self, points_TP2: Array, colour: Array, visible_T: NDArray[np.bool_] | None = None) -> None:
        """Add a polygon over the earlier ones; colour values outside 0 to 255 are clipped."""
        self.points.append(points_TP2)
        self.colours.append(tuple(min(max(value, 0.0), 255.0) for value in colour.tolist()))
        self.visible.append(visible_T)

    def paint(self, canvases: list[NDArray[np.uint8]], offset_T2: Array) -> None:
        """Draw frame t, shifted by offset_T2[t] (in units of the frame), onto canvases[t], anti-aliased."""
        if not self.points:
            return
        corners = np.concatenate(self.points, axis=1) + offset_T2[:, None]
        scale = canvases[0].shape[0] * 2**FRACTION_BITS
        fixed = (corners * scale - 2 ** (FRACTION_BITS - 1)).astype(np.int32)
        ends = np.cumsum([points.shape[1] for points in self.points]).tolist()
        starts = [0, *ends[:-1]]
        parts = list(zip(starts, ends, self.colours, self.visible, strict=True))
        for t, (canvas, outline) in enumerate(zip(canvases, fixed, strict=True)):
            for start, end, colour, visible in parts:
                if visible is None or visible[t]:
                    cv2.fillPoly(canvas, [outline[start:end]], colour, cv2.LINE_AA, FRACTION_BITS)
