"""Optical flow as colours: the direction is the hue, the length the strength; no movement is white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from kinesics.plots.saliency import INK, TILE_INCHES, Frames, Sheet, save

Flow = npt.NDArray[np.float32]


def flow_picture(flow_HW2: Flow, longest: float) -> Frames:
    """(H, W, 2) pixels right and down → (H, W, 3): red to the right, then by the clock; full colour at `longest`."""
    right, down = np.asarray(flow_HW2[..., 0], np.float32), np.asarray(flow_HW2[..., 1], np.float32)
    angle = np.degrees(np.arctan2(down, right)) % 360
    strength = np.clip(np.hypot(right, down) / max(longest, 1e-6), 0, 1)
    hsv = np.stack([angle, strength, np.ones_like(strength)], axis=-1).astype(np.float32)
    return np.asarray(np.rint(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255), dtype=np.uint8)


def longest_of(flow: Flow) -> float:
    """The length that gets full colour: the 99th percentile of (…, 2) pixels, and one pixel at least."""
    return max(1.0, float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)))


def wheel(size: int = 161) -> Frames:
    """(size, size, 3): every direction in its colour, growing outwards, as a key to the others; white outside."""
    axis: Flow = np.linspace(-1, 1, size, dtype=np.float32)
    flow = np.stack(np.meshgrid(axis, axis), axis=-1)
    picture = flow_picture(flow, 1.0)
    picture[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return picture


def plot_flow(flow_THW2: Flow, seconds: Sequence[float], title: str, path: Path) -> None:
    """Write a PNG: the flow at each time, and the wheel that tells what the colours mean."""
    longest = longest_of(flow_THW2)
    tall = flow_THW2.shape[1] / flow_THW2.shape[2] * TILE_INCHES
    note = "the colour tells the direction of movement, its strength the length"
    sheet = Sheet.of(len(flow_THW2) + 1, max(tall, TILE_INCHES) + 0.25, title, note)
    pictures = [(flow_picture(flow, longest), f"{seconds[t]:.2f} s", tall) for t, flow in enumerate(flow_THW2)]
    for tile, (picture, name, height) in enumerate([*pictures, (wheel(), f"rim: {longest:.1f} px", TILE_INCHES)]):
        left, top = sheet.corner(tile)
        axes = sheet.axes(left, top + 0.2, height)
        axes.imshow(picture, aspect="auto")
        axes.set_title(name, fontsize=8, color=INK, pad=3)
    save(sheet.figure, path)
