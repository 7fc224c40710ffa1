"""The share of the heat where things move, on maps whose share is known, and the sentence about it."""

from __future__ import annotations

import numpy as np
import pytest

from kinesics.explanation.heat_share import NO_PLACE, flow_motion, frame_motion, heat_share, share_sentence
from kinesics.models.registry import BACKBONES
from kinesics.plots.saliency import Floats


def corner(num_steps: int = 3, height: float = 5.0) -> Floats:
    """Motion or heat in the upper left quarter only."""
    maps = np.zeros((num_steps, 32, 32), np.float32)
    maps[:, :16, :16] = height
    return maps


def test_known_maps_have_known_shares() -> None:
    motion = corner()
    assert heat_share(motion, np.ones((3, 32, 32), np.float32)) == pytest.approx(1)
    assert heat_share(motion, np.ones((3, 4, 4), np.float32)) == pytest.approx(1)  # coarse maps are enlarged
    assert heat_share(motion, corner(height=0.2)) == pytest.approx(4)
    assert heat_share(motion, 1 - corner(height=1)) == 0
    half = 1 + corner(height=2.0)  # 3 in a quarter of the places, 1 in the others
    assert heat_share(motion, half) == pytest.approx(2)


def test_the_time_of_the_heat_changes_nothing() -> None:
    motion, heat = corner(), np.ones((3, 32, 32), np.float32)
    heat[1] = 0
    heat[2] *= 100
    assert heat_share(motion, heat) == pytest.approx(1)


def test_each_frame_has_its_own_quarter() -> None:
    motion = np.stack([corner(1)[0], corner(1)[0][::-1, ::-1]])
    assert heat_share(motion, motion) == pytest.approx(4)
    assert heat_share(motion, motion[::-1]) == 0


def test_where_little_moves_only_that_counts() -> None:
    motion = np.zeros((2, 32, 32), np.float32)
    motion[:, :8, :8] = 1  # a sixteenth
    assert heat_share(motion, motion) == pytest.approx(16)
    assert heat_share(motion, np.ones((2, 32, 32), np.float32)) == pytest.approx(1)


def test_without_motion_or_heat_there_is_no_share() -> None:
    assert heat_share(np.zeros((2, 8, 8), np.float32), np.ones((2, 8, 8), np.float32)) is None
    assert heat_share(corner(), np.zeros((3, 4, 4), np.float32)) is None


def test_frames_that_differ_move_where_they_do() -> None:
    frames = np.full((3, 32, 48, 3), 90, np.uint8)
    frames[1, 4:12, 4:12] = 190
    motion = frame_motion(frames)
    assert motion.shape == (3, 32, 48)
    assert motion[1, 8, 8] == pytest.approx(100)
    assert motion[0, 8, 8] == motion[2, 8, 8] == pytest.approx(100)  # the first and the last have one neighbour
    assert motion[:, 20:, 20:].max() == 0
    with pytest.raises(ValueError, match="expected two frames or more to compute motion, found 1"):
        frame_motion(frames[:1])
    flow = np.zeros((2, 32, 32, 2), np.float32)
    flow[:, :16, :16] = (3, 4)
    assert flow_motion(flow)[0, 8, 8] == pytest.approx(5)
    assert flow_motion(flow)[0, 24, 24] == 0


@pytest.mark.parametrize(("share", "is_even"), [(0.4, True), (1.1, True), (1.11, False), (3.0, False)])
def test_an_even_share_has_a_warning(share: float, is_even: bool) -> None:
    sentence = share_sentence(share)
    assert f"has {share:.2f} times its even share of the heat." in sentence
    assert (NO_PLACE in sentence) == is_even


def test_no_share_has_no_sentence() -> None:
    assert share_sentence(None) == ""


@pytest.mark.parametrize("name", BACKBONES)
def test_the_stage_of_heat_maps_has_places(name: str) -> None:
    assert BACKBONES[name].heat_stage in BACKBONES[name].mapped
