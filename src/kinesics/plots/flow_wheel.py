"""Optical flow as colours: the hue shows the direction, the saturation the length; no movement is white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from kinesics.plots.saliency import INK, TILE_INCHES, Frames, Sheet, save

Flow = npt.NDArray[np.float32]


def flow_picture(flow_HW2: Flow, full_length: float) -> Frames:
    """(H, W, 2) pixels right and down → (H, W, 3).

    Right is red; the hue changes clockwise. The colour is full at `full_length` pixels.
    """
    right, down = np.asarray(flow_HW2[..., 0], np.float32), np.asarray(flow_HW2[..., 1], np.float32)
    angle = np.degrees(np.arctan2(down, right)) % 360
    saturation = np.clip(np.hypot(right, down) / max(full_length, 1e-6), 0, 1)
    hsv = np.stack([angle, saturation, np.ones_like(saturation)], axis=-1).astype(np.float32)
    return np.asarray(np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255), dtype=np.uint8)


def flow_scale(flow: Flow) -> float:
    """The length with full colour: the 99th percentile of the lengths of (…, 2) pixels, at least one pixel."""
    return max(1.0, float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)))


def wheel(size: int = 161) -> Frames:
    """(size, size, 3): the key to the colours: every direction in its colour, lengths grow outwards; white outside."""
    axis: Flow = np.linspace(-1, 1, size, dtype=np.float32)
    flow = np.stack(np.meshgrid(axis, axis), axis=-1)
    picture = flow_picture(flow, 1.0)
    picture[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return picture


def plot_flow(flow_THW2: Flow, seconds: Sequence[float], title: str, path: Path) -> None:
    """Write a PNG: the flow at each time, and the wheel that shows what the colours mean."""
    full_length = flow_scale(flow_THW2)
    height = flow_THW2.shape[1] / flow_THW2.shape[2] * TILE_INCHES
    note = "the colour shows the direction of movement, its saturation the length"
    sheet = Sheet.of(len(flow_THW2) + 1, max(height, TILE_INCHES) + 0.25, title, note)
    pictures = [(flow_picture(flow, full_length), f"{seconds[t]:.2f} s", height) for t, flow in enumerate(flow_THW2)]
    for tile, (picture, name, picture_height) in enumerate(
        [*pictures, (wheel(), f"rim: {full_length:.1f} px", TILE_INCHES)]
    ):
        left, top = sheet.corner(tile)
        axes = sheet.axes(left, top + 0.2, picture_height)
        axes.imshow(picture, aspect="auto")
        axes.set_title(name, fontsize=8, color=INK, pad=3)
    save(sheet.figure, path)
