"""The parts of a picture that do not depend on the class: background, distractors, camera, light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.body import Body, apart, colour
from kinesics.data.puppets.motions import Array, smooth_noise
from kinesics.data.puppets.shapes import ROUND, Shapes

MARGIN = 0.06
"""The extra background on each side, as a share of the picture, so that the camera can move."""

Image = NDArray[np.uint8]


def draw_background(rng: np.random.Generator, body: Body, pixels: int) -> Image:
    """(P, P, 3) a room behind `body`, P = pixels: a wall (gradient, stripes, tiles or blotches) and some furniture."""
    wall = apart(rng, (0.08, 0.45), body.clothes, body.skin, body.hair)
    canvas = _wall(rng, wall, pixels)
    furniture = (_window, _picture, _shelf, _lamp, _plant, _cabinet)
    for index in rng.permutation(len(furniture))[: rng.integers(0, 4)]:
        shapes = Shapes()
        furniture[index](rng, shapes, wall)
        shapes.paint([canvas], np.zeros((1, 2)))
    return canvas


def _wall(rng: np.random.Generator, wall: Array, pixels: int) -> Image:
    x = np.linspace(0, 1, pixels, dtype=np.float32)
    y = x[:, None]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    depth = rng.uniform(0.05, 0.25)
    kind = rng.choice(["gradient", "stripes", "tiles", "blotches"])
    pattern: Array | NDArray[np.float32] = np.zeros_like(along)
    waves = rng.uniform(20, 60)
    if kind == "stripes":
        pattern = np.clip(3 * np.sin(waves * along), -1, 1)
    elif kind == "tiles":
        pattern = np.clip(3 * np.sin(waves * along) * np.sin(waves * (np.sin(angle) * x - np.cos(angle) * y)), -1, 1)
    elif kind == "blotches":
        coarse = rng.uniform(-1, 1, (int(rng.integers(4, 14)),) * 2).astype(np.float32)
        pattern = np.asarray(cv2.resize(coarse, (pixels, pixels), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    shade = np.asarray(1 + rng.uniform(-0.5, 0.5) * along + 0.7 * depth * pattern, dtype=np.float32)
    return np.asarray(cv2.merge([cv2.convertScaleAbs(shade, alpha=float(channel)) for channel in wall]))


def _box(shapes: Shapes, left: float, top: float, right: float, bottom: float, paint_: Array) -> None:
    shapes.add(np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]]), paint_)


def _place(rng: np.random.Generator) -> float:
    """Left or right of the middle, where the puppet does not hide it."""
    return float(rng.choice([rng.uniform(0.02, 0.26), rng.uniform(0.74, 0.98)]))


def _window(rng: np.random.Generator, shapes: Shapes, wall: Array) -> None:
    x, y, w, h = _place(rng), rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.16), rng.uniform(0.14, 0.24)
    frame, sky = 0.35 * wall + 150, np.array([170.0, 205, 235]) * rng.uniform(0.5, 1.05)
    _box(shapes, x - w, y - h, x + w, y + h, frame)
    for left, right in ((x - 0.9 * w, x - 0.05 * w), (x + 0.05 * w, x + 0.9 * w)):
        _box(shapes, left, y - 0.92 * h, right, y - 0.04 * h, sky)
        _box(shapes, left, y + 0.04 * h, right, y + 0.92 * h, 0.88 * sky)


def _picture(rng: np.random.Generator, shapes: Shapes, wall: Array) -> None:
    x, y, w, h = _place(rng), rng.uniform(0.15, 0.4), rng.uniform(0.06, 0.12), rng.uniform(0.06, 0.12)
    _box(shapes, x - w, y - h, x + w, y + h, 0.4 * wall)
    _box(shapes, x - 0.85 * w, y - 0.85 * h, x + 0.85 * w, y + 0.85 * h, colour(rng, (0.1, 0.4), (0.7, 1)))
    spot = np.stack([x + 0.45 * w * np.cos(ROUND), y + 0.45 * h * np.sin(ROUND)], axis=1)
    shapes.add(spot[None], colour(rng, (0.4, 0.9), (0.3, 0.9)))


def _shelf(rng: np.random.Generator, shapes: Shapes, wall: Array) -> None:
    x, w = _place(rng), rng.uniform(0.12, 0.2)
    for y in (rng.uniform(0.22, 0.32), rng.uniform(0.5, 0.6)):
        left = x - w
        while left < x + w - 0.03:
            thick = rng.uniform(0.02, 0.045)
            _box(shapes, left, y - rng.uniform(0.08, 0.14), left + 0.9 * thick, y, colour(rng, (0.2, 0.8), (0.25, 0.9)))
            left += thick
        _box(shapes, x - w - 0.02, y, x + w + 0.02, y + 0.02, 0.45 * wall)


def _lamp(rng: np.random.Generator, shapes: Shapes, wall: Array) -> None:
    x, y = _place(rng), rng.uniform(0.25, 0.4)
    _box(shapes, x - 0.008, y, x + 0.008, 1.1, 0.3 * wall)
    shade = [(x - 0.05, y - 0.08), (x + 0.05, y - 0.08), (x + 0.1, y + 0.05), (x - 0.1, y + 0.05)]
    shapes.add(np.array([shade]), colour(rng, (0.1, 0.5), (0.8, 1)))


def _plant(rng: np.random.Generator, shapes: Shapes, wall: Array) -> None:
    x, y = _place(rng), rng.uniform(0.62, 0.78)
    green = np.array([60.0, 130, 60]) * rng.uniform(0.6, 1.3)
    for angle in np.linspace(-1.1, 1.1, int(rng.integers(4, 8))):
        along = np.array([np.sin(angle), -np.cos(angle)]) * rng.uniform(0.07, 0.13)
        aside = np.array([along[1], -along[0]]) / 4
        leaf = np.array([x, y]) + along + np.cos(ROUND)[:, None] * along + np.sin(ROUND)[:, None] * aside
        shapes.add(leaf[None], green * rng.uniform(0.75, 1.1))
    pot = [(x - 0.06, y - 0.01), (x + 0.06, y - 0.01), (x + 0.045, y + 0.13), (x - 0.045, y + 0.13)]
    shapes.add(np.array([pot]), colour(rng, (0.3, 0.8), (0.4, 0.9)))


def _cabinet(rng: np.random.Generator, shapes: Shapes, wall: Array) -> None:
    x, y, w = _place(rng), rng.uniform(0.5, 0.7), rng.uniform(0.15, 0.25)
    wood = np.array([150.0, 105, 65]) * rng.uniform(0.5, 1.2)
    _box(shapes, x - w, y, x + w, 1.1, wood)
    for left in (x - 0.92 * w, x + 0.04 * w):
        _box(shapes, left, y + 0.03, left + 0.88 * w, 1.1, 0.82 * wood)
    _box(shapes, x - w - 0.015, y - 0.02, x + w + 0.015, y + 0.01, 1.15 * wood)


def draw_distractors(rng: np.random.Generator, count: int, num_frames: int) -> Shapes:
    """Discs, boxes and triangles that float behind the puppet at constant speed; all directions are equally likely."""
    shapes = Shapes()
    when = np.linspace(-0.5, 0.5, num_frames)[:, None]
    for _ in range(count):
        angle, speed, size = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5), rng.uniform(0.03, 0.09)
        path = rng.uniform(0.05, 0.95, 2) + when * speed * np.array([np.cos(angle), np.sin(angle)])
        corners = int(rng.choice([3, 4, 20]))
        around = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, corners, endpoint=False)
        spin = rng.uniform(-1, 1) * when + around
        outline = path[:, None] + size * np.stack([np.cos(spin), np.sin(spin)], axis=2)
        shapes.add(outline, colour(rng, (0.3, 0.9), (0.3, 1.0)))
    return shapes


def add_light(rng: np.random.Generator, clip_TSSC: Image, fps: float, noise: float) -> Image:
    """`clip_TSSC` under light from a side that drifts, with sensor noise; `noise` is its standard deviation."""
    t, s = clip_TSSC.shape[:2]
    drift = smooth_noise(rng, t, fps, 3).astype(np.float32)
    gain = 1 + rng.uniform(-0.15, 0.07) + 0.03 * drift[:, 0]
    side = rng.uniform(-0.25, 0.25, 2) + 0.06 * drift[:, 1:]
    across = np.linspace(-0.5, 0.5, s, dtype=np.float32)
    row = gain[:, None] + side[:, :1] * np.repeat(across, 3)  # the three channels side by side: long rows are faster
    light = row.astype(np.float32)[:, None] + (side[:, 1:] * across).astype(np.float32)[:, :, None]
    light *= clip_TSSC.reshape(t, s, 3 * s)
    if noise:
        grain = rng.standard_normal((s + 16, 3 * (s + 16)), dtype=np.float32) * np.float32(noise)
        for frame, (y, x) in zip(light, rng.integers(0, 17, (t, 2)).tolist(), strict=True):
            frame += grain[y : y + s, 3 * x : 3 * (x + s)]
    np.clip(light, 0, 255, out=light)
    return np.asarray(light, dtype=np.uint8).reshape(clip_TSSC.shape)
