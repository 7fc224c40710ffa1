"""One clip of a puppet, from its settings, its class and its number alone."""

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
    wander,
)
from kinesics.data.puppets.scene import MARGIN, draw_background, draw_distractors, light_up
from kinesics.data.puppets.settings import PuppetSettings
from kinesics.errors import UserError, unknown

SUPERSAMPLING = 2
LOWEST_HAND = -0.31
"""Of the shoulder; below it a hand leaves the picture."""


@dataclass(frozen=True)
class Act:
    """What is played in a clip: who, where, the pose in each frame (T, J), and the curve (T,) that it follows."""

    body: Body
    stage: Stage
    pose: Array
    curve: Array

    @property
    def bones(self) -> Skeleton:
        """The joints over time, without the camera's shaking."""
        return skeleton(self.body, self.stage, self.pose)


def generator(settings: PuppetSettings, purpose: str, index: int) -> np.random.Generator:
    """Random numbers that depend on the seed, the purpose (a class, or "actor") and the index, and on nothing else."""
    return np.random.default_rng([settings.seed, zlib.crc32(purpose.encode()), index])


def twins(label: str) -> str:
    """What the random numbers of a class are named by: the classes of a pair share theirs.

    Clip i of both has the same body, scene, light and pose to start from, so that nothing but the direction of time
    is left by which they differ.
    """
    return next((forwards for forwards, backwards in PAIRS if label == backwards), label)


def plan_act(label: str, settings: PuppetSettings, index: int, rng: np.random.Generator | None = None) -> Act:
    """What clip `index` of `label` plays. Equal draws of `rng` give the classes of a pair the same act, backwards."""
    if label not in CLASSES:
        raise unknown("puppet class", label, CLASSES)
    if index < 0:
        raise UserError(f"puppets: expected a clip's index of 0 or more, found {index}")
    rng = generator(settings, twins(label), index) if rng is None else rng
    body = draw_body(generator(settings, "actor", index))
    stage = Stage(rng.uniform(0.42, 0.58), rng.uniform(1.02, 1.1), float(rng.choice([-1.0, 1.0])))
    rest = rest_pose(rng)
    course = curve(label, settings.num_frames, rng, settings.motion_share)
    along, at_rest = direction(label, rng)
    idle = wander(rng, settings.num_frames, settings.fps, NUM_JOINTS) * IDLE * settings.idle_percent / 100
    extent = 0.0
    if TIPS[label]:
        travel = settings.travel_of(label)
        if TIPS[label] == "hand":
            rest[Joint.HAND_Y] = max(rest[Joint.HAND_Y], LOWEST_HAND + at_rest * along[Joint.HAND_Y] * travel)
        extent = extent_for(body, stage, rest, along, at_rest, TIPS[label], travel)
    pose = rest + idle + extent * (course - at_rest)[:, None] * along
    return Act(body, stage, pose, course)


def draw_clip(label: str, settings: PuppetSettings, index: int) -> NDArray[np.uint8]:
    """(T, size, size, 3) uint8 RGB: clip `index` of `label`, the same wherever and whenever it is drawn.

    Raises UserError for an unknown label or a negative index.
    """
    act = plan_act(label, settings, index)
    rng = generator(settings, f"scene of {twins(label)}", index)
    return render(act, settings, rng)


def render(act: Act, settings: PuppetSettings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(T, size, size, 3) `act` in a scene drawn from `rng`."""
    num_frames, size = settings.num_frames, settings.size
    large = SUPERSAMPLING * size
    blink = np.abs(np.arange(num_frames) - rng.uniform(-num_frames, 2 * num_frames - 1)) < 0.1 * settings.fps
    figure = draw_figure(act.body, act.stage, act.pose, blink)
    floating = draw_distractors(rng, settings.distractors, num_frames)
    camera = wander(rng, num_frames, settings.fps, 2) * settings.jitter_percent / 100
    wide = draw_background(rng, act.body, round(large * (1 + 2 * MARGIN)))
    corner = (wide.shape[0] - 1) / 2 - camera * large
    canvases: list[NDArray[Any]] = [cv2.getRectSubPix(wide, (large, large), (x, y)) for x, y in corner.tolist()]
    floating.paint(canvases, camera)
    figure.paint(canvases, camera)
    clip = np.empty((num_frames, size, size, 3), dtype=np.uint8)
    for canvas, frame in zip(canvases, clip, strict=True):
        cv2.resize(canvas, (size, size), dst=frame, interpolation=cv2.INTER_AREA)
    return light_up(rng, clip, settings.fps, settings.noise)
