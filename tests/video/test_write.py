"""write_video: colours, sizes and frames are read back; a failure leaves no file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from kinesics.errors import KinesicsError, UserError
from kinesics.video.write import CODECS, available_codec, write_video

Frame = NDArray[np.uint8]


def moving_bar(height: int, width: int, count: int) -> list[Frame]:
    """A smooth two-colour gradient with a bright bar that moves 3 pixels per frame: every frame differs."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([40 + 120 * x / width, 60 + 120 * y / height, np.full_like(x, 90.0)], axis=-1)
    frames = []
    for index in range(count):
        frame = base.copy()
        frame[:, 3 * index : 3 * index + 6] += 60
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return frames


def decode(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def psnr(decoded: NDArray[np.uint8], expected: NDArray[np.uint8]) -> float:
    error = np.square(decoded.astype(float) - expected.astype(float)).mean()
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("codec", [c for c in CODECS if c in av.codecs_available])
def test_every_frame_comes_back(tmp_path: Path, codec: str) -> None:
    frames = moving_bar(64, 96, 20)
    assert write_video(tmp_path / "a.mp4", iter(frames), fps=12, codec=codec, crf=16) == 20
    decoded = decode(tmp_path / "a.mp4")
    assert decoded.shape == (20, 64, 96, 3)
    for index, frame in enumerate(frames):
        assert psnr(decoded[index], frame) > 34
        others = [psnr(decoded[index], other) for k, other in enumerate(frames) if k != index]
        assert psnr(decoded[index], frame) > max(others) + 3, "the frames are in order"


@pytest.mark.parametrize("colour", [(200, 40, 40), (40, 200, 40), (40, 40, 200), (230, 180, 150), (255, 255, 255)])
def test_colours_come_back_at_every_size(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    for height, width in ((48, 64), (720, 1280)):  # readers guess BT.709 for untagged HD
        write_video(tmp_path / "c.mp4", [np.full((height, width, 3), colour, np.uint8)] * 2, crf=10)
        assert np.abs(decode(tmp_path / "c.mp4")[0].mean((0, 1)) - colour).max() <= 3


def test_stream_is_tagged_and_plays_in_browsers(tmp_path: Path) -> None:
    write_video(tmp_path / "t.mp4", moving_bar(32, 32, 9), fps=30000 / 1001)
    with av.open(str(tmp_path / "t.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (6, 1, 1, 1)
        assert stream.frames == 9
        assert stream.average_rate is not None
        assert float(stream.average_rate) == pytest.approx(30000 / 1001, rel=1e-6)
    head = (tmp_path / "t.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat"), "a browser can start before it has the whole file"


@pytest.mark.parametrize("size", [(63, 96), (64, 95), (63, 95), (1, 1)])
def test_odd_sizes_repeat_the_last_row_and_column(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    frames = moving_bar(height, width, 4)
    write_video(tmp_path / "odd.mp4", frames, crf=4)
    decoded = decode(tmp_path / "odd.mp4")
    assert decoded.shape == (4, height + height % 2, width + width % 2, 3)
    assert psnr(decoded[:, :height, :width], np.stack(frames)) > 30
    if height % 2:
        assert np.abs(decoded[:, -1].astype(int) - decoded[:, -2]).mean() < 4


def test_not_contiguous_frames(tmp_path: Path) -> None:
    frames = [np.flip(frame, axis=1) for frame in moving_bar(32, 48, 3)]
    write_video(tmp_path / "n.mp4", frames, crf=10)
    assert psnr(decode(tmp_path / "n.mp4"), np.stack(frames)) > 34


def test_same_frames_same_pictures(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, moving_bar(32, 32, 5), threads=1)
    first, second = (decode(tmp_path / name) for name in ("a.mp4", "b.mp4"))
    assert first.shape == second.shape
    assert psnr(first, second) > 40


def test_a_failing_source_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    class SourceGoneError(RuntimeError): ...

    def frames() -> Iterator[Frame]:
        yield from moving_bar(32, 32, 5)
        raise SourceGoneError

    (tmp_path / "old.mp4").write_bytes(b"old")
    for name in ("new.mp4", "old.mp4"):
        with pytest.raises(SourceGoneError):
            write_video(tmp_path / name, frames())
    assert [p.name for p in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([], "no frames"),
        ([np.zeros((8, 8), np.uint8)], "frame 0"),
        ([np.zeros((8, 8, 3), np.float32)], "float32"),
        ([np.zeros((8, 0, 3), np.uint8)], "frame 0"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], "frame 1"),
    ],
)
def test_bad_frames_are_named(tmp_path: Path, frames: list[Frame], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        write_video(tmp_path / "x.mp4", frames)
    assert not list(tmp_path.iterdir())


def test_bad_settings_are_named(tmp_path: Path) -> None:
    frames = moving_bar(16, 16, 2)
    for fps in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="an fps above 0"):
            write_video(tmp_path / "x.mp4", frames, fps=fps)
    with pytest.raises(UserError, match=r"\.mp4"):
        write_video(tmp_path / "x.txt", frames)
    with pytest.raises(UserError, match="did you mean 'libx264'"):
        write_video(tmp_path / "x.mp4", frames, codec="libx265")
    for crf in (-1, 52):
        with pytest.raises(UserError, match="crf"):
            write_video(tmp_path / "x.mp4", frames, crf=crf)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(KinesicsError, match="cannot write"):
        write_video(tmp_path / "folder.mp4", frames)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.mp4"]


def test_the_wheel_has_h264() -> None:
    assert available_codec() in ("libx264", "libopenh264")
