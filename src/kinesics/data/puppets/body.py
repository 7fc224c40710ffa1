"""A puppet's body: its proportions and colours, and where its joints are in a pose."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.motions import Array, Joint

SKINS = (
    (255, 224, 196),
    (243, 205, 170),
    (228, 178, 140),
    (202, 145, 103),
    (160, 107, 72),
    (120, 78, 52),
    (88, 56, 40),
)
HAIRS = (
    (28, 22, 20),
    (58, 38, 26),
    (98, 62, 34),
    (150, 98, 48),
    (206, 168, 96),
    (122, 44, 24),
    (150, 150, 152),
    (226, 222, 214),
)
HAIR_STYLES = ("short", "long", "bun", "bald", "fringe", "cap")
PATTERNS = ("plain", "hoops", "stripes", "dots", "block", "jacket")

NECK = 0.492  # height over the hip of the point that the head turns about
POLE = np.array([0.38, -0.8, -0.46])  # the direction of elbows: outwards, down, back


@dataclass(frozen=True)
class Body:
    """One actor. Lengths are in units of the frame's height at scale 1; colours are RGB, 0 to 255."""

    scale: float
    head_width: float
    head_height: float
    shoulder_width: float
    shoulder_height: float
    waist_width: float
    arm: float
    limb: float
    skin: Array
    hair: Array
    clothes: Array
    second: Array
    eyes: Array
    hair_style: str
    pattern: str
    long_sleeves: bool
    beard: bool
    glasses: bool


def draw_body(rng: np.random.Generator) -> Body:
    """A random actor."""
    build = rng.normal(0, 0.35)
    clothes = colour(rng, (0.25, 0.85), (0.3, 0.95))
    return Body(
        scale=rng.uniform(0.95, 1.15),
        head_width=rng.uniform(0.095, 0.112),
        head_height=rng.uniform(0.128, 0.15),
        shoulder_width=0.185 + 0.02 * build + rng.uniform(-0.012, 0.012),
        shoulder_height=rng.uniform(0.4, 0.425),
        waist_width=0.145 + 0.035 * build + rng.uniform(-0.01, 0.015),
        arm=rng.uniform(0.215, 0.245),
        limb=rng.uniform(0.036, 0.043) * (1 + 0.15 * build),
        skin=pick(rng, SKINS, 8),
        hair=pick(rng, HAIRS, 10),
        clothes=clothes,
        second=apart(rng, (0.1, 0.7), clothes),
        eyes=pick(rng, ((60, 40, 28), (70, 100, 140), (70, 110, 70), (30, 26, 24)), 10),
        hair_style=str(rng.choice(HAIR_STYLES)),
        pattern=str(rng.choice(PATTERNS)),
        long_sleeves=bool(rng.random() < 0.5),
        beard=bool(rng.random() < 0.2),
        glasses=bool(rng.random() < 0.22),
    )


def pick(rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...], spread: float) -> Array:
    """(3,) one of the palette's colours, a little changed."""
    return np.clip(np.array(palette[rng.integers(len(palette))]) + rng.uniform(-spread, spread, 3), 0, 255)


def colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Array:
    """(3,) any hue, with saturation and value (0 to 1) within bounds."""
    hue, s, v = rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)
    return 255 * np.array(colorsys.hsv_to_rgb(hue, s, v))


def apart(rng: np.random.Generator, saturation: tuple[float, float], *others: Array) -> Array:
    """(3,) the one of four random colours that differs most from the `others`."""
    candidates = [colour(rng, saturation, (0.25, 0.92)) for _ in range(4)]
    return max(candidates, key=lambda c: min(float(np.abs(c - other).sum()) for other in others))


@dataclass(frozen=True)
class Stage:
    """The position of the puppet: its hip in the picture (shares of the size), its moving hand (-1 left, 1 right)."""

    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Skeleton:
    """The joints over time, each (T, 2), x to the right and y down, in units of the frame's height.

    shoulders, elbows, hands: the moving arm first. turn: (T, 3, 3) the head's rotation. zoom: (T,) how large the head
    appears; torso_zoom: (T,) how large the shoulders appear. face, tilt: turn = tilt (roll) @ face (yaw and pitch).
    """

    hip: Array
    neck: Array
    head: Array
    crown: Array
    nose: Array
    shoulders: tuple[Array, Array]
    elbows: tuple[Array, Array]
    hands: tuple[Array, Array]
    face: Array
    tilt: Array
    zoom: Array
    torso_zoom: Array

    def tip(self, name: str) -> Array:
        """(T, 2) the path of one of motions.TIPS."""
        tips = {"hand": self.hands[0], "shoulder": self.shoulders[0], "nose": self.nose, "crown": self.crown}
        return tips[name]


