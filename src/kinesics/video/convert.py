"""Convert decoded frames to upright RGB pictures of a given size."""

from __future__ import annotations

import os
from fractions import Fraction
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from kinesics.sizes import Resize, ResizeSetting

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

ACCURATE = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
LUMA_SHARES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Shares of red and blue in the luma by AVColorSpace: BT.709, FCC, SMPTE 240M, BT.2020."""
BT601 = (0.299, 0.114)
"""Shares for all other color spaces and for files that name none, as in FFmpeg."""

_threads_before_fork = 1


def _end_threads() -> None:
    """End OpenCV's threads: they do not exist in a forked process, where the next call would wait for them for ever."""
    global _threads_before_fork
    _threads_before_fork = cv2.getNumThreads()
    cv2.setNumThreads(1)


def _restore_threads() -> None:
    cv2.setNumThreads(_threads_before_fork)


if hasattr(os, "register_at_fork"):  # the forked process keeps one thread
    os.register_at_fork(before=_end_threads, after_in_parent=_restore_threads)


def fit(height: int, width: int, resize: ResizeSetting | None) -> tuple[int, int]:
    """(height, width) of a frame that is resized: see `Resize.fit`; unchanged for None.

    >>> fit(720, 1280, None)
    (720, 1280)
    """
    return (height, width) if resize is None else Resize.of(resize).fit(height, width)


def quarter_turns(frame: VideoFrame) -> int:
    """How many turns of 90°, counterclockwise, make a frame upright: 0 … 3."""
    return round(frame.rotation / 90) % 4


def upright_size(frame: VideoFrame, pixel_shape: Fraction = Fraction(1)) -> tuple[int, int]:
    """(height, width) at which players show a frame, after rotation and with square pixels.

    pixel_shape: width of a stored pixel over its height. 720×576 at 16:15 → (576, 768).
    """
    height, width = frame.height, max(1, round(frame.width * pixel_shape))
    return (width, height) if quarter_turns(frame) % 2 else (height, width)


class Converter:
    """Frames to RGB pictures: limited and full range, BT.601, 709 and 2020, 8 to 16 bits, alpha dropped.

    resize: the pictures get another size. The planes of luma and chroma are resized first, then the fewer pixels are
    converted to RGB; at least 40 dB PSNR from the exact form.
    exact: convert first, with chroma interpolated to every pixel, then resize.
    Neither: FFmpeg's fast conversion, in which each chroma sample colours four pixels.
    """

    def __init__(self, *, resize: bool, exact: bool = False) -> None:
        self._resize, self._exact = resize, exact
        self._scaler = VideoReformatter()  # reused: it keeps its tables between frames

    def rgb(self, frame: VideoFrame, size: tuple[int, int]) -> Picture:
        """(H, W, 3) upright, of `size` (height, width)."""
        turns = quarter_turns(frame)
        height, width = size[::-1] if turns % 2 else size
        if self._exact:
            picture = resized(
                packed(self._scaler.reformat(frame, format="rgb24", interpolation=ACCURATE)), (height, width)
            )
        elif self._resize and is_yuv(frame):
            picture = self._resized_first(frame, height, width)
        else:
            picture = resized(packed(self._scaler.reformat(frame, format="rgb24")), (height, width))
        return np.rot90(picture, turns) if turns else picture

    def _resized_first(self, frame: VideoFrame, height: int, width: int) -> Picture:
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        keep = ColorRange.JPEG if full else ColorRange.MPEG
        shrinks = height <= frame.height and width <= frame.width
        small = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format="yuv444p",
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
            src_color_range=keep,
            dst_color_range=keep,
        )
        planes = [rows(p)[:, :width] for p in small.planes]
        return np.asarray(cv2.transform(cv2.merge(planes), yuv_to_rgb(frame.colorspace, full)), dtype=np.uint8)


def is_yuv(frame: VideoFrame) -> bool:
    """Whether a frame has one plane of luma and two of chroma."""
    shape = frame.format
    return shape.is_planar and not shape.is_rgb and len(shape.components) >= 3


@lru_cache
def yuv_to_rgb(colorspace: int, full_range: bool) -> npt.NDArray[np.float32]:
    """(3, 4) the affine map from 8-bit Y, U, V to 8-bit R, G, B (ITU-T H.273, matrix coefficients)."""
    red, blue = LUMA_SHARES.get(colorspace, BT601)
    green = 1 - red - blue
    linear = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    black = 0 if full_range else 16
    scale = np.ones(3) if full_range else 255 / np.array([219, 224, 224])
    linear = linear * scale
    offset = -linear @ np.array([black, 128, 128])
    return np.column_stack([linear, offset]).astype(np.float32)


def packed(frame: VideoFrame) -> Picture:
    """(H, W, 3) view of an rgb24 frame's memory; the memory lives as long as the view."""
    return rows(frame.planes[0])[:, : frame.width * 3].reshape(frame.height, frame.width, 3)


def rows(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """(lines, bytes per line) view of a plane's memory, with the padding at the end of each line."""
    memory = np.frombuffer(cast(bytes, plane), dtype=np.uint8)  # a buffer, although its type does not say so
    return memory.reshape(plane.height, plane.line_size)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at `size`: averaged over areas where it shrinks, bilinear where it grows."""
    if picture.shape[:2] == size:
        return picture
    shrinks = size[0] <= picture.shape[0] and size[1] <= picture.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=interpolation), dtype=np.uint8)
