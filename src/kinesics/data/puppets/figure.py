"""A puppet as coloured polygons: its body in every frame of a clip, from back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.body import NECK, Body, Skeleton, Stage, project, skeleton
from kinesics.data.puppets.head import back_of_head, front_of_head, paint_head
from kinesics.data.puppets.motions import Array, Joint
from kinesics.data.puppets.shapes import ROUND, Shapes

HALF = np.linspace(-np.pi / 2, np.pi / 2, 7)


def draw_figure(body: Body, stage: Stage, pose_TJ: Array, blink_T: NDArray[np.bool_]) -> Shapes:
    """The polygons of `body` in T poses; its eyes are closed in the frames of `blink_T`."""
    bones = skeleton(body, stage, pose_TJ)
    shapes = Shapes()
    paint_head(shapes, body, bones, back_of_head(body))
    _neck(shapes, body, bones)
    _torso(shapes, body, stage, pose_TJ)
    paint_head(shapes, body, bones, front_of_head(body, blink_T))
    for arm in (1, 0):
        _arm(shapes, body, bones, arm)
    return shapes


def capsule(start: Array, end: Array, start_radius: Array, end_radius: Array) -> Array:
    """(T, 14, 2) the outline of a limb between two (T, 2) points, rounded at both, with a (T,) radius at each."""
    along = end - start
    along = along / np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1)
    arc = np.cos(HALF)[:, None] * along[:, None] + np.sin(HALF)[:, None] * aside[:, None]
    tail, tip = start[:, None] - start_radius[:, None, None] * arc, end[:, None] + end_radius[:, None, None] * arc
    return np.concatenate([tail, tip], axis=1)


def _neck(shapes: Shapes, body: Body, bones: Skeleton) -> None:
    low = bones.neck + np.stack([np.zeros_like(bones.zoom), 0.05 * bones.torso_zoom], axis=1)
    radius = 0.5 * body.head_width * bones.zoom
    shapes.add(capsule(low, 0.35 * bones.head + 0.65 * bones.neck, 1.15 * radius, radius), 0.8 * body.skin)


def _torso(shapes: Shapes, body: Body, stage: Stage, pose_TJ: Array) -> None:
    shoulder, top = body.shoulder_width, body.shoulder_height
    outline = np.array([
        (body.waist_width, -0.2), (body.waist_width, 0.1), (0.92 * shoulder, 0.27), (shoulder + 0.012, top - 0.04),
        (shoulder + 0.002, top + 0.022), (0.6 * shoulder, top + 0.045), (0.56 * body.head_width, NECK - 0.012),
    ])  # fmt: skip

    def cloth(across: Array, height: Array) -> Array:
        """(T, P, 2) in the picture; across is -1 to 1 between the edges of the torso at that height."""
        half = np.interp(height, outline[:4, 1], outline[:4, 0])
        lift = pose_TJ[:, Joint.SHRUG, None] * np.clip((height - 0.2) / (top - 0.2), 0, 1)
        return project(body, stage, pose_TJ, across * half, height + lift)

    sides = np.concatenate([outline, outline[::-1] * (-1, 1)])
    half = np.interp(sides[:, 1], outline[:4, 1], outline[:4, 0])
    shapes.add(cloth(sides[:, 0] / half, sides[:, 1]), 0.9 * body.clothes)

    def band(left: float, right: float, low: float, high: float, paint: Array) -> None:
        height = np.array([low, 0.5 * (low + high), high])
        rows = np.concatenate([height, height[::-1]])
        shapes.add(cloth(np.repeat([left, right], 3), rows), paint)

    if body.pattern == "hoops":
        for low in np.arange(-0.06, top - 0.02, 0.1):
            band(-1, 1, low, low + 0.045, body.second)
    elif body.pattern == "stripes":
        for left in np.arange(-0.9, 0.9, 0.4):
            band(left, left + 0.18, -0.2, top + 0.02, body.second)
    elif body.pattern == "block":
        band(-1, 1, 0.14, 0.27, body.second)
    elif body.pattern == "jacket":
        band(-0.3, 0.3, -0.2, top + 0.03, body.second)
        shapes.add(cloth(np.array([-0.3, -0.62, -0.3]), np.array([0.2, top - 0.02, top + 0.04])), 0.72 * body.clothes)
        shapes.add(cloth(np.array([0.3, 0.62, 0.3]), np.array([0.2, top - 0.02, top + 0.04])), 0.72 * body.clothes)
    elif body.pattern == "dots":
        for row, height in enumerate(np.arange(0.02, top - 0.02, 0.085)):
            for across in np.arange(-0.75 + 0.2 * (row % 2), 0.8, 0.4):
                shapes.add(cloth(across + 0.08 * np.cos(ROUND[::3]), height + 0.015 * np.sin(ROUND[::3])), body.second)
    collar = np.array([(-0.33, top + 0.052), (0.0, top - 0.035), (0.33, top + 0.052)])
    if body.pattern != "jacket":
        shapes.add(cloth(collar[:, 0], collar[:, 1]), 0.82 * body.skin)


def _arm(shapes: Shapes, body: Body, bones: Skeleton, arm: int) -> None:
    zoom = bones.torso_zoom
    shoulder, elbow, hand = bones.shoulders[arm], bones.elbows[arm], bones.hands[arm]
    thick, thin = body.limb * zoom, 0.72 * body.limb * zoom
    sleeve, light = body.clothes, np.array([-0.12, -0.1]) * thick[:, None]
    fore = sleeve if body.long_sleeves else body.skin
    grip = hand - elbow
    grip = grip / np.maximum(np.linalg.norm(grip, axis=1, keepdims=True), 1e-6)
    across = np.stack([-grip[:, 1], grip[:, 0]], axis=1) * np.sign(shoulder[:, :1] - bones.neck[:, :1])
    shapes.add(capsule(shoulder, elbow, 1.22 * thick, 1.02 * thick), 0.66 * sleeve)
    shapes.add(capsule(shoulder + light, elbow + light, thick, 0.84 * thick), sleeve)
    shapes.add(capsule(elbow, hand, 0.98 * thick, thin), 0.7 * fore)
    shapes.add(capsule(elbow + light, hand + light, 0.8 * thick, 0.75 * thin), fore)
    if not body.long_sleeves:
        middle = 0.12 * shoulder + 0.88 * elbow
        shapes.add(capsule(middle, elbow, 1.06 * thick, 1.04 * thick), 0.8 * sleeve)
    _hand(shapes, body, hand, grip, across * (0.033 * zoom)[:, None])


def _hand(shapes: Shapes, body: Body, hand: Array, grip: Array, aside: Array) -> None:
    """An open hand: `grip` is the direction of the forearm, `aside` half the palm, away from the thumb."""
    size = np.hypot(aside[:, 0], aside[:, 1])
    ahead = grip * size[:, None]
    shapes.add(
        capsule(hand + 0.1 * ahead, hand + 0.7 * ahead - 1.15 * aside, 0.45 * size, 0.26 * size), 0.8 * body.skin
    )
    for finger, length in ((-0.62, 1.75), (-0.2, 2.0), (0.22, 1.95), (0.6, 1.6)):
        root, tip = hand + 0.6 * ahead + finger * aside, hand + length * ahead + 1.35 * finger * aside
        shapes.add(
            capsule(root, tip, 0.28 * size, 0.22 * size), (0.86 if finger in (-0.62, 0.22) else 0.98) * body.skin
        )
    shapes.add(capsule(hand, hand + 0.55 * ahead, 0.86 * size, 0.86 * size), 0.92 * body.skin)
