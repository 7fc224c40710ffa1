"""The size at which frames are read: pixels that are not square, and sizes that change within a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from kinesics.video.integrity import decode_whole
from kinesics.video.reader import open_video
from tests.video.numbered_video import numbered_video, numbers
from tests.video.test_open import write


@pytest.mark.parametrize(
    ("shape", "resize", "expected"),
    [
        ("1:1", None, (64, 128)),
        ("2:1", None, (64, 256)),
        ("1:2", None, (64, 64)),
        ("2:1", 32, (32, 128)),
        ("16:15", None, (64, 137)),
        ("1:200", None, (64, 128)),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_pixels_that_are_not_square_are_read_as_players_show_them(
    tmp_path: Path, shape: str, resize: int | None, expected: tuple[int, int], exact: bool, ending: str
) -> None:
    path = numbered_video(tmp_path / f"a.{ending}", 4, sample_aspect_ratio=Fraction(shape.replace(":", "/")))
    reader = open_video(path, resize=resize, exact=exact)
    assert (reader.height, reader.width) == expected
    frames = reader.frames_at(torch.arange(4))
    reader.close()
    assert tuple(frames.shape) == (4, 3, *expected)
    assert numbers(frames) == [0, 1, 2, 3]
    if resize is None:
        check = decode_whole(path)
        assert (check.status, check.height, check.width) == ("ok", *expected)


def test_a_frame_size_that_changes_midway_is_named(tmp_path: Path) -> None:
    large, small, both = (tmp_path / f"{name}.h264" for name in ("large", "small", "both"))
    numbered_video(large, 6)
    write(small, "libx264", None, size=(32, 48))
    both.write_bytes(large.read_bytes() + small.read_bytes())
    assert decode_whole(large).note == ""
    assert "changes from 128×64 to 48×32" in decode_whole(both).note
