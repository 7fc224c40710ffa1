"""Whether heat lies where things move: the share of the heat in the quarter of each frame that moves most."""

from __future__ import annotations

import cv2
import numpy as np

from kinesics.plots.flow_wheel import Flow
from kinesics.plots.saliency import Floats, Frames, resized

QUARTER = 0.25
BLUR = 16
"""Differences are averaged over boxes of 1/BLUR of the frame's sides, because single pixels are noise."""
EVEN = 1.1
"""A share up to here counts as even: a few coarse cells reach a tenth more by chance."""
NO_PLACE = "The heat is no more where things move than elsewhere: do not read it as a place."


def heat_share(motion_THW: Floats, heat_Thw: Floats) -> float | None:
    """The heat in the quarter of each frame that moves most, divided by what even heat would have there.

    motion_THW, heat_Thw: 0 and up. 1 is an even share; 4 is the maximum for a full quarter. Each frame counts by its
    own heat, so the time of the heat does not matter. Where less than a quarter of a frame moves, only that part
    counts. None where nothing moves or there is no heat.
    """
    heat_sum = even_sum = 0.0
    for motion, small_heat in zip(motion_THW, heat_Thw, strict=True):
        heat = resized(small_heat, motion[..., None])
        moving = (motion >= np.quantile(motion, 1 - QUARTER)) & (motion > 0)
        if moving.any():
            heat_sum += float(heat[moving].sum())
            even_sum += float(heat.sum()) * float(moving.mean())
    return heat_sum / even_sum if even_sum > 0 else None


def frame_motion(frames_THW3: Frames) -> Floats:
    """(T, H, W): the blurred difference of each place from the frames before and after, in grey levels.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames_THW3) < 2:
        raise ValueError(f"expected two frames or more to compute motion, found {len(frames_THW3)}")
    steps = np.abs(np.diff(frames_THW3.astype(np.float32), axis=0)).mean(axis=3)
    before, after = np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]])
    return blurred((before + after) / 2)


def flow_motion(flow_THW2: Flow) -> Floats:
    """(T, H, W): the blurred length of the flow, in pixels."""
    return blurred(np.hypot(flow_THW2[..., 0], flow_THW2[..., 1]).astype(np.float32))


def blurred(maps_THW: Floats) -> Floats:
    """Means over boxes of 1/BLUR of the frame's sides."""
    height, width = (max(1, side // BLUR) for side in maps_THW.shape[1:])
    return np.stack([cv2.blur(map_HW, (width, height)) for map_HW in maps_THW])


def share_sentence(share: float | None) -> str:
    """The share in words; "" for None."""
    if share is None:
        return ""
    sentence = f"The quarter of the picture that moves most has {share:.2f} times its even share of the heat."
    return f"{sentence} {NO_PLACE}" if share <= EVEN else sentence
