"""The exact frame for every index: by the number burned into the pixels, and the same as by decoding in sequence."""

from __future__ import annotations

import random
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinesics.errors import VideoError
from kinesics.video import demux
from kinesics.video.demux import PacketFile
from kinesics.video.frame_index import mpeg4_order
from kinesics.video.reader import open_video
from tests.video.numbered_video import numbered_video, numbers

OPEN_GOP = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=3:b-adapt=0"}
UNEVEN = [i * 40 + i % 7 * 5 + (400 if i > 30 else 0) for i in range(60)]
MILLISECONDS = Fraction(1, 1000)
FILMS: dict[str, dict[str, Any]] = {
    "p-frames.mp4": {},
    "b-frames.mp4": {"b_frames": 3, "options": {"x264-params": "b-pyramid=normal:keyint=12:scenecut=0"}},
    "open-gop.mp4": {"b_frames": 3, "options": OPEN_GOP},
    "open-gop.mkv": {"b_frames": 3, "options": OPEN_GOP},
    "open-gop.ts": {"b_frames": 3, "options": OPEN_GOP},
    "open-gop-hevc.mp4": {"codec": "libx265", "b_frames": 3, "options": {"x265-params": "keyint=12:open-gop=1"}},
    "layers-hevc.mkv": {"codec": "libx265", "b_frames": 3, "options": {"x265-params": "temporal-layers=2:keyint=12"}},
    "no-key-frames.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=12"}},
    "long-gop.mp4": {"gop": 250, "b_frames": 2},
    "uneven.mp4": {"stamps": UNEVEN, "time_base": MILLISECONDS, "b_frames": 2},
    "uneven.mkv": {"stamps": UNEVEN, "time_base": MILLISECONDS, "b_frames": 2},
    "late-start.mp4": {"stamps": range(50, 110), "b_frames": 2},
    "late-start.mkv": {"stamps": range(50, 110), "b_frames": 2},
    "fragments.mp4": {"b_frames": 2, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "b-frames.avi": {"codec": "mpeg4", "b_frames": 2},
    "p-frames.avi": {"codec": "mpeg4"},
    "h264.avi": {"b_frames": 2},
    "mpeg4.mp4": {"codec": "mpeg4", "b_frames": 2},
    "vp8.webm": {"codec": "libvpx", "options": {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}},
    "av1.mkv": {"codec": "libsvtav1", "options": {"preset": "12"}},
    "mpeg1.mpg": {"codec": "mpeg1video", "b_frames": 2},
    "mpeg2.ts": {"codec": "mpeg2video", "b_frames": 2},
    "raw.h264": {"b_frames": 2},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "ten-bit.mp4": {"pix_fmt": "yuv420p10le"},
}
NUM_FRAMES = 60