def rotations(pose_TJ: Array) -> tuple[Array, Array]:
    """(T, 3, 3) twice: the head's yaw, then pitch; and its roll. Axes: x right, y up, z to the camera."""
    yaw, pitch, roll = pose_TJ[:, Joint.YAW], pose_TJ[:, Joint.PITCH], pose_TJ[:, Joint.ROLL]
    one, zero = np.ones_like(yaw), np.zeros_like(yaw)

    def matrix(*rows: Array) -> Array:
        return np.stack(rows, axis=1).reshape(-1, 3, 3)

    about_y = matrix(np.cos(yaw), zero, np.sin(yaw), zero, one, zero, -np.sin(yaw), zero, np.cos(yaw))
    about_x = matrix(one, zero, zero, zero, np.cos(pitch), -np.sin(pitch), zero, np.sin(pitch), np.cos(pitch))
    about_z = matrix(np.cos(roll), np.sin(roll), zero, -np.sin(roll), np.cos(roll), zero, zero, zero, one)
    return about_x @ about_y, about_z


def zoom_at(body: Body, pose_TJ: Array, height: Array | float) -> Array:
    """How large things at `height` over the hip appear: leaning forwards brings high points nearer to the camera."""
    lean = pose_TJ[:, Joint.LEAN] / (NECK + 1.95 * body.head_height)
    return body.scale / (1 - (lean if np.ndim(height) < 2 else lean[:, None]) * height)


def project(body: Body, stage: Stage, pose_TJ: Array, x: Array | float, y: Array | float) -> Array:
    """(T, 2) in the picture: the point (x, y), x from the hip, y upwards, in each pose; (T, P, 2) of (T, P) points."""
    zoom = zoom_at(body, pose_TJ, y)
    sway_x, sway_y = pose_TJ[:, Joint.SWAY_X], pose_TJ[:, Joint.SWAY_Y]
    if zoom.ndim == 2:
        sway_x, sway_y = sway_x[:, None], sway_y[:, None]
    picture = np.empty((*zoom.shape, 2))
    picture[..., 0] = stage.x + (x + sway_x) * zoom
    picture[..., 1] = stage.y - (y + sway_y) * zoom
    return picture


def skeleton(body: Body, stage: Stage, pose_TJ: Array) -> Skeleton:
    """The joints of `body` in each of T poses."""

    def place(x: Array | float, y: Array | float) -> Array:
        return project(body, stage, pose_TJ, x, y)

    face, tilt = rotations(pose_TJ)
    turn = tilt @ face

    def on_head(x: float, y: float, z: float) -> Array:
        point = turn @ np.array([x, y, z])
        return place(point[:, 0], NECK + point[:, 1])

    middle = 0.95 * body.head_height
    shoulder_y = body.shoulder_height + pose_TJ[:, Joint.SHRUG]
    arms = []
    for side, jx, jy in ((stage.side, Joint.HAND_X, Joint.HAND_Y), (-stage.side, Joint.OTHER_X, Joint.OTHER_Y)):
        elbow, hand = bend_arm(body.arm, pose_TJ[:, jx], pose_TJ[:, jy])
        points = (np.zeros_like(hand), elbow, hand)
        arms.append([place(side * (body.shoulder_width + p[:, 0]), shoulder_y + p[:, 1]) for p in points])
    return Skeleton(
        hip=place(0.0, 0.0),
        neck=place(0.0, NECK),
        head=on_head(0, middle, 0),
        crown=on_head(0, 1.95 * body.head_height, 0),
        nose=on_head(0, middle - 0.05 * body.head_height, 1.2 * body.head_width),
        shoulders=(arms[0][0], arms[1][0]),
        elbows=(arms[0][1], arms[1][1]),
        hands=(arms[0][2], arms[1][2]),
        face=face,
        tilt=tilt,
        zoom=zoom_at(body, pose_TJ, NECK + middle),
        torso_zoom=zoom_at(body, pose_TJ, body.shoulder_height),
    )


def bend_arm(arm: float, x: Array, y: Array) -> tuple[Array, Array]:
    """(T, 3) elbow and hand, from the shoulder, of an arm of two parts of length `arm` whose hand is at (x, y).

    The hand is a little in front of the body. The elbow is on the circle of points at the distance `arm` from both
    ends, at the point nearest to POLE. Where the hand is too far away, the arm is drawn longer.
    """
    hand = np.stack([x, y, np.full_like(x, 0.5 * arm)], axis=1)
    distance = np.linalg.norm(hand, axis=1, keepdims=True)
    along = hand / distance
    bend = np.sqrt(np.maximum(arm**2 - (distance / 2) ** 2, 0.0))
    aside = POLE - (along @ POLE)[:, None] * along
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return hand / 2 + bend * aside, hand


def extent_for(
    body: Body, stage: Stage, rest_J: Array, along_J: Array, at_rest: float, tip: str, travel: float
) -> float:
    """How far the pose must move along `along_J` so that `tip` travels `travel` frame heights in the picture."""
    far = np.linspace(0.0, 1.2, 60) ** 2  # finer where motions are small
    offsets = np.concatenate([-at_rest * far, (1 - at_rest) * far])
    ends = skeleton(body, stage, rest_J + offsets[:, None] * along_J).tip(tip).reshape(2, -1, 2)
    travels: NDArray[np.float64] = np.linalg.norm(ends[1] - ends[0], axis=1)
    until = int(np.argmax(travels)) + 1  # after a quarter turn the nose comes back
    return float(np.interp(travel, travels[:until], far[:until]))
