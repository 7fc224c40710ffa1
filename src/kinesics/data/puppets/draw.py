"""Draw one clip of a puppet by its settings, its class and its number."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.body import Body, Skeleton, Stage, draw_body, extent_for, skeleton
from kinesics.data.puppets.figure import draw_figure
from kinesics.data.puppets.motions import (
    CLASSES,
    IDLE,
    NUM_JOINTS,
    PAIRS,
    TIPS,
    Array,
    Joint,
    curve,
    direction,
    rest_pose,
    smooth_noise,
)
from kinesics.data.puppets.scene import MARGIN, add_light, draw_background, draw_distractors
from kinesics.data.puppets.settings import PuppetSettings
from kinesics.errors import UserError, unknown

SUPERSAMPLING = 2
LOWEST_HAND = -0.31
"""Lowest height of a hand relative to the shoulder; below it the hand leaves the picture."""


@dataclass(frozen=True)
class Act:
    """The content of a clip: the body, its position, the pose in each frame (T, J), and the curve (T,) behind it."""

    body: Body
    stage: Stage
    pose: Array
    curve: Array

    @property
    def bones(self) -> Skeleton:
        """The joints over time, without camera shake."""
        return skeleton(self.body, self.stage, self.pose)


def generator(settings: PuppetSettings, purpose: str, index: int) -> np.random.Generator:
    """Random numbers that depend only on the seed, the purpose (a class, or "actor") and the index."""
    return np.random.default_rng([settings.seed, zlib.crc32(purpose.encode()), index])


def generator_label(label: str) -> str:
    """The class that names the random numbers of `label`: the classes of a pair share one.

    Clip i of both classes has the same body, scene, light and start pose, so that they differ only in the direction of
    time.
    """
    return next((forwards for forwards, backwards in PAIRS if label == backwards), label)


def plan_act(label: str, settings: PuppetSettings, index: int, rng: np.random.Generator | None = None) -> Act:
    """The content of clip `index` of `label`. With equal draws of `rng`, the classes of a pair play it in reverse."""
    if label not in CLASSES:
        raise unknown("puppet class", label, CLASSES)
    if index < 0:
        raise UserError(f"puppets: expected a clip index of 0 or more, found {index}")
    rng = generator(settings, generator_label(label), index) if rng is None else rng
    body = draw_body(generator(settings, "actor", index))
    stage = Stage(rng.uniform(0.42, 0.58), rng.uniform(1.02, 1.1), float(rng.choice([-1.0, 1.0])))
    rest = rest_pose(rng)
    motion = curve(label, settings.num_frames, rng, settings.motion_share)
    along, at_rest = direction(label, rng)
    idle = smooth_noise(rng, settings.num_frames, settings.fps, NUM_JOINTS) * IDLE * settings.idle_percent / 100
    extent = 0.0
    if TIPS[label]:
        travel = settings.travel_of(label)
        if TIPS[label] == "hand":
            rest[Joint.HAND_Y] = max(rest[Joint.HAND_Y], LOWEST_HAND + at_rest * along[Joint.HAND_Y] * travel)
        extent = extent_for(body, stage, rest, along, at_rest, TIPS[label], travel)
    pose = rest + idle + extent * (motion - at_rest)[:, None] * along
    return Act(body, stage, pose, motion)


def draw_clip(label: str, settings: PuppetSettings, index: int) -> NDArray[np.uint8]:
    """(T, size, size, 3) uint8 RGB: clip `index` of `label`, the same on every machine and in every call.

    Raises UserError for an unknown label or a negative index.
    """
    act = plan_act(label, settings, index)
    rng = generator(settings, f"scene of {generator_label(label)}", index)
    return render(act, settings, rng)


def render(act: Act, settings: PuppetSettings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(T, size, size, 3) the frames of `act`, in a scene drawn from `rng`."""
    num_frames, size = settings.num_frames, settings.size
    large = SUPERSAMPLING * size
    blink = np.abs(np.arange(num_frames) - rng.uniform(-num_frames, 2 * num_frames - 1)) < 0.1 * settings.fps
    figure = draw_figure(act.body, act.stage, act.pose, blink)
    floating = draw_distractors(rng, settings.distractors, num_frames)
    camera = smooth_noise(rng, num_frames, settings.fps, 2) * settings.jitter_percent / 100
    wide = draw_background(rng, act.body, round(large * (1 + 2 * MARGIN)))
    corner = (wide.shape[0] - 1) / 2 - camera * large
    canvases: list[NDArray[Any]] = [cv2.getRectSubPix(wide, (large, large), (x, y)) for x, y in corner.tolist()]
    floating.paint(canvases, camera)
    figure.paint(canvases, camera)
    clip = np.empty((num_frames, size, size, 3), dtype=np.uint8)
    for canvas, frame in zip(canvases, clip, strict=True):
        cv2.resize(canvas, (size, size), dst=frame, interpolation=cv2.INTER_AREA)
    return add_light(rng, clip, settings.fps, settings.noise)
