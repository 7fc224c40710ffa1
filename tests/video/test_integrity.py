"""Whole-file checks: every edge case and every way to break a file has its own status or reason."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from kinesics.errors import VideoError
from kinesics.video.integrity import decode_whole
from kinesics.video.reader import open_video
from tests.video.numbered_video import CLIPS, EDGE_CASES, numbered_video, numbers, picture

# name: (status, frames, height, width, text in the reason). nasa_13013 has two video tracks, of which the larger is
# read; non_zero_start has pixels of 224:225, so that its 200 columns are shown as 199.
TABLE = {
    "decord__corrupted.mp4": ("partial", 30, 720, 1280, "20 of 50 frames cannot be decoded"),
    "decord__unordered.mov": ("ok", 4, 50, 50, ""),
    "decord__video_0.mov": ("ok", 3, 320, 568, ""),
    "decord__video_180.mov": ("ok", 3, 320, 568, ""),
    "decord__video_270.mov": ("ok", 3, 568, 320, ""),
    "decord__video_90.mov": ("ok", 3, 568, 320, ""),
    "torchcodec__animated.gif": ("ok", 4, 48, 64, ""),
    "torchcodec__av1_video.mkv": ("ok", 125, 360, 640, ""),
    "torchcodec__bt2020_10bit.mp4": ("ok", 60, 240, 320, ""),
    "torchcodec__bt601_limited_range.mp4": ("ok", 60, 240, 320, ""),
    "torchcodec__discard_first_keyframe.mp4": ("ok", 25, 64, 64, ""),
    "torchcodec__frame_exceeds_screen.gif": ("ok", 1, 4, 4, ""),
    "torchcodec__gradient.gif": ("ok", 1, 720, 1280, ""),
    "torchcodec__h264_10bits.mp4": ("ok", 30, 200, 200, ""),
    "torchcodec__h265_10bits.mp4": ("ok", 30, 200, 200, ""),
    "torchcodec__h265_video.mp4": ("ok", 10, 128, 128, ""),
    "torchcodec__nasa_13013.mp4": ("ok", 390, 270, 480, ""),
    "torchcodec__nasa_13013.mp4.audio.mp3": ("no_video", 0, 0, 0, "only sound"),
    "torchcodec__nasa_13013_rotated.mp4": ("ok", 17, 480, 270, ""),
    "torchcodec__sine_stereo_mp2.mpg": ("ok", 100, 128, 128, ""),
    "torchcodec__test_non_zero_start.mp4": ("ok", 12, 112, 199, ""),
    "torchcodec__testsrc2_mpeg4.mp4": ("ok", 1, 64, 64, ""),
    "torchcodec__testsrc2_odd_height_and_width_444.mp4": ("ok", 25, 241, 321, ""),
    "torchcodec__testsrc2_odd_height_and_width_mpeg2.mp4": ("ok", 10, 81, 121, ""),
    "torchcodec__testsrc2_odd_height_vp9.mp4": ("ok", 25, 241, 320, ""),
    "torchcodec__testsrc2_vp8.webm": ("ok", 30, 720, 1280, ""),
    "torchcodec__testsrc2_vp9.webm": ("ok", 30, 720, 1280, ""),
    "torchcodec__transparent.gif": ("ok", 1, 48, 64, ""),
}


@pytest.mark.parametrize("name", TABLE)
def test_edge_cases(name: str) -> None:
    if not (EDGE_CASES / name).exists():
        pytest.skip("the shared edge cases are not here")
    status, num_frames, height, width, reason = TABLE[name]
    check = decode_whole(EDGE_CASES / name)
    assert (check.status, check.num_frames, check.height, check.width) == (status, num_frames, height, width)
    assert reason in check.reason
    assert bool(check.reason) == (status != "ok")
    if status == "ok":
        reader = open_video(EDGE_CASES / name)
        frames = reader.frames_at(torch.tensor([num_frames - 1, 0]))
        assert frames.shape == (2, 3, height, width)
        assert (reader.num_frames, reader.fps) == (num_frames, check.fps)
        assert reader.duration_seconds == pytest.approx(check.seconds)


def test_no_edge_case_is_left_out() -> None:
    if not EDGE_CASES.exists():
        pytest.skip("the shared edge cases are not here")
    assert {p.name for p in EDGE_CASES.iterdir()} == set(TABLE)


CONTAINERS = {
    "a.mp4": {"b_frames": 2, "muxer": {"movflags": "faststart"}},
    "fragments.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "a.mkv": {},
    "a.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}},
    "a.avi": {"codec": "mpeg4"},
    "b.avi": {"codec": "mpeg4", "b_frames": 2},
    "a.flv": {},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_file_cut_in_the_middle_is_partial(tmp_path: Path, name: str) -> None:
    path = numbered_video(tmp_path / name, 120, **CONTAINERS[name])
    whole = decode_whole(path)
    assert (whole.status, whole.num_frames) == ("ok", 120)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    cut = decode_whole(path)
    assert cut.status == "partial"
    assert "ends early" in cut.reason
    assert 20 < cut.num_frames < 100
    reader = open_video(path, salvage=True)
    assert reader.num_frames == cut.num_frames
    last = reader.num_frames - 4  # the cut frame may be damaged
    assert numbers(reader.frames_at(torch.tensor([last, 3]))) == [last, 3]


def test_a_whole_file_in_every_container_is_ok(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.ts", "a.mpg", "a.avi", "a.h264"):
        codec = {".mpg": "mpeg2video", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
        check = decode_whole(numbered_video(tmp_path / name, 30, codec=codec, b_frames=2))
        assert (check.status, check.reason, check.num_frames, check.fps) == ("ok", "", 30, 25.0), name


def test_damage_inside_is_partial(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mkv", 60)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(range(60))
    path.write_bytes(content)
    check = decode_whole(path)
    assert check.status == "partial"
    assert check.reason
    assert open_video(path, salvage=True).num_frames == check.num_frames


def test_a_damaged_file_stays_usable() -> None:
    path = EDGE_CASES / "decord__corrupted.mp4"
    if not path.exists():
        pytest.skip("the shared edge cases are not here")
    reader = open_video(path)
    assert reader.num_frames == 50
    reader.frames_at(torch.tensor([0, 20]))
    with pytest.raises(VideoError, match=r"corrupted\.mp4: frame 40 of 50 cannot be decoded") as caught:
        reader.frames_at(torch.tensor([2, 40, 45]))
    assert caught.value.status == "partial"
    saved = open_video(path, salvage=True)
    assert saved.num_frames == 30
    assert torch.equal(saved.frames_at(torch.tensor([20])), reader.frames_at(torch.tensor([20])))
    assert saved.frames_at(torch.arange(30)).shape == (30, 3, 720, 1280)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp4", b"", "an empty file"),
        ("empty.avi", b"", "an empty file"),
        ("text.mp4", b"Hello there\n" * 99, "text, not a video"),
        ("text.txt", b"Hello there\n" * 99, "text, not a video"),
        ("riff.avi", b"RIFF", "not a video, or its header is missing or broken"),
        ("picture.mp4", bytes(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1]), "a single picture, not a video"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    check = decode_whole(tmp_path / name)
    assert (check.status, check.reason, check.num_frames, check.digest) == ("error", reason, 0, "")
    with pytest.raises(VideoError) as caught:
        open_video(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {reason}"
    assert caught.value.status == "error"


def test_a_cut_off_table_is_an_error(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4", 30)  # its table is at the end
    path.write_bytes(path.read_bytes()[:-200])
    assert decode_whole(path).reason == "not a video, or its header is missing or broken"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert decode_whole(tmp_path / "a.mp4").reason == "no such file"
    with pytest.raises(VideoError, match=r"a\.mp4: no such file"):
        open_video(tmp_path / "a.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    assert decode_whole(path).status == "no_video"


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    numbered_video(path, 3)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    check = decode_whole(path)
    assert (check.status, check.reason) == ("no_frames", "ends before its first frame")
    path = numbered_video(tmp_path / "a.mp4", 3, muxer={"movflags": "frag_keyframe+empty_moov"})
    path.write_bytes(path.read_bytes().split(b"moof")[0][:-4])
    check = decode_whole(path)
    assert (check.status, check.reason) == ("no_frames", "the video has no frames")


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4", 3)
    assert decode_whole(path, max_pixels=64 * 128).status == "ok"
    check = decode_whole(path, max_pixels=64 * 128 - 1)
    assert (check.status, check.reason) == (
        "error",
        "frames of 128×64, more than the limit of 8191 pixels (max_pixels)",
    )
    cv2.imwrite(str(tmp_path / "1.png"), picture(1))
    assert decode_whole(tmp_path, max_pixels=100).status == "error"


def test_only_the_requested_part_counts(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.avi", 120, codec="mpeg4")
    part = decode_whole(path, start_seconds=1.0, end_seconds=2.0)
    assert (part.status, part.num_frames, part.seconds) == ("ok", 25, pytest.approx(1.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert decode_whole(path, start_seconds=1.0, end_seconds=2.0).status == "ok"  # it ends early, but later
    assert decode_whole(path, start_seconds=1.0, end_seconds=4.0).status == "partial"
    assert decode_whole(path, start_seconds=70).status == "no_frames"


def test_the_digest_tells_content_not_names(tmp_path: Path) -> None:
    numbered_video(tmp_path / "a.mp4", 30, b_frames=2)
    numbered_video(tmp_path / "b.mkv", 30, b_frames=2)  # the same packets in another container
    numbered_video(tmp_path / "c.mp4", 30, b_frames=2, gop=5)
    a, b, c = (decode_whole(tmp_path / name).digest for name in ("a.mp4", "b.mkv", "c.mp4"))
    assert a == b != c
    assert decode_whole(tmp_path / "a.mp4", end_seconds=0.5).digest not in (a, c)


def test_real_avis_are_whole() -> None:
    if not CLIPS.exists():
        pytest.skip("the shared clips are not here")
    checks = {p.name: decode_whole(p) for p in sorted(CLIPS.iterdir())}
    assert {c.status for c in checks.values()} == {"ok"}
    assert checks["UCF101__v_ApplyEyeMakeup_g01_c01.avi"].num_frames == 164  # packed B-frames
