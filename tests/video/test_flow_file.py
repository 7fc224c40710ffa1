"""Flow files: the flow that is written is read back, and other files are refused."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinesics.errors import UserError, VideoError
from kinesics.video import flow_file
from kinesics.video.flow_file import FlowInfo, FlowReader, pixels, quantised, read_flow, read_info, write_flow

INFO = FlowInfo(id="a/b.mp4", method="dis", bound=20.0, height=9, width=13, num_frames=5, version="0")


def flows(num: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 8, (num, 9, 13, 2)).astype(np.float32)


def written(path: Path) -> np.ndarray:
    values = np.stack([quantised(flow, 20.0) for flow in flows()])
    write_flow(path, iter(values), INFO, fps=12.5)
    return values


def test_nothing_is_lost_beyond_the_steps(tmp_path: Path) -> None:
    values = written(tmp_path / "x.flow.mkv")
    assert np.array_equal(read_flow(tmp_path / "x.flow.mkv"), np.moveaxis(values, 3, 1))
    assert read_info(tmp_path / "x.flow.mkv") == INFO
    inside = np.abs(flows()) < 20
    assert np.abs(pixels(values, 20.0) - flows())[inside].max() <= 20 / 127 / 2 + 1e-5


def test_frames_by_number_in_any_order(tmp_path: Path) -> None:
    values = np.moveaxis(written(tmp_path / "x.flow.mkv"), 3, 1)
    assert np.array_equal(read_flow(tmp_path / "x.flow.mkv", [4, 0, 4]), values[[4, 0, 4]])
    with pytest.raises(IndexError, match="no flow 5, there are 5"):
        read_flow(tmp_path / "x.flow.mkv", [5])


def test_no_movement_is_128_and_the_bound_is_the_end() -> None:
    flow = np.array([[[0.0, 20.0], [-20.0, 35.0], [np.nan, -np.inf]]])
    assert quantised(flow, 20.0).tolist() == [[[128, 255], [1, 255], [128, 1]]]
    assert pixels(np.array([128, 255, 1], dtype=np.uint8), 20.0).tolist() == pytest.approx([0, 20, -20])


def test_another_size_or_number_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.flow.mkv"
    values = [quantised(flow, 20.0) for flow in flows()]
    for wrong, message in (([v[:, 1:] for v in values], "flow 0: expected"), (values[:3], "expected 5 flows, found 3")):
        with pytest.raises(UserError, match=message):
            write_flow(path, iter(wrong), INFO)
    with pytest.raises(UserError, match=r"ends in \.flow\.mkv"):
        write_flow(tmp_path / "x.mp4", iter(values), INFO)
    with pytest.raises(UserError, match="bound above 0"):
        replace(INFO, bound=0.0)
    assert not list(tmp_path.iterdir())


def test_what_is_no_flow_is_named(tmp_path: Path) -> None:
    from kinesics.video.write import write_video

    (tmp_path / "text.flow.mkv").write_text("flow")
    write_video(tmp_path / "film.mp4", [np.zeros((16, 16, 3), np.uint8)])
    (tmp_path / "film.mp4").rename(tmp_path / "film.flow.mkv")
    for name in ("text", "film", "missing"):
        with pytest.raises(VideoError, match=rf"{name}\.flow\.mkv: not a flow file"):
            read_info(tmp_path / f"{name}.flow.mkv")


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.flow.mkv"
    written(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(VideoError, match=r"x\.flow\.mkv: \d of 5 flows can be decoded") as caught:
        read_flow(path)
    assert caught.value.status == "partial"


def long_flow(path: Path, fps: float, num_frames: int = 400) -> np.ndarray:
    """Flow whose values encode the number of the frame."""
    info = replace(INFO, height=2, width=3, num_frames=num_frames)
    values = np.arange(num_frames, dtype=np.uint16)[:, None, None, None] + np.zeros((1, 2, 3, 2), np.uint16)
    values[..., 1] >>= 8
    write_flow(path, iter((values & 255).astype(np.uint8)), info, fps=fps)
    return np.moveaxis(values & 255, 3, 1)


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 12.5, 7.3, 120.0, 240.0])
def test_late_frames_are_found_without_reading_those_before(
    tmp_path: Path, fps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = long_flow(tmp_path / "x.flow.mkv", fps)
    indices = [371, 399, 350, 360, 361, 371, 0, 17]
    opened, read = 0, 0
    original = flow_file.open_container

    def counted(path: Path) -> object:
        nonlocal opened
        opened += 1
        return Counted(original(path))

    class Counted:
        def __init__(self, container: object) -> None:
            self._container = container

        def __getattr__(self, name: str) -> object:
            return getattr(self._container, name)

        def demux(self, stream: object) -> object:
            nonlocal read
            for packet in self._container.demux(stream):  # type: ignore[attr-defined]
                read += 1
                yield packet

    monkeypatch.setattr(flow_file, "open_container", counted)
    reader = FlowReader(tmp_path / "x.flow.mkv")
    frames = reader.frames_at(torch.tensor(indices))
    assert np.array_equal(frames.numpy(), values[indices])
    assert opened == 1
    assert read <= 60
    assert np.array_equal(reader.frames_at(torch.arange(400)).numpy(), values)
    again = pickle.loads(pickle.dumps(FlowReader(tmp_path / "x.flow.mkv")))  # noqa: S301 - written in this test
    assert np.array_equal(again.frames_at(torch.tensor([399])).numpy(), values[[399]])
    reader.close()
    assert np.array_equal(reader.frames_at(torch.tensor([5])).numpy(), values[[5]])
