"""Whether a video decodes whole: every frame is decoded, and what is found is compared with what the file promises."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from kinesics.errors import VideoError
from kinesics.video.convert import Converter, upright_size
from kinesics.video.demux import PacketFile
from kinesics.video.files import is_frames
from kinesics.video.frame_files import FrameFolder
from kinesics.video.open import MAX_PIXELS, holds_flow, too_large, track_note
from kinesics.video.trim import part_of

SLACK_SECONDS = 0.5
"""By how much a stream may end before the duration in its header: writers round, and count the sound."""


@dataclass(frozen=True)
class Check:
    """What decoding a whole video came to."""

    status: str
    """`ok`, `partial` (some frames, not all), `no_frames`, `no_video` or `error`."""
    reason: str
    """In words, empty where all is well."""
    num_frames: int
    """Frames that can be decoded, in the part that was asked for."""
    fps: float
    height: int
    """Pixels of the upright picture, as `width`."""
    width: int
    seconds: float
    """Length of the part."""
    digest: str
    """The same for the same frames under two names: SHA-256 of their compressed content, in any container."""
    note: str = ""
    """What to know about the file that is no fault: the video track that is read, a frame size that changes."""


def decode_whole(
    path: Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    fps: float | None = None,
    max_pixels: int = MAX_PIXELS,
    alive: Callable[[int], None] = lambda num_frames: None,
) -> Check:
    """Decode every frame of a file, folder or pattern, or of a part of it, and say how that went.

    `partial` are videos in which a packet fails, a frame comes out damaged or not at all, or which end early: MP4 and
    MOV with fewer packets than their table lists, AVI before the number of frames in its header, Matroska, WebM, FLV
    and ASF more than half a second before their duration, GIF without its closing byte. A bad video is an answer,
    never an exception; a decoder may still crash the process.

    max_pixels: height × width of the largest frame that is decoded at all. alive: is called with the number of frames
    that were decoded since its last call.
    """
    path = Path(path)
    try:
        if is_frames(path):
            return _check_frames(path, start_seconds, end_seconds, fps, max_pixels, alive)
        if holds_flow(path):
            raise VideoError(f"{path}: a flow file, not a video")
        return _check_file(path, start_seconds, end_seconds, max_pixels, alive)
    except VideoError as error:
        return Check(error.status, str(error).removeprefix(f"{path}: "), 0, 0.0, 0, 0, 0.0, "")
    except (av.FFmpegError, OSError) as error:
        return Check("error", error.strerror or str(error), 0, 0.0, 0, 0, 0.0, "")


def _check_file(
    path: Path, start: float | None, end: float | None, max_pixels: int, alive: Callable[[int], None]
) -> Check:
    file = PacketFile(path, max_pixels=max_pixels)
    try:
        promised = file.promised
        part = part_of(path, promised.seconds, promised.end_seconds, start, end)
        wanted = promised.packets[part.frames]
        found = _decode(file, wanted, alive)
        if not found.packets:
            raise VideoError(f"{path}: none of its {_frames(len(wanted))} can be decoded")
        reasons = [r for r in (_missing(file, wanted, found), _damaged(found), file.broke_off) if r]
        if end is None or end > promised.end_seconds:
            reasons += [r for r in (ends_early(file),) if r]
        return Check(
            "partial" if reasons else "ok",
            "; ".join(reasons),
            len(found.packets),
            file.fps,
            *found.size,
            part.seconds,
            _digest(bytes(p) for n, p in file.packets(int(wanted.min()), int(wanted.max()) + 1) if n in found.packets),
            "; ".join(text for text in (track_note(file.container, file.stream), found.size_note) if text),
        )
    finally:
        file.close()


@dataclass
class _Found:
    packets: set[int]
    num_damaged: int = 0
    size: tuple[int, int] = (0, 0)
    first_stored: tuple[int, int] = (0, 0)
    size_note: str = ""


def _decode(file: PacketFile, wanted: npt.NDArray[np.int64], alive: Callable[[int], None]) -> _Found:
    """Decode the wanted packets' frames in sequence, from the key frame before on."""
    chosen = set(wanted.tolist())
    found = _Found(set())
    start = min(file.index.start_for(packet) for packet in chosen)
    for frame in file.sequence(start, max(chosen) + 1):
        alive(1)
        if frame.pts is None or frame.pts not in chosen:
            continue
        stored = (frame.width, frame.height)
        if not found.packets:
            found.first_stored = stored
            found.size = upright_size(frame, file.pixel_shape)
            Converter(resize=False).rgb(frame, found.size)  # a pixel format that cannot be converted shows here
        if stored != found.first_stored and not found.size_note:
            found.size_note = _size_change(found.first_stored, stored)
        found.packets.add(frame.pts)
        found.num_damaged += frame.is_corrupt
    return found


def _missing(file: PacketFile, wanted: npt.NDArray[np.int64], found: _Found) -> str:
    """The frames that did not come out. MPEG-4's smallest packets may hold none by right: they repeat the last one."""
    lost = [p for p in wanted.tolist() if p not in found.packets and not file.may_be_empty(p)]
    return f"{len(lost)} of {_frames(len(wanted))} cannot be decoded" if lost else ""


def _damaged(found: _Found) -> str:
    return f"{_frames(found.num_damaged)} decoded with errors" if found.num_damaged else ""


def ends_early(file: PacketFile) -> str:
    """How the file falls short of what its own header or table promises, empty where it does not or cannot be known."""
    stream, names = file.stream, set(file.container.format.name.split(","))
    if "mov" in names:
        listed = len(stream.index_entries)
        return f"ends early: {file.num_packets} of {listed} packets are there" if file.num_packets < listed else ""
    if "avi" in names:
        last, listed = file.last_tick, stream.frames  # its duration is FFmpeg's guess from the size of the file
        return f"ends early: after {last} of {listed} frames" if last < listed - 1 else ""
    if "gif" in names:
        return "" if file.path.read_bytes().rstrip(b"\0").endswith(b";") else "ends early: the closing byte is missing"
    declared = declared_seconds(file) if names & {"matroska", "webm", "flv", "asf"} else 0.0
    end = file.promised.end_seconds
    return f"ends early: after {end:.2f} of {declared:.2f} s" if end < declared - SLACK_SECONDS else ""


def declared_seconds(file: PacketFile) -> float:
    """The duration in the header: the stream's own, or the file's where there is nothing but the video; else 0."""
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", file.stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    if len(file.container.streams) == 1 and file.container.duration:
        return file.container.duration / av.time_base
    return 0.0


def _check_frames(
    path: Path,
    start: float | None,
    end: float | None,
    fps: float | None,
    max_pixels: int,
    alive: Callable[[int], None],
) -> Check:
    source = FrameFolder(path, fps, None)
    part = part_of(path, source.seconds, source.end_seconds, start, end)
    height, width = source.size
    if height * width > max_pixels:
        raise too_large(source.files[0], width, height, max_pixels)
    wanted = range(part.frames.start, part.frames.stop)
    num_frames = 0
    for _ in source.pictures(wanted):
        num_frames += 1
        alive(1)
    digest = _digest(source.files[i].read_bytes() for i in wanted)
    return Check("ok", "", num_frames, source.fps, height, width, part.seconds, digest)


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


def _size_change(first: tuple[int, int], later: tuple[int, int]) -> str:
    before, after = (f"{width}×{height}" for width, height in (first, later))
    return f"the frame size changes from {before} to {after}; all frames are read at the size of the first"


def _frames(number: int) -> str:
    return "1 frame" if number == 1 else f"{number} frames"
