"""Annotated copies keep the sound, in step with the pictures; each frame is decoded once; damage costs what it must."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kinesics.annotation.annotate import annotate
from kinesics.values import Prediction
from kinesics.video.demux import PacketFile
from tests.video.numbered_video import numbered_video, picture

ANSWER = Prediction("v.mp4", ("nod", "still"), (0.76, 0.2), (1, 6), (0.1, 0.6))
RATE = 24_000
CLICK = 1.0
"""The second of the click, at which the picture turns white."""


def with_sound(path: Path, codec: str, *, num_frames: int = 60, delay: float = 0.0, gop: int = 12) -> Path:
    """A film of 25 frames a second that is silent and black but for a click and a flash. delay: before its pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 128, 64, "yuv420p", gop
        stream.options = {"bf": "2"}
        sound = container.add_stream(codec, rate=RATE if codec != "libopus" else 48_000)
        sound.layout = "mono"  # type: ignore[attr-defined]
        samples = np.zeros(int(sound.rate * (delay + num_frames / 25)), np.float32)
        place = int(sound.rate * (delay + CLICK))
        samples[place : place + sound.rate // 50] = 0.9
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = sound.rate, 0
        resampler = av.AudioResampler(sound.codec_context.format, "mono", sound.rate)
        for piece in resampler.resample(frame):
            fifo.write(piece)
        size = sound.codec_context.frame_size or 1024
        packets = []
        for number in range(num_frames):
            shown = np.full((64, 128, 3), 255 if number / 25 >= CLICK else 16, np.uint8)
            flash = av.VideoFrame.from_ndarray(shown, format="rgb24")
            flash.pts, flash.time_base = number + round(25 * delay), Fraction(1, 25)
            packets += stream.encode(flash)
        packets += stream.encode(None)
        for packet in packets:
            container.mux(packet)
        done = 0
        while (part := fifo.read(size, partial=True)) is not None:
            part.pts, part.time_base = done, Fraction(1, sound.rate)
            done += part.samples
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    return path


def heard(path: Path) -> tuple[float, float]:
    """When the click is heard, and how long the sound is, on the time line of the pictures."""
    with av.open(str(path)) as container:
        start = float((container.streams.video[0].start_time or 0) * (container.streams.video[0].time_base or 0))
    times, levels = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            values = np.abs(frame.to_ndarray().astype(np.float64)).reshape(-1)
            scale = 1.0 if "flt" in frame.format.name else 2.0**15
            times.append((frame.time or 0) + np.arange(len(values)) / frame.sample_rate - start)
            levels.append(values / scale)
    time, level = np.concatenate(times), np.concatenate(levels)
    return float(time[np.flatnonzero(level > 0.3)[0]]), float(time[-1] - time[0])


def flash(path: Path) -> float:
    """When the picture turns white."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.to_ndarray(format="rgb24")[:20].mean() > 128:
                return float(frame.time or 0)
    raise AssertionError("no flash")


@pytest.mark.parametrize(
    ("name", "codec", "kept"),
    [
        ("a.mp4", "aac", "aac"),
        ("b.mkv", "aac", "aac"),
        ("c.mkv", "libmp3lame", "mp3float"),
        ("d.mkv", "flac", "flac"),
        ("e.mkv", "libopus", "opus"),
        ("f.mkv", "pcm_s16le", "aac"),
        ("g.mov", "pcm_s16le", "aac"),
        ("h.mkv", "libvorbis", "aac"),
    ],
)
@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_the_copy_sounds_as_the_video_does(tmp_path: Path, name: str, codec: str, kept: str, delay: float) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {codec}")
    video = with_sound(tmp_path / name, codec, delay=delay)
    copy = annotate(video, ANSWER, tmp_path / "copy.mp4")
    with av.open(str(copy)) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] in (
            [kept],
            [kept.removesuffix("float")],
        )
    click, seconds = heard(copy)
    frame = 1 / 10 if codec == "libvorbis" else 1024 / RATE + 0.02
    assert click - flash(copy) == pytest.approx(0, abs=frame)
    assert seconds == pytest.approx(60 / 25, abs=0.15)


def test_a_video_without_sound_has_a_copy_without(tmp_path: Path) -> None:
    copy = annotate(numbered_video(tmp_path / "a.mp4", 20), ANSWER, tmp_path / "copy.mp4")
    with av.open(str(copy)) as container:
        assert not container.streams.audio
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        av.VideoFrame.from_ndarray(picture(number), format="rgb24").to_image().save(folder / f"{number}.png")
    assert annotate(folder, ANSWER, tmp_path / "frames.mp4").is_file()


def test_damaged_sound_costs_no_picture(tmp_path: Path) -> None:
    video = with_sound(tmp_path / "a.mp4", "aac")
    content = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(container.streams.audio[0]) if packet.size]
    for place, size in places[len(places) // 2 :]:
        content[place : place + size] = bytes([255] * size)
    video.write_bytes(content)
    copy = annotate(video, ANSWER, tmp_path / "copy.mp4")
    with av.open(str(copy)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 60


def test_each_frame_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    original = PacketFile.sequence

    def counted(self: PacketFile, *arguments: object) -> Iterator[object]:
        nonlocal decoded
        for frame in original(self, *arguments):  # type: ignore[arg-type]
            decoded += 1
            yield frame

    monkeypatch.setattr(PacketFile, "sequence", counted)
    video = numbered_video(tmp_path / "a.mp4", 250, gop=10, b_frames=2)
    copy = annotate(video, ANSWER, tmp_path / "copy.mp4")
    assert decoded == 250
    with av.open(str(copy)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 250


def test_a_partial_video_has_a_copy_of_what_is_there(tmp_path: Path) -> None:
    video = numbered_video(tmp_path / "a.mkv", 120, gop=12)
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    video.write_bytes(content)
    copy = annotate(video, ANSWER, tmp_path / "copy.mp4")
    with av.open(str(copy)) as container:
        assert 60 < sum(1 for _ in container.decode(video=0)) < 120