@pytest.fixture(scope="module", params=FILMS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    arguments = FILMS[request.param]
    if arguments.get("codec", "libx264") not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {arguments['codec']}")
    return numbered_video(tmp_path_factory.mktemp("films") / request.param, NUM_FRAMES, **arguments)


@cache
def in_sequence(path: Path) -> list[torch.Tensor]:
    """All frames, decoded by PyAV alone."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [torch.from_numpy(frame).permute(2, 0, 1) for frame in frames]


def test_every_frame_is_the_one_with_its_number(path: Path) -> None:
    reader = open_video(path)
    assert reader.num_frames == NUM_FRAMES
    assert numbers(reader.frames_at(torch.arange(NUM_FRAMES))) == list(range(NUM_FRAMES))


@pytest.mark.parametrize("kept_bytes", [demux.KEPT_BYTES, 0], ids=["kept", "read-again"])
def test_any_frames_are_those_of_decoding_in_sequence(
    path: Path, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demux, "KEPT_BYTES", kept_bytes)
    reader = open_video(path)
    truth = in_sequence(path)
    chance = random.Random(0)
    expected = [[i] for i in chance.sample(range(NUM_FRAMES), 12)]
    expected += [chance.choices(range(NUM_FRAMES), k=6) for _ in range(6)]
    for indices in expected:
        frames = reader.frames_at(torch.tensor(indices))
        assert all(torch.equal(frame, truth[i]) for frame, i in zip(frames, indices, strict=True)), indices


def test_small_frames_have_their_number_too(path: Path) -> None:
    reader = open_video(path, resize=48)
    frames = reader.frames_at(torch.tensor([59, 0, 31, 31]))
    assert numbers(frames) == [59, 0, 31, 31]
    assert frames.shape == (4, 3, 48, 96) == (4, 3, reader.height, reader.width)


def test_times_rise_from_zero_as_encoded(path: Path) -> None:
    reader = open_video(path)
    seconds = reader.seconds_at(torch.arange(NUM_FRAMES))
    expected = np.array(UNEVEN) / 1000 if "uneven" in path.name else np.arange(NUM_FRAMES) / 25
    np.testing.assert_allclose(seconds, expected, atol=0.0011)  # Matroska rounds to milliseconds
    assert reader.duration_seconds == pytest.approx(expected[-1] + 0.04, abs=0.03)
    assert "uneven" in path.name or reader.fps == pytest.approx(25)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_video(tmp_path_factory.mktemp("one") / "a.mp4", 40, b_frames=3, gop=10, options=OPEN_GOP)


@settings(max_examples=60, deadline=None)
@given(indices=st.lists(st.integers(0, 39), max_size=12))
def test_any_list_of_indices(one: Path, indices: list[int]) -> None:
    frames = open_video(one).frames_at(torch.tensor(indices, dtype=torch.int64))
    assert frames.shape == (len(indices), 3, 64, 128)
    assert all(torch.equal(frame, in_sequence(one)[i]) for frame, i in zip(frames, indices, strict=True))


@pytest.mark.parametrize("wrong", [-1, 40, 4000])
def test_a_frame_that_is_not_there_is_an_index_error(one: Path, wrong: int) -> None:
    with pytest.raises(IndexError, match=rf"a\.mp4: no frame {wrong}, the video has 40"):
        open_video(one).frames_at(torch.tensor([3, wrong]))


def test_indices_are_whole_numbers_in_a_row(one: Path) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        open_video(one).frames_at(torch.tensor([0.5]))
    with pytest.raises(ValueError, match=r"\(T,\)"):
        open_video(one).frames_at(torch.tensor([[1, 2]]))


@pytest.mark.parametrize(
    ("start", "end", "first", "num_frames"),
    [
        (None, None, 0, 40),
        (0.0, 0.4, 0, 10),
        (0.4, 0.8, 10, 10),  # the end is exclusive, so that neighbours share no frame
        (0.41, 0.8, 11, 9),
        (0.4004, 0.8004, 10, 10),  # times rounded to a millisecond
        (1.5, None, 38, 2),
        (1.5, 99.0, 38, 2),
        (None, 0.01, 0, 1),
    ],
)
def test_a_part_by_its_times(one: Path, start: float | None, end: float | None, first: int, num_frames: int) -> None:
    reader = open_video(one, start_seconds=start, end_seconds=end)
    assert reader.num_frames == num_frames
    assert numbers(reader.frames_at(torch.arange(num_frames))) == list(range(first, first + num_frames))
    assert reader.seconds_at(torch.tensor([0])).item() == pytest.approx(first / 25)
    assert reader.duration_seconds == pytest.approx(num_frames / 25)


def test_a_part_without_frames_is_named(one: Path) -> None:
    with pytest.raises(VideoError, match=r"a\.mp4: no frame between 5 s and 6 s; it lasts 1\.600 s") as caught:
        open_video(one, start_seconds=5, end_seconds=6)
    assert caught.value.status == "no_frames"


def test_an_edit_list_hides_the_frames_before_it(tmp_path: Path) -> None:
    stamps = range(-15, 45)
    path = numbered_video(tmp_path / "a.mp4", 60, b_frames=2, stamps=stamps, muxer={"avoid_negative_ts": "disabled"})
    reader = open_video(path)
    order = torch.randperm(45, generator=torch.Generator().manual_seed(0))
    assert reader.num_frames == 45
    assert numbers(reader.frames_at(order)) == [int(i) + 15 for i in order]
    assert reader.seconds_at(torch.tensor([0])).item() == 0


def test_sparse_frames_are_reached_by_their_key_frames(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    packets_of = PacketFile.packets

    def counted(self: PacketFile, start: int, stop: int) -> Any:
        for number, packet in packets_of(self, start, stop):
            fed.append(number)
            yield number, packet

    monkeypatch.setattr(PacketFile, "packets", counted)
    reader = open_video(one)
    assert fed == []  # the index needs no decoding
    reader.frames_at(torch.tensor([39]))
    assert 0 < len(fed) <= 24  # at most two GOPs of twelve, not forty


def test_b_pictures_of_mpeg4_are_shown_before_the_picture_they_follow() -> None:
    assert mpeg4_order([False, False, True, True, False]).tolist() == [0, 3, 1, 2, 4]  # I P B B P
    assert mpeg4_order([False]).tolist() == [0]
