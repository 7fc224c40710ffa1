"""The same frames by torchcodec, where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from kinesics.errors import UserError, VideoError
from kinesics.video.reader import VideoFile, open_source, open_video
from kinesics.video.torchcodec import TorchcodecFile, load_decoder
from tests.video.numbered_video import CLIPS, EDGE_CASES, numbered_video, numbers

ORDER = [59, 0, 31, 31, 7]


@pytest.fixture
def installed() -> None:
    try:
        load_decoder()
    except UserError as error:
        pytest.skip(str(error))


def source_of(path: Path) -> type:
    return type(open_source(open_video(path, decoder="torchcodec")._request))  # type: ignore[attr-defined]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_frames_are_those_of_pyav(tmp_path: Path, name: str) -> None:
    path = numbered_video(tmp_path / name, 60, b_frames=3, gop=12)
    assert source_of(path) is TorchcodecFile
    reader = open_video(path, decoder="torchcodec")
    other = open_video(path)
    indices = torch.tensor(ORDER)
    assert torch.equal(reader.frames_at(indices), other.frames_at(indices))
    assert torch.equal(reader.seconds_at(indices), other.seconds_at(indices))
    assert (reader.num_frames, reader.fps, reader.height, reader.width) == (60, 25, 64, 128)
    small = open_video(path, decoder="torchcodec", resize=32, start_seconds=0.4).frames_at(torch.tensor([5, 0]))
    assert small.shape == (2, 3, 32, 64)
    assert numbers(small) == [15, 10]


@pytest.mark.usefixtures("installed")
def test_what_it_gets_wrong_is_left_to_pyav(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.avi", 60, codec="mpeg4", b_frames=2)
    assert source_of(path) is VideoFile
    assert numbers(open_video(path, decoder="torchcodec").frames_at(torch.tensor(ORDER))) == ORDER
    hidden = EDGE_CASES / "torchcodec__discard_first_keyframe.mp4"
    if hidden.exists():
        assert source_of(hidden) is VideoFile


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "name", ["decord__video_90.mov", "decord__video_180.mov", "torchcodec__nasa_13013_rotated.mp4"]
)
def test_rotation_is_applied_once(name: str) -> None:
    if not EDGE_CASES.exists():
        pytest.skip("the shared edge cases are not here")
    indices = torch.tensor([0, 2])
    frames = open_video(EDGE_CASES / name, decoder="torchcodec").frames_at(indices)
    assert torch.equal(frames, open_video(EDGE_CASES / name).frames_at(indices))


@pytest.mark.usefixtures("installed")
def test_a_damaged_frame_is_an_error_of_ours() -> None:
    path = EDGE_CASES / "decord__corrupted.mp4"
    if not path.exists():
        pytest.skip("the shared edge cases are not here")
    with pytest.raises(VideoError, match=r"corrupted\.mp4: torchcodec") as caught:
        open_video(path, decoder="torchcodec").frames_at(torch.tensor([45]))
    assert caught.value.status == "partial"


@pytest.mark.usefixtures("installed")
def test_real_clips_agree() -> None:
    if not CLIPS.exists():
        pytest.skip("the shared clips are not here")
    for name in ("arm_wrestling.mp4", "flipping_a_pancake.mkv"):
        reader = open_video(CLIPS / name, decoder="torchcodec")
        indices = torch.linspace(0, reader.num_frames - 1, 6).long()
        assert torch.equal(reader.frames_at(indices), open_video(CLIPS / name).frames_at(indices))


def test_without_torchcodec_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    path = numbered_video(tmp_path / "a.mp4", 3)
    with pytest.raises(UserError, match=r"kinesics\[fast\].*FFmpeg"):
        open_video(path, decoder="torchcodec")
