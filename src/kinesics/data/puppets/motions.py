"""How each class moves: curves over time, and the poses that follow from them.

A clip's pose is its rest pose + idle sway + extent × direction × curve. The classes of a pair differ only in the
direction of time: the curve of one is the reversed curve of the other, and all other random motion (sway, camera,
light, distractors) is the same in both directions of time. So the frames of a pair, one by one or as a set, have
the same distribution, and only their order decides the class.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PAIRS = (("raise_hand", "lower_hand"), ("turn_left", "turn_right"), ("lean_in", "lean_out"))
"""Each class is the other one in reverse. Left and right are those of the picture."""

SMALL = ("nod", "shake_head", "tilt_head", "shrug", "wave", "still")
CLASSES = (*(name for pair in PAIRS for name in pair), *SMALL)

TIPS = {
    "raise_hand": "hand",
    "lower_hand": "hand",
    "turn_left": "nose",
    "turn_right": "nose",
    "lean_in": "crown",
    "lean_out": "crown",
    "nod": "nose",
    "shake_head": "nose",
    "tilt_head": "crown",
    "shrug": "shoulder",
    "wave": "hand",
    "still": "",
}
"""The point whose travel between its two extremes in the picture is the amplitude."""

BACKWARDS = ("lower_hand", "turn_left", "lean_out")
"""These play the curve of their partner in reverse; up, right and in are forwards."""


class Joint(IntEnum):
    """The columns of a pose. Lengths are in units of the frame's height for a body of scale 1, angles in radians."""

    SWAY_X = 0
    SWAY_Y = 1
    LEAN = 2  # towards the camera: the head grows by this share
    SHRUG = 3
    YAW = 4  # positive: the nose goes to the picture's right
    PITCH = 5  # positive: the chin goes down
    ROLL = 6  # positive: the crown goes to the picture's right
    HAND_X = 7  # of the moving hand, outwards from its shoulder
    HAND_Y = 8  # upwards from its shoulder
    OTHER_X = 9
    OTHER_Y = 10


NUM_JOINTS = len(Joint)
IDLE = np.array([1.0, 0.5, 1.0, 0.7, 3.5, 2.5, 2.0, 0.8, 0.8, 0.8, 0.8])
"""How far each column sways: one unit moves its tip by about one unit of length."""


def curve(label: str, num_frames: int, rng: np.random.Generator, share: tuple[float, float] = (0.45, 0.8)) -> Array:
    """(T,) a motion between 0 and 1; it reaches both. `still` stays at 0.

    share: how much of the clip the motion takes, least and most. With the same draws, the curve of a class is that of
    its partner in reverse.
    """
    seconds = np.arange(num_frames, dtype=np.float64)
    busy = rng.uniform(*share) * (num_frames - 3)
    onset = 1 + rng.uniform(0, 1) * (num_frames - 3 - busy)  # at least one still frame at each end
    phase = np.clip((seconds - onset) / busy, 0.0, 1.0)
    most = max(1, min(3, int(busy / 4.5)))  # a cycle of fewer frames would not be visible
    cycles = int(rng.integers(1, most + 1))
    rise, fall = rng.uniform(0.25, 0.45, size=2)
    if label == "still":
        return np.zeros(num_frames)
    if label == "nod":
        motion = 0.5 - 0.5 * np.cos(2 * np.pi * cycles * phase)
    elif label in ("shake_head", "wave"):
        motion = np.sin(2 * np.pi * cycles * phase) * np.sin(np.pi * phase) ** 0.5
    elif label in ("tilt_head", "shrug"):
        motion = ease(phase / rise) * ease((1 - phase) / fall)
    else:
        motion = ease(phase)
    motion = np.asarray((motion - motion.min()) / np.ptp(motion))
    return motion[::-1].copy() if label in BACKWARDS else motion


def ease(x: Array) -> Array:
    """0 → 1 as an arm moves (minimum jerk), constant outside; symmetric in time."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def direction(label: str, rng: np.random.Generator) -> tuple[Array, float]:
    """(J,) the direction in which a class moves, and the value of its curve at rest (0.5: it moves to both sides)."""
    along = np.zeros(NUM_JOINTS)
    angle = rng.uniform(-0.3, 0.3)
    side = rng.choice([-1.0, 1.0])
    rest = 0.5
    if label in ("raise_hand", "lower_hand"):
        along[Joint.HAND_X], along[Joint.HAND_Y] = np.sin(angle), np.cos(angle)
    elif label == "wave":
        along[Joint.HAND_X], along[Joint.HAND_Y] = side * np.cos(angle), side * np.sin(angle)
    elif label in ("turn_left", "turn_right"):
        along[Joint.YAW] = 1.0
    elif label == "shake_head":
        along[Joint.YAW] = side
    elif label in ("lean_in", "lean_out"):
        along[Joint.LEAN] = 1.0
    elif label == "nod":
        along[Joint.PITCH], rest = 1.0, 0.15
    elif label == "tilt_head":
        along[Joint.ROLL], rest = side, 0.15
    elif label == "shrug":
        along[Joint.SHRUG], rest = 1.0, 0.0
    return along, rest


def rest_pose(rng: np.random.Generator) -> Array:
    """(J,) a random start pose, the same for all classes: hands anywhere from the belt to the ear."""
    pose = np.zeros(NUM_JOINTS)
    pose[Joint.LEAN] = rng.uniform(-0.03, 0.03)
    pose[Joint.YAW] = rng.uniform(-0.22, 0.22)
    pose[Joint.PITCH] = rng.uniform(-0.1, 0.14)
    pose[Joint.ROLL] = rng.uniform(-0.08, 0.08)
    for x, y in ((Joint.HAND_X, Joint.HAND_Y), (Joint.OTHER_X, Joint.OTHER_Y)):
        pose[y] = rng.uniform(-0.26, 0.1)
        pose[x] = rng.uniform(-0.02, 0.12) + 0.1 * max(0.0, pose[y] + 0.05)
    return pose


def smooth_noise(rng: np.random.Generator, num_frames: int, fps: float, columns: int) -> Array:
    """(T, columns) smooth random motion of about ±1, with the same distribution in both directions of time."""
    seconds = np.arange(num_frames)[:, None, None] / fps
    rate = rng.uniform(0.15, 0.9, size=(columns, 2))
    phase = rng.uniform(0, 2 * np.pi, size=(columns, 2))
    return np.asarray((np.array([0.65, 0.35]) * np.sin(2 * np.pi * rate * seconds + phase)).sum(axis=2))
