"""Videos stored as one picture file per frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from kinesics.errors import UserError, VideoError
from kinesics.video.integrity import decode_whole
from kinesics.video.reader import open_video
from tests.video.numbered_video import numbers, picture


def write(path: Path, number: int) -> None:
    assert cv2.imwrite(str(path), picture(number)[..., ::-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(1, 13):
        write(tmp_path / f"f{number}.png", number)
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".hidden.png").write_bytes(b"")
    return tmp_path


def test_a_folder_in_natural_order(folder: Path) -> None:
    reader = open_video(folder, fps=10)
    assert (reader.num_frames, reader.fps, reader.duration_seconds) == (12, 10, pytest.approx(1.2))
    assert (reader.height, reader.width) == (64, 128)
    assert numbers(reader.frames_at(torch.tensor([11, 0, 1, 9, 0]))) == [12, 1, 2, 10, 1]  # f2 before f10
    assert reader.seconds_at(torch.tensor([0, 5])).tolist() == [0, 0.5]
    np.testing.assert_array_equal(reader.frames_at(torch.tensor([4]))[0].permute(1, 2, 0).numpy(), picture(5))


def test_a_folder_of_unknown_rate_has_25(folder: Path) -> None:
    reader = open_video(folder, resize=32, start_seconds=0.08, end_seconds=0.2)
    assert (reader.num_frames, reader.fps) == (3, 25)
    frames = reader.frames_at(torch.arange(3))
    assert frames.shape == (3, 3, 32, 64)
    assert numbers(frames) == [3, 4, 5]


@pytest.mark.parametrize(
    ("first", "name"), [(0, "img_{:05d}.jpg"), (1, "img_{:05d}.jpg"), (1, "{}.png"), (0, "a{:d}.png")]
)
def test_a_pattern_counts_from_0_or_1(tmp_path: Path, first: int, name: str) -> None:
    for number in range(first, 12):
        write(tmp_path / name.format(number), number)
    write(tmp_path / "img_7.jpg", 99)  # not of the pattern {:05d}
    reader = open_video(tmp_path / name)
    assert reader.num_frames == 12 - first
    assert numbers(reader.frames_at(torch.arange(12 - first))) == list(range(first, 12))


def test_a_gap_in_a_pattern_names_the_missing_file(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        write(tmp_path / f"img_{number:05d}.jpg", number)
    with pytest.raises(VideoError, match=r"img_00003\.jpg: this frame is missing"):
        open_video(tmp_path / "img_{:05d}.jpg")
    check = decode_whole(tmp_path / "img_{:05d}.jpg")
    assert check.status == "error"
    assert "img_00003.jpg" in check.reason


def test_frames_of_another_size_are_named(folder: Path) -> None:
    assert cv2.imwrite(str(folder / "f7.png"), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(VideoError, match=r"f7\.png: 20×10 pixels, but the first frame has 128×64"):
        open_video(folder, resize=32).frames_at(torch.arange(12))
    check = decode_whole(folder)
    assert check.status == "error"
    assert "f7.png" in check.reason


def test_broken_frames_are_named(folder: Path) -> None:
    (folder / "f3.png").write_bytes(b"")
    (folder / "f5.png").write_bytes(b"no picture")
    reader = open_video(folder)
    with pytest.raises(VideoError, match=r"f3\.png: an empty file"):
        reader.frames_at(torch.tensor([2]))
    with pytest.raises(VideoError, match=r"f5\.png: not a picture"):
        reader.frames_at(torch.tensor([4]))
    (folder / "f9.png").unlink()
    with pytest.raises(VideoError, match=r"f9\.png: no such file"):
        reader.frames_at(torch.tensor([8]))


def test_grey_alpha_and_16_bits_become_rgb(tmp_path: Path) -> None:
    blue = np.zeros((4, 6, 3), np.uint8)
    blue[..., 0] = 200  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "0.png"), blue)
    cv2.imwrite(str(tmp_path / "1.png"), np.dstack([blue, np.full((4, 6), 7, np.uint8)]))
    cv2.imwrite(str(tmp_path / "2.png"), blue.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "3.png"), np.full((4, 6), 90, np.uint8))
    frames = open_video(tmp_path).frames_at(torch.arange(4))
    assert frames[:3, :, 0, 0].tolist() == [[0, 0, 200]] * 3
    assert frames[3, :, 0, 0].tolist() == [90, 90, 90]


def test_an_empty_folder_has_no_frames(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no picture files") as caught:
        open_video(tmp_path)
    assert caught.value.status == "no_frames"
    with pytest.raises(VideoError, match="no file fits") as caught:
        open_video(tmp_path / "{:03d}.png")
    assert caught.value.status == "no_frames"
    with pytest.raises(VideoError, match="no such folder"):
        open_video(tmp_path / "sub" / "{:03d}.png")


def test_a_whole_folder_checks(folder: Path) -> None:
    check = decode_whole(folder, fps=10)
    assert (check.status, check.num_frames, check.fps, check.height, check.width) == ("ok", 12, 10, 64, 128)
    assert check.seconds == pytest.approx(1.2)
    write(folder / "f12.png", 500)
    assert decode_whole(folder, fps=10).digest != check.digest


def test_invalid_arguments(folder: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'pyav'"):
        open_video(folder, decoder="pyva")
    with pytest.raises(UserError, match="resize is 0; expected a whole number from 1"):
        open_video(folder, resize=0)
    with pytest.raises(UserError, match="resize is '256-320'; expected"):
        open_video(folder, resize="256-320")
    with pytest.raises(UserError, match="fps must be above 0"):
        open_video(folder, fps=0)
