"""A puppet's head: patches on an ellipsoid that turns, so that hair, ears and face move like those of a real head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.body import Body, Skeleton
from kinesics.data.puppets.motions import Array
from kinesics.data.puppets.shapes import ROUND, Shapes


@dataclass(frozen=True)
class Patch:
    """A polygon of the head, in units of its half axes: (P, 3) on the globe, or (P, 2) flat about its middle.

    Points on the globe turn with the face. Points behind it are drawn at its rim; a `culled` patch is left out while it
    faces away. only: (T,) the frames in which the patch may appear.
    """

    points: Array
    colour: Array
    culled: bool = False
    only: NDArray[np.bool_] | None = None


def disc(colour: Array, width: float, height: float, y: float = 0.0) -> Patch:
    """An ellipse around the middle of the head; it tilts with the head and has the same shape from all sides."""
    return Patch(np.stack([width * np.cos(ROUND), y + height * np.sin(ROUND)], axis=1), colour)


def polygon(
    colour: Array,
    longitude: Array,
    latitude: Array,
    radius: Array | float = 1.0,
    culled: bool = True,
    only: NDArray[np.bool_] | None = None,
) -> Patch:
    """Corners on the globe, in degrees: longitude 0 is the nose, latitude 0 the middle of the face."""
    return Patch(globe(longitude, latitude) * np.reshape(radius, (-1, 1)), colour, culled, only)


def globe(longitude: Array, latitude: Array) -> Array:
    """(P, 3) on the ball of radius 1: x to the right, y up, z to the nose."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    return np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], axis=1)


def oval(
    colour: Array,
    lon: float,
    lat: float,
    lon_half: float,
    lat_half: float,
    culled: bool = True,
    only: NDArray[np.bool_] | None = None,
    radius: float = 1.0,
) -> Patch:
    """An oval on the globe, in degrees."""
    return Patch(_oval_points(lon, lat, lon_half, lat_half, radius), colour, culled, only)


@lru_cache
def _oval_points(lon: float, lat: float, lon_half: float, lat_half: float, radius: float) -> Array:
    around = ROUND[::2] if max(lon_half, lat_half) < 20 else ROUND
    return radius * globe(lon + lon_half * np.cos(around), lat + lat_half * np.sin(around))


def paint_head(shapes: Shapes, body: Body, bones: Skeleton, patches: list[Patch]) -> None:
    """Add the patches to `shapes`, in order, as they appear in every frame."""
    if not patches:
        return
    axes = np.array([body.head_width, body.head_height, 1.05 * body.head_width])
    num_frames = len(bones.head)
    globes = [patch.points for patch in patches if patch.points.shape[1] == 3]
    turned = (np.concatenate([*globes, np.zeros((1, 3))]) * axes) @ bones.face.transpose(0, 2, 1)
    rim = np.linalg.norm(turned[..., :2] / axes[:2], axis=2, keepdims=True)
    behind = (turned[..., 2:] < 0) & (rim < 1)
    seen = np.where(behind, turned[..., :2] / np.maximum(rim, 1e-6), turned[..., :2])
    flat, facing, start = [], [], 0
    for patch in patches:
        count, axis = patch.points.shape
        visible = patch.only
        if axis == 3:
            flat.append(seen[:, start : start + count])
            if patch.culled:
                towards = turned[:, start : start + count, 2].mean(axis=1) > 0
                visible = towards if visible is None else visible & towards
            start += count
        else:
            flat.append(np.broadcast_to(patch.points * axes[:2], (num_frames, count, 2)))
        facing.append(visible)
    tilted = np.concatenate(flat, axis=1) @ bones.tilt[:, :2, :2].transpose(0, 2, 1)
    placed = bones.head[:, None] + bones.zoom[:, None, None] * tilted * (1, -1)
    ends = np.cumsum([part.shape[1] for part in flat])[:-1]
    for patch, points, visible in zip(patches, np.split(placed, ends, axis=1), facing, strict=True):
        shapes.add(points, patch.colour, visible)


