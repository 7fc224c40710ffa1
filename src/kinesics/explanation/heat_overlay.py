"""Heat over all frames of a video: the maps of the time steps, drawn in the crop that the network sees."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import cv2
import numpy as np

from kinesics.annotation.annotate import Frame
from kinesics.plots.saliency import Floats, overlay
from kinesics.sizes import Resize, ResizeSetting, Size, SizeSetting


@dataclass(frozen=True)
class HeatOverlay:
    """Draws heat over the frames of a video; between two time steps the maps are interpolated.

    heat: (T, h, w), 0 to 1. step_seconds: the times of the time steps, never falling. resize, size: of the view plan;
    the crop is the centre crop.
    """

    heat: Floats
    step_seconds: tuple[float, ...]
    resize: ResizeSetting
    size: SizeSetting

    def heat_at(self, seconds: float) -> Floats:
        """(h, w): the map at a time. Before the first time step it is the first map, after the last the last."""
        after = bisect_right(self.step_seconds, seconds)
        if after in (0, len(self.step_seconds)):
            return np.asarray(self.heat[0 if after == 0 else -1])
        start, end = self.step_seconds[after - 1], self.step_seconds[after]
        share = np.float32((seconds - start) / (end - start))
        return np.asarray((1 - share) * self.heat[after - 1] + share * self.heat[after])

    def __call__(self, frame: Frame, seconds: float) -> Frame:
        """(H, W, 3) and its time → the frame with the heat of that time."""
        height, width = frame.shape[:2]
        top, left, box_height, box_width = crop_box(height, width, self.resize, self.size)
        heat = np.zeros((height, width), np.float32)
        box = cv2.resize(self.heat_at(seconds), (box_width, box_height))
        heat[top : top + box_height, left : left + box_width] = box
        return np.ascontiguousarray(overlay(frame, heat))


def crop_box(height: int, width: int, resize: ResizeSetting, size: SizeSetting) -> tuple[int, int, int, int]:
    """Top, left, height and width, in pixels of a frame, of the centre crop that the network sees.

    >>> crop_box(100, 200, 50, 40), crop_box(100, 300, "340x256", "340x256")
    ((10, 60, 80, 80), (0, 0, 100, 300))
    """
    resized, crop = Resize.of(resize).fit(height, width), Size.of(size)
    box_height = min(height, round(crop.height * height / resized.height))
    box_width = min(width, round(crop.width * width / resized.width))
    return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width
