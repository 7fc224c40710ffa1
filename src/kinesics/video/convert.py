"""Decoded pictures to upright RGB of the wanted size."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""


def fit(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """(height, width) with the short side exactly `short_side` and the long one rounded; unchanged without one.

    fit(720, 1280, 256) → (256, 455)
    """
    if short_side is None:
        return height, width
    if height <= width:
        return short_side, max(1, round(width * short_side / height))
    return max(1, round(height * short_side / width)), short_side


def quarter_turns(frame: VideoFrame) -> int:
    """How often to turn a frame by 90° against the clock so that it stands upright, 0 … 3."""
    return round(frame.rotation / 90) % 4


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """(height, width) of a frame once it is turned."""
    return (frame.width, frame.height) if quarter_turns(frame) % 2 else (frame.height, frame.width)


def to_rgb(frame: VideoFrame, size: tuple[int, int]) -> Picture:
    """(H, W, 3): the whole picture converted, then turned and resized to `size` (height, width)."""
    picture = frame.to_ndarray(format="rgb24")
    return resized(np.rot90(picture, quarter_turns(frame)), size)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at `size`: averaged over areas where it shrinks, bilinear where it grows."""
    if picture.shape[:2] == size:
        return picture
    shrinks = size[0] <= picture.shape[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=way), dtype=np.uint8)
