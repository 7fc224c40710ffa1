"""Whether a video decodes whole: decode every frame, and compare the result with what the file promises."""

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
"""How much earlier than the duration in its header a stream may end: writers round it, and count the sound."""


@dataclass(frozen=True)
class Check:
    """The result of decoding a whole video."""

    status: str
    """`ok`, `partial` (some frames, not all), `no_frames`, `no_video` or `error`."""
    reason: str
    """Why the status is not `ok`; empty where it is."""
    num_frames: int
    """Frames that can be decoded, in the requested part."""
    fps: float
    height: int
    """Height of the upright picture in pixels."""
    width: int
    """Width of the upright picture in pixels."""
    seconds: float
    """Length of the requested part."""
    digest: str
    """SHA-256 of the compressed frames: the same for the same frames, under any file name and in any container."""
    note: str = ""
    """Facts that are no errors: which video track is read, a frame size that changes."""


def decode_whole(
    path: Path,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    fps: float | None = None,
    max_pixels: int = MAX_PIXELS,
    alive: Callable[[int], None] = lambda num_frames: None,
) -> Check:
    """Decode every frame of a file, folder or pattern, or of a part of it, and return the result.

    A video is `partial` where a packet fails, where a frame is damaged or missing, or where it ends early: MP4 and MOV
    with fewer packets than their table lists, AVI with fewer frames than its header says, Matroska, WebM, FLV and ASF
    that end more than half a second before their duration, GIF without its closing byte. A bad video gives a `Check`,
    never an exception. A decoder can still crash the process.

    max_pixels: height × width of the largest frame that is decoded. alive: called with the number of frames that were
    decoded since its last call.
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
        packets = promised.packets[part.frames]
        decoded = _decode(file, packets, alive)
        if not decoded.packets:
            raise VideoError(f"{path}: none of its {_frames(len(packets))} can be decoded")
        reasons = [r for r in (_missing(file, packets, decoded), _damaged(decoded), file.broke_off) if r]
        if end is None or end > promised.end_seconds:
            reasons += [r for r in (ends_early(file),) if r]
        return Check(
            "partial" if reasons else "ok",
            "; ".join(reasons),
            len(decoded.packets),
            file.fps,
            *decoded.size,
            part.seconds,
            _digest(
                bytes(p) for n, p in file.packets(int(packets.min()), int(packets.max()) + 1) if n in decoded.packets
            ),
            "; ".join(text for text in (track_note(file.container, file.stream), decoded.size_note) if text),
        )
    finally:
        file.close()


@dataclass
class _Decoded:
    packets: set[int]
    num_damaged: int = 0
    size: tuple[int, int] = (0, 0)
    first_stored: tuple[int, int] = (0, 0)
    size_note: str = ""


def _decode(file: PacketFile, packets: npt.NDArray[np.int64], alive: Callable[[int], None]) -> _Decoded:
    """Decode the frames of the packets in sequence, starting at the key frame before them."""
    requested = set(packets.tolist())
    decoded = _Decoded(set())
    start = min(file.index.start_for(packet) for packet in requested)
    for frame in file.sequence(start, max(requested) + 1):
        alive(1)
        if frame.pts is None or frame.pts not in requested:
            continue
        stored = (frame.width, frame.height)
        if not decoded.packets:
            decoded.first_stored = stored
            decoded.size = upright_size(frame, file.pixel_shape)
            Converter(resize=False).rgb(frame, decoded.size)  # fails here if the pixel format cannot be converted
        if stored != decoded.first_stored and not decoded.size_note:
            decoded.size_note = _size_change(decoded.first_stored, stored)
        decoded.packets.add(frame.pts)
        decoded.num_damaged += frame.is_corrupt
    return decoded


def _missing(file: PacketFile, packets: npt.NDArray[np.int64], decoded: _Decoded) -> str:
    """The frames that were not decoded. The smallest packets of MPEG-4 may hold no frame: they repeat the last one."""
    lost = [p for p in packets.tolist() if p not in decoded.packets and not file.may_be_empty(p)]
    return f"{len(lost)} of {_frames(len(packets))} cannot be decoded" if lost else ""


def _damaged(decoded: _Decoded) -> str:
    return f"{_frames(decoded.num_damaged)} decoded with errors" if decoded.num_damaged else ""


def ends_early(file: PacketFile) -> str:
    """What the file lacks of what its header or table lists; empty where nothing, or where that is not known."""
    stream, names = file.stream, set(file.container.format.name.split(","))
    if "mov" in names:
        listed = len(stream.index_entries)
        return f"ends early: {file.num_packets} of {listed} packets are there" if file.num_packets < listed else ""
    if "avi" in names:
        last, listed = file.last_tick, stream.frames  # FFmpeg guesses its duration from the size of the file
        return f"ends early: after {last} of {listed} frames" if last < listed - 1 else ""
    if "gif" in names:
        return "" if file.path.read_bytes().rstrip(b"\0").endswith(b";") else "ends early: the closing byte is missing"
    declared = declared_seconds(file) if names & {"matroska", "webm", "flv", "asf"} else 0.0
    end = file.promised.end_seconds
    return f"ends early: after {end:.2f} of {declared:.2f} s" if end < declared - SLACK_SECONDS else ""


def declared_seconds(file: PacketFile) -> float:
    """The duration in the header: the stream's own; or the file's, where the video is its only stream; else 0."""
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
    indices = range(part.frames.start, part.frames.stop)
    num_frames = 0
    for _ in source.pictures(indices):
        num_frames += 1
        alive(1)
    digest = _digest(source.files[i].read_bytes() for i in indices)
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
