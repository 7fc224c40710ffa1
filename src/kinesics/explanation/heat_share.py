"""Whether heat lies where things move: its share in the quarter of a frame that moves most, against an even share."""

from __future__ import annotations

import cv2
import numpy as np

from kinesics.plots.flow_wheel import Flow
from kinesics.plots.saliency import Floats, Frames, fitted

QUARTER = 0.25
BLUR = 16
"""Differences are averaged over squares whose sides are the frame's divided by this: single pixels are noise."""
EVEN = 1.1
"""Up to here a share counts as even: a tenth more is what a few coarse cells come to anywhere."""
NO_PLACE = "The heat is no more where things move than elsewhere: do not read it as a place."


def heat_share(motion_THW: Floats, heat_Thw: Floats) -> float | None:
    """How many times its even share of the heat the quarter of each frame has that moves most.

    motion_THW, heat_Thw: 0 and up. 1 is an even share, 4 the most that a whole quarter can have. Each frame counts by
    its own heat, so that when the heat is changes nothing. Where less than a quarter of a frame moves, all that counts.
    None where nothing moves or there is no heat.
    """
    found = even = 0.0
    for motion, small in zip(motion_THW, heat_Thw, strict=True):
        heat = fitted(small, motion[..., None])
        moving = (motion >= np.quantile(motion, 1 - QUARTER)) & (motion > 0)
        if moving.any():
            found += float(heat[moving].sum())
            even += float(heat.sum()) * float(moving.mean())
    return found / even if even > 0 else None


def frame_motion(frames_THW3: Frames) -> Floats:
    """(T, H, W): how much each place differs from the frames before and after, in grey levels, averaged nearby.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames_THW3) < 2:
        raise ValueError(f"motion takes two frames or more, found {len(frames_THW3)}")
    steps = np.abs(np.diff(frames_THW3.astype(np.float32), axis=0)).mean(axis=3)
    before, after = np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]])
    return blurred((before + after) / 2)


def flow_motion(flow_THW2: Flow) -> Floats:
    """(T, H, W): the length of the flow in pixels, averaged nearby."""
    return blurred(np.hypot(flow_THW2[..., 0], flow_THW2[..., 1]).astype(np.float32))


def blurred(maps_THW: Floats) -> Floats:
    """Averages over squares, with nothing outside the frame."""
    height, width = (max(1, side // BLUR) for side in maps_THW.shape[1:])
    return np.stack([cv2.blur(one, (width, height)) for one in maps_THW])


def share_sentence(share: float | None) -> str:
    """What the share says, for a reader; "" where there is none."""
    if share is None:
        return ""
    said = f"The quarter of the picture that moves most has {share:.2f} times its even share of the heat."
    return f"{said} {NO_PLACE}" if share <= EVEN else said
