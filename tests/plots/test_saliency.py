"""Pictures of what networks see: heat over frames, flow as colours, probability curves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kinesics.plots.flow_wheel import flow_picture, plot_flow, wheel
from kinesics.plots.probability_curve import plot_probability_curve
from kinesics.plots.saliency import overlay, plot_saliency, scaled, wrapped


def test_maps_of_a_clip_share_one_scale() -> None:
    maps = np.zeros((2, 4, 4))
    maps[0, 0, 0], maps[1, 1, 1] = 4, 1
    heat = scaled(maps)
    assert heat[0, 0, 0] == pytest.approx(1)
    assert heat[1, 1, 1] == pytest.approx(0.25, rel=0.05)
    assert scaled(np.zeros((2, 3, 3))).max() == 0


def test_no_heat_leaves_a_frame_as_it_is() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    heat = np.zeros((8, 8), np.float32)
    assert (overlay(frame, heat) == frame).all()
    heat[2, 2] = 1
    changed = (overlay(frame, heat) != frame).any(axis=2)
    assert np.argwhere(changed).tolist() == [[2, 2]]
    red = overlay(np.full((1, 1, 3), 90, np.uint8), np.ones((1, 1), np.float32))[0, 0]
    assert red[0] > 120 > red[2]


def test_directions_have_their_colours() -> None:
    flow = np.array([[[2, 0], [0, 2], [-2, 0], [0, 0], [9, 0]]], np.float32)
    right, down, left, still, far = flow_picture(flow, 2.0)[0].tolist()
    assert right == [255, 0, 0] == far
    assert left == [0, 255, 255]
    assert still == [255, 255, 255]
    assert down[1] == 255
    key = wheel()
    assert key[80, -3].tolist()[0] == 255
    assert key[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("count", [1, 8, 25])
def test_sheets_hold_all_time_steps(tmp_path: Path, count: int) -> None:
    frames = np.full((count, 30, 40, 3), 90, np.uint8)
    heat = np.zeros((count, 3, 4), np.float32)
    heat[-1, 1, 1] = 1
    plot_saliency(frames, heat, list(range(count)), "a title that is long " * 5, tmp_path / "s.png", note="a note")
    picture = cv2.imread(str(tmp_path / "s.png"))
    assert picture is not None
    grey = (np.abs(picture.astype(int) - 90).max(axis=2) < 3).mean() * picture.shape[0] * picture.shape[1]
    tile = (1.35 * 110) ** 2 * 0.75
    assert grey > (2 * count - 0.6) * tile * 0.97, "every frame is drawn twice"
    plot_flow(np.ones((count, 30, 40, 2), np.float32), list(range(count)), "flow", tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 3000


def test_long_titles_are_wrapped() -> None:
    assert wrapped("", 5, 10) == []
    lines = wrapped("word " * 60, 5, 10)
    assert len(lines) > 1
    assert max(map(len, lines)) <= 5 * 72 / 5.8


def test_a_probability_curve_is_drawn(tmp_path: Path) -> None:
    plot_probability_curve(
        [0.5, 1.0], {"a": np.array([0.1, 0.9]), "b": np.array([0.9, 0.1])}, "t", tmp_path / "c.png", note="n"
    )
    assert (tmp_path / "c.png").stat().st_size > 3000
