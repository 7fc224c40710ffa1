"""Annotated copies: every frame, its size and rate; text that can be read; ticks where the model looked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from kinesics.annotation.annotate import (
    ACCENT,
    annotate,
    cut,
    drawn,
    enlargement,
    even_rate,
    fitted,
    make_banner,
    put_text,
    text_width,
    texts,
)
from kinesics.errors import UserError, VideoError
from kinesics.values import Prediction
from kinesics.video.write import write_video
from tests.tiny import moving_square

ANSWER = Prediction("v.mp4", ("nicken – ja", "still"), (0.76, 0.2), (1, 6, 11), (0.1, 0.6, 1.1))


class Grey:
    """A video of grey frames at given times, told from each other by their level."""

    def __init__(self, height: int, width: int, seconds: list[float], duration: float) -> None:
        self.height, self.width, self.num_frames = height, width, len(seconds)
        self.fps, self.duration_seconds = 10.0, duration
        self.seconds = torch.tensor(seconds, dtype=torch.float64)
        self.num_taken = 0

    def in_order(self) -> Iterator[np.ndarray]:
        for index in range(self.num_frames):
            self.num_taken += 1
            yield np.full((self.height, self.width, 3), 60 + index % 100, np.uint8)

    def seconds_at(self, indices: torch.Tensor) -> torch.Tensor:
        return self.seconds[indices]

    def close(self) -> None:
        pass


def even(height: int, width: int, count: int = 12) -> Grey:
    return Grey(height, width, [index / 10 for index in range(count)], count / 10)


def decode(path: Path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate or 0)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), rate


@pytest.mark.parametrize("size", [(240, 320), (182, 322)])
def test_all_frames_at_their_size_and_rate(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    frames = [np.full((height, width, 3), 60 + 12 * index, np.uint8) for index in range(12)]
    write_video(tmp_path / "v.mp4", frames, fps=30000 / 1001)
    assert annotate(tmp_path / "v.mp4", ANSWER, tmp_path / "copies/v.annotated.mp4") == (
        tmp_path / "copies/v.annotated.mp4"
    )
    found, rate = decode(tmp_path / "copies/v.annotated.mp4")
    assert found.shape == (12, height, width, 3)
    assert rate == pytest.approx(30000 / 1001)
    middle = found[:, height // 2 - 20 : height // 2 + 20].mean((1, 2, 3))
    assert middle == pytest.approx([60 + 12 * index for index in range(12)], abs=2), "the picture itself is untouched"
    assert found[:, -30:-14].max() > 200, "the banner has bright letters"


def test_folders_of_frames_too(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(moving_square("left", 0, num_frames=5, size=64)):
        cv2.imwrite(str(tmp_path / f"frames/{index}.png"), frame)
    annotate(tmp_path / "frames", ANSWER, tmp_path / "out.mp4", fps=5)
    found, rate = decode(tmp_path / "out.mp4")
    assert found.shape == (5, 320, 320, 3), "tiny frames are enlarged"
    assert rate == 5


def test_failures_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError):
        annotate(tmp_path / "text.mp4", ANSWER, tmp_path / "out/copy.mp4")
    with pytest.raises(UserError, match="is the video itself"):
        annotate(tmp_path / "text.mp4", ANSWER, tmp_path / "out/../text.mp4")
    assert (tmp_path / "text.mp4").read_text() == "no video"
    assert not list(tmp_path.glob("**/*copy*"))


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [
        (64, 64, 5),
        (240, 320, 1),
        (180, 319, 2),
        (720, 1280, 1),
        (2160, 3840, 1),
        (32, 640, 6),
        (2, 7000, 1),
        (1, 1, 320),
    ],
)
def test_only_tiny_frames_are_enlarged(height: int, width: int, factor: int) -> None:
    assert enlargement(height, width) == factor


@pytest.mark.parametrize(("height", "width"), [(64, 64), (240, 320), (1280, 720), (2160, 3840), (16, 900), (900, 16)])
def test_text_stays_in_the_banner_at_every_size(height: int, width: int) -> None:
    frames = list(drawn(even(height, width, 2), ANSWER))
    factor = enlargement(height, width)
    assert [frame.shape for frame in frames] == [(factor * height, factor * width, 3)] * 2
    banner = make_banner(ANSWER, factor * height, factor * width)
    letters = banner.text.min(axis=2) > 200  # white
    assert not letters[0].any(), "not cut above"
    assert not letters[-banner.pad :].any(), "not cut below, and above the time line"
    if width > 100:
        assert letters.any(axis=1).sum() >= 8, "high enough to read"


def test_the_letters_of_many_scripts_are_drawn() -> None:
    question = np.zeros((40, 400), np.uint8)
    put_text(question, "?", (5, 30), 24, (255, 255, 255))
    for text in ("–", "ä", "é", "ß", "да", "点头", "うなずく", "끄덕임", "ναί"):
        drawn_text, marks = np.zeros((40, 400, 3), np.uint8), np.zeros((40, 400, 3), np.uint8)
        put_text(drawn_text, text, (5, 30), 24, (255, 255, 255))
        put_text(marks, "?" * len(text), (5, 30), 24, (255, 255, 255))
        assert drawn_text.any()
        assert (drawn_text != marks).any(), f"{text} is not known to the font"


def test_long_labels_shrink_then_wrap_then_are_cut() -> None:
    assert fitted("nod", 20, 200) == (["nod"], 20)
    (line,), size = fitted("shake the head slowly", 20, 190)
    assert (line, 14 <= size < 20) == ("shake the head slowly", True)
    lines, size = fitted("Pretending to put something behind something", 15, 250)
    assert (" ".join(lines), len(lines), size) == ("Pretending to put something behind something", 2, 12)
    lines, size = fitted("so many words that no two lines could ever hold them " * 3, 15, 250)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(text_width(one, size) <= 250 for one in lines)
    lines, size = fitted("A" * 90, 15, 250)
    assert (len(lines), lines[0][-1]) == (1, "…")
    assert cut("nod", 15, 0) == "…"


def test_what_is_written() -> None:
    assert texts(ANSWER) == ("nicken – ja", "76 %")
    unsure = dataclasses.replace(ANSWER, probabilities=(0.4, 0.3))
    assert texts(unsure) == ("nicken – ja", "40 %")
    both = dataclasses.replace(ANSWER, probabilities=(0.93, 0.71))
    assert texts(both) == ("nicken – ja · still", "93 · 71 %")


def accent_columns(frame: np.ndarray) -> list[int]:
    """Where the foot of a frame has ticks that are lit."""
    foot = (frame[-12:] == ACCENT).all(axis=2).any(axis=0)
    starts = np.flatnonzero(foot & ~np.roll(foot, 1))
    return [int(start) for start in starts]


def test_ticks_light_up_when_they_are_passed() -> None:
    frames = list(drawn(even(240, 320), ANSWER))
    counts = [len(accent_columns(frame)) for frame in frames]
    # looked at frames 1, 6 and 11; where the play head stands, it covers the tick
    assert counts == [0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    first, second = accent_columns(frames[8])
    assert (first - 7) / 305 == pytest.approx(1 / 11, abs=0.01)
    assert (second - 7) / 305 == pytest.approx(6 / 11, abs=0.01)


def test_uneven_times_keep_the_duration() -> None:
    assert even_rate(even(64, 64)) == 10
    uneven = Grey(64, 64, [0.0, 0.1, 0.2, 1.5, 1.6], 2.5)
    assert even_rate(uneven) == 2
    assert even_rate(Grey(64, 64, [0.0], 0.0)) == 10
    assert len(list(drawn(Grey(64, 64, [0.0], 0.1), ANSWER))) == 1


def test_a_frame_is_taken_when_it_is_asked_for() -> None:
    long = even(64, 64, 20)
    frames = drawn(long, ANSWER)  # type: ignore[arg-type]
    for number in range(1, 21):
        next(frames)
        assert long.num_taken == number
