"""Random access to the frames of a video: a file, a folder of frames or a pattern of frame files."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.errors import UserError, VideoError, unknown
from kinesics.types import VideoReader
from kinesics.video.convert import Picture, fit, quarter_turns, to_rgb
from kinesics.video.frames import FrameFolder, is_pattern
from kinesics.video.packets import PacketFile

DECODERS = ("pyav", "torchcodec")
START_TOLERANCE = 1e-6
"""Seconds by which a frame may come before `start_seconds` and still count as at it: times are rounded in manifests."""


def open_video(
    path: Path,
    *,
    short_side: int | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    fps: float | None = None,
    decoder: str = "pyav",
    exact: bool = False,
) -> VideoReader:
    """A reader of the frames of `path`: a video file, a folder of frames, or a pattern `clip/img_{:05d}.jpg`.

    short_side: decode straight to this short side in pixels, also where the video is smaller; the aspect is kept.
    start_seconds, end_seconds: a part of the video, counted from its first frame; the end is exclusive.
    fps: frames a second of frame files (25 if unknown); video files know their own.
    decoder: `pyav`, or `torchcodec` (extra `fast`).
    exact: convert whole pictures to RGB before they are resized, instead of after (the same within 40 dB PSNR).

    Raises:
        VideoError: it cannot be decoded; `status` says how (`error`, `no_video`, `no_frames`).
        UserError: an unknown decoder, one that is not installed, or a size or rate that cannot be.
    """
    if decoder not in DECODERS:
        raise unknown("decoder", decoder, DECODERS)
    if short_side is not None and short_side < 1:
        raise UserError(f"short_side must be 1 pixel or more, found {short_side}")
    if fps is not None and not 0 < fps < float("inf"):
        raise UserError(f"fps must be above 0, found {fps}")
    return Reader(Request(Path(path), short_side, start_seconds, end_seconds, fps, decoder, exact))


@dataclass(frozen=True)
class Request:
    """What was asked of `open_video`: enough to open it again in another process."""

    path: Path
    short_side: int | None
    start_seconds: float | None
    end_seconds: float | None
    fps: float | None
    decoder: str
    exact: bool


class Source(Protocol):
    """All frames of a video, by number."""

    fps: float
    seconds: npt.NDArray[np.float64]
    end_seconds: float

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the pictures."""

    def pictures(self, wanted: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """The wanted frames, which rise, in any order. Raises VideoError where one cannot be had."""

    def close(self) -> None:
        """Free what is open."""


def open_source(request: Request) -> Source:
    """Where the frames come from."""
    path = request.path
    if path.is_dir() or is_pattern(path):
        return FrameFolder(path, request.fps, request.short_side)
    return VideoFile(path, request.short_side, request.exact)


class Reader:
    """A VideoReader. Opened again by itself where it finds itself in another process (fork, spawn, pickle)."""

    height: int
    width: int

    def __init__(self, request: Request) -> None:
        self._request = request
        self._source: Source | None = None
        self._process = 0
        source = self._open()
        start, end = request.start_seconds, request.end_seconds
        self._first = 0 if start is None else bisect_left(source.seconds, start - START_TOLERANCE)
        stop = len(source.seconds) if end is None else bisect_left(source.seconds, end - START_TOLERANCE)
        self.num_frames = max(0, stop - self._first)
        self.fps = source.fps
        if self.num_frames == 0:
            self.close()
            length = f"{source.end_seconds:.3f} s, {len(source.seconds)} frames"
            part = f"between {start or 0} s and {'the end' if end is None else f'{end} s'}"
            raise VideoError(f"{request.path}: no frame {part} ({length})", "no_frames")
        stop_seconds = source.seconds[stop] if stop < len(source.seconds) else source.end_seconds
        self.duration_seconds = float(stop_seconds - source.seconds[self._first])

    def __getattr__(self, name: str) -> int:
        """`height` and `width` when first asked for: the first frame has to be decoded to know how it is turned."""
        if name not in ("height", "width"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        self.height, self.width = self._open().size
        return self.height if name == "height" else self.width

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order, repeats allowed → (T, 3, H, W) uint8.

        Raises:
            IndexError: a frame before 0 or beyond the last.
            VideoError: a frame that cannot be decoded.
        """
        unique, places = torch.unique(self._checked(indices), return_inverse=True)
        frames = torch.empty((len(unique), self.height, self.width, 3), dtype=torch.uint8)
        into = frames.numpy()
        wanted = (unique + self._first).tolist()
        slots = {index: slot for slot, index in enumerate(wanted)}
        for index, picture in self._open().pictures(wanted):
            into[slots[index]] = picture
        return frames[places].permute(0, 3, 1, 2)

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64, the time of each frame, counted from the first frame of the file."""
        return torch.from_numpy(self._open().seconds)[self._checked(indices) + self._first]

    def close(self) -> None:
        """Free the decoder. A later call opens the file again."""
        if self._source is not None and self._process == os.getpid():
            self._source.close()
        self._source = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_source": None}

    def _open(self) -> Source:
        if self._source is None or self._process != os.getpid():
            self._source, self._process = open_source(self._request), os.getpid()
        return self._source

    def _checked(self, indices: Tensor) -> Tensor:
        if indices.ndim != 1 or indices.dtype.is_floating_point:
            raise ValueError(f"indices are (T,) whole numbers, found {tuple(indices.shape)} {indices.dtype}")
        wrong = indices[(indices < 0) | (indices >= self.num_frames)]
        if len(wrong):
            raise IndexError(
                f"{self._request.path}: no frame {int(wrong[0])}, the video has {self.num_frames}, counted from 0"
            )
        return indices.long()


class VideoFile:
    """The frames of a video file, decoded by PyAV."""

    def __init__(self, path: Path, short_side: int | None, exact: bool) -> None:
        self.path, self.short_side, self.exact = path, short_side, exact
        self._file = PacketFile(path)
        self.fps = self._file.fps
        self._note_index()

    def _note_index(self) -> None:
        index = self._file.index
        self.packets = index.packets.tolist()
        self.seconds, self.end_seconds = index.seconds, index.end_seconds
        if not self.packets:
            raise VideoError(f"{self.path}: none of its frames can be decoded", "no_frames")

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) after turning and resizing; the first frame tells."""
        _, frame = next(self._file.decode(self.packets[:1]))
        height, width = frame.height, frame.width
        if quarter_turns(frame) % 2:
            height, width = width, height
        return fit(height, width, self.short_side)

    def pictures(self, wanted: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """See Source."""
        missing = {self.packets[i]: i for i in wanted}
        for back in (0, 1):
            for packet, frame in self._file.decode(list(missing), back=back):
                yield missing.pop(packet), to_rgb(frame, self.size)
            if not missing:
                return
        raise VideoError(f"{self.path}: frame {min(missing.values())} cannot be decoded", "partial")

    def close(self) -> None:
        """Free the decoder."""
        self._file.close()