def back_of_head(body: Body) -> list[Patch]:
    """The parts that the torso covers: long hair, a bun."""
    dark = 0.72 * body.hair
    if body.hair_style == "long":
        return [disc(dark, 1.26, 0.85, 0.35), disc(dark, 1.22, 1.0, -0.5)]
    if body.hair_style == "bun":
        return [disc(0.85 * body.hair, 0.42, 0.32, 1.12)]
    return []


def front_of_head(body: Body, blink_T: NDArray[np.bool_]) -> list[Patch]:
    """The head itself, its hair and its face."""
    style, skin, hair = body.hair_style, body.skin, body.hair
    hairline = {"bald": 62.0, "fringe": 24.0, "cap": 30.0}.get(style, 40.0)
    return [
        *[oval(0.84 * skin, side * 92, -6, 13, 15, culled=False, radius=1.13) for side in (-1, 1)],
        disc(0.88 * skin, 1.0, 1.0),
        *([] if style == "bald" else [disc(hair, 1.07, 0.84, 0.21)]),
        oval(skin, 0, (hairline - 100) / 2, 74, (hairline + 100) / 2, culled=False),
        *[oval(0.9 * skin, side * 92, -6, 13, 15, radius=1.06) for side in (-1, 1)],
        *(_cap(body.second) if style == "cap" else []),
        *_features(body, blink_T),
    ]


def _cap(colour: Array) -> list[Patch]:
    top = np.linspace(0, np.pi, 10)
    brim_lon = np.array([-62, -30, 0, 30, 62, 40, 0, -40.0])
    brim_lat = np.array([30, 33, 34, 33, 30, 22, 17, 22.0])
    brim = np.array([1.0, 1.05, 1.05, 1.05, 1.0, 1.35, 1.5, 1.35])
    crown = Patch(np.stack([1.1 * np.cos(top), 0.3 + 0.84 * np.sin(top)], axis=1), colour)
    return [crown, polygon(0.72 * colour, brim_lon, brim_lat, brim, culled=False)]


def _features(body: Body, blink_T: NDArray[np.bool_]) -> list[Patch]:
    skin = body.skin
    brow = 0.7 * body.hair if body.hair.sum() < 520 else 0.6 * skin
    face = [oval(0.9 * body.hair, 0, -62, 58, 40, culled=False)] if body.beard else []
    for side in (-1, 1):
        if body.glasses:
            face.append(oval(np.array([30.0, 30, 34]), side * 27, 3, 21, 14))
            face.append(oval(0.5 * skin + 118, side * 27, 3, 17, 10.5))
        face.append(oval(0.45 * skin, side * 26.5, 4.2, 14, 8, only=~blink_T))
        face.append(oval(np.array([242.0, 240, 236]), side * 26, 2.6, 12.5, 7, only=~blink_T))
        face.append(oval(0.7 * body.eyes, side * 26, 2.8, 6.2, 6.6, only=~blink_T))
        if blink_T.any():
            face.append(oval(0.25 * skin, side * 26, 2, 13, 2.5, only=blink_T))
        lon = side * np.array([12.0, 26, 40, 40, 26, 12])
        face.append(polygon(brow, lon, np.array([18.0, 22, 18, 15, 17.5, 14.5])))
    lips = np.array([-17.0, -6, 0, 6, 17, 0]), np.array([-36.0, -33.5, -34.5, -33.5, -36, -43])
    nose = np.array([-4.0, 4, 13, 0, -13]), np.array([6.0, 6, -15, -20, -15])
    lit = np.array([-3.0, 3, 7, 0, -8]), np.array([6.0, 6, -11, -14, -11])
    return [
        *face,
        polygon(0.62 * skin + np.array([38.0, -6, 2]), *lips),
        polygon(0.74 * skin, *nose, np.array([1.02, 1.02, 1.06, 1.16, 1.06])),
        polygon(1.06 * skin, *lit, np.array([1.03, 1.03, 1.12, 1.2, 1.12])),
    ]
