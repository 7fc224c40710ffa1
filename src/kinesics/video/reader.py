"""Random access to the frames of a video: a file, a folder of frames or a pattern of frame files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.checks import checked
from kinesics.errors import UserError, VideoError, unknown
from kinesics.sizes import ResizeSetting
from kinesics.video import torchcodec
from kinesics.video.convert import Converter, Picture, fit, upright_size
from kinesics.video.demux import PacketFile
from kinesics.video.files import is_frames
from kinesics.video.frame_files import FrameFolder
from kinesics.video.open import holds_flow
from kinesics.video.trim import part_of

Result = TypeVar("Result")
DECODERS = ("pyav", "torchcodec")
MOST_EARLY = 32
"""How many later frames may be decoded before the next one in order; codecs reorder at most 16."""


def open_video(
    path: Path,
    *,
    resize: ResizeSetting | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    fps: float | None = None,
    decoder: str = "pyav",
    exact: bool = False,
    salvage: bool = False,
    max_pixels: int | None = None,
    index_folder: Path | None = None,
) -> Reader:
    """A reader of the frames of `path`: a video file, a folder of frames, or a pattern `clip/img_{:05d}.jpg`.

    resize: the short side in pixels, up or down, where the aspect ratio is kept; or exactly "340x256", width x height.
    start_seconds, end_seconds: a part of the video, counted from its first frame; the end is exclusive.
    fps: frames per second of frame files (25 by default); a video file has its own rate.
    decoder: `pyav`, or `torchcodec` (extra `fast`; always exact). PyAV still reads what torchcodec decodes wrongly: all
        formats except MP4, MOV, Matroska and WebM, and files whose packets do not say which frames there are.
    exact: convert whole pictures to RGB before they are resized, instead of after (the same within 40 dB PSNR).
    salvage: for damaged files (`partial`): decode everything when opening, and count only the frames that can be
        decoded. Without it `num_frames` is what the file promises, and a frame that cannot be decoded raises.
    max_pixels: height × width of the largest frame that is decoded, for files that were not checked; no limit by
        default.
    index_folder: where to keep the frame index of a long file, so that it opens quickly the next time.

    Raises:
        VideoError: it cannot be decoded; `status` says why (`error`, `no_video`, `no_frames`). Also for a flow file.
        UserError: the decoder is unknown or not installed, or the size or rate is out of range.
    """
    if holds_flow(path):
        raise VideoError(f"{path}: holds optical flow, not pictures; expected the video itself")
    if decoder not in DECODERS:
        raise unknown("decoder", decoder, DECODERS)
    if resize is not None:
        resize = checked(resize, ResizeSetting, "resize")
    if fps is not None and not 0 < fps < float("inf"):
        raise UserError(f"fps must be above 0, found {fps}")
    return Reader(
        Request(Path(path), resize, start_seconds, end_seconds, fps, decoder, exact, salvage, max_pixels, index_folder)
    )


def salvaged_if_needed(work: Callable[[bool], Result]) -> Result:
    """work(False), or work(True) where a frame is damaged; `work` opens a video with its argument as `salvage`."""
    try:
        return work(False)
    except VideoError as error:
        if error.status != "partial":
            raise
    return work(True)


@dataclass(frozen=True)
class Request:
    """The arguments of `open_video`: with them another process can open the video again."""

    path: Path
    resize: ResizeSetting | None
    start_seconds: float | None
    end_seconds: float | None
    fps: float | None
    decoder: str
    exact: bool
    salvage: bool
    max_pixels: int | None = None
    index_folder: Path | None = None


class Source(Protocol):
    """All frames of a video, by number."""

    fps: float
    seconds: npt.NDArray[np.float64]
    end_seconds: float

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the pictures."""

    def pictures(self, indices: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """The frames at `indices` (rising), given in any order. Raises VideoError where one cannot be decoded."""

    def in_order(self) -> Iterator[Picture]:
        """All frames in order, each decoded once. Raises VideoError where one cannot be decoded."""

    def close(self) -> None:
        """Free what is open."""


def open_source(request: Request) -> Source:
    """The source that reads a video with these arguments."""
    path = request.path
    if is_frames(path):
        return FrameFolder(path, request.fps, request.resize)
    file = PacketFile(path, salvage=request.salvage, max_pixels=request.max_pixels, index_folder=request.index_folder)
    if request.decoder == "torchcodec" and not request.salvage:
        torchcodec.load_decoder()
        if torchcodec.suits(file):
            return torchcodec.TorchcodecFile(file, request.resize)
    return VideoFile(file, request.resize, request.exact)


class Reader:
    """A VideoReader. In another process (fork, spawn, pickle) it opens its file again."""

    height: int
    width: int
    _source: Source | None = None
    _process = 0

    def __init__(self, request: Request) -> None:
        self._request = request
        source = self._open()
        try:
            part = part_of(request.path, source.seconds, source.end_seconds, request.start_seconds, request.end_seconds)
        except VideoError:
            self.close()
            raise
        self._first = part.frames.start
        self.num_frames = part.frames.stop - part.frames.start
        self.fps = source.fps
        self.duration_seconds = part.seconds

    def __getattr__(self, name: str) -> int:
        """Compute `height` and `width` at their first use: the first frame has to be decoded to know its rotation."""
        if name not in ("height", "width"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name}")
        self.height, self.width = self._open().size
        return self.height if name == "height" else self.width

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order, repeats allowed → (T, 3, H, W) uint8, with the channels last in memory.

        Raises:
            IndexError: an index is below 0 or above that of the last frame.
            VideoError: a frame cannot be decoded.
        """
        unique, places = torch.unique(self._checked(indices), return_inverse=True)
        numbers = (unique + self._first).tolist()
        pictures = dict(self._open().pictures(numbers))
        frames = np.empty((len(places), self.height, self.width, 3), dtype=np.uint8)
        for frame, place in zip(frames, places.tolist(), strict=True):
            frame[:] = pictures[numbers[place]]
        return torch.from_numpy(frames).permute(0, 3, 1, 2)

    def in_order(self) -> Iterator[Picture]:
        """All frames (H, W, 3) uint8 in order, each decoded once. Raises VideoError where one cannot be decoded."""
        return islice(self._open().in_order(), self._first, self._first + self.num_frames)

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64, the time of each frame, counted from the first frame of the file."""
        return torch.from_numpy(self._open().seconds)[self._checked(indices) + self._first]

    def close(self) -> None:
        """Free the decoder. A later call opens the file again."""
        if self._source is not None and self._process == os.getpid():
            self._source.close()
        self._source = None

    def __del__(self) -> None:
        self.close()  # PyAV's objects refer to each other: without this the file stays open until garbage collection

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_source": None}

    def _open(self) -> Source:
        if self._source is None or self._process != os.getpid():
            self._source, self._process = open_source(self._request), os.getpid()
        return self._source

    def _checked(self, indices: Tensor) -> Tensor:
        if indices.ndim != 1 or indices.dtype.is_floating_point:
            raise ValueError(f"expected indices (T,) of whole numbers, found {tuple(indices.shape)} {indices.dtype}")
        wrong = indices[(indices < 0) | (indices >= self.num_frames)]
        if len(wrong):
            raise IndexError(
                f"{self._request.path}: no frame {int(wrong[0])}, the video has {self.num_frames}, counted from 0"
            )
        return indices.long()


class VideoFile:
    """The frames of a video file, decoded by PyAV."""

    def __init__(self, file: PacketFile, resize: ResizeSetting | None, exact: bool) -> None:
        self.path, self.resize = file.path, resize
        self._file = file
        self._converter = Converter(resize=resize is not None, exact=exact)
        self._size: tuple[int, int] | None = None
        self.fps = file.fps
        self.packets = file.index.packets
        self.seconds, self.end_seconds = file.index.seconds, file.index.end_seconds
        if not len(self.packets):
            self.close()
            raise VideoError(f"{self.path}: none of its frames can be decoded")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) after rotation and resizing, by the first frame that is decoded."""
        if self._size is None:
            _, frame = next(
                chain(self._file.find(self.packets[:1].tolist()), self._file.find(self.packets.tolist())), (0, None)
            )
            if frame is None:
                raise VideoError(f"{self.path}: none of its frames can be decoded")
            self._size = fit(*upright_size(frame, self._file.pixel_shape), self.resize)
        return self._size

    def pictures(self, indices: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """See Source."""
        missing = {int(self.packets[i]): i for i in indices}
        for packet, frame in self._file.find(list(missing)):
            if self._size is None:
                self._size = fit(*upright_size(frame, self._file.pixel_shape), self.resize)
            yield missing.pop(packet), self._converter.rgb(frame, self._size)
        if missing:
            raise self._damaged(min(missing.values()))

    def in_order(self) -> Iterator[Picture]:
        """See Source."""
        numbers = {packet: number for number, packet in enumerate(self.packets.tolist())}
        early: dict[int, Picture] = {}  # decoders return frames nearly in order
        next_number = 0
        for frame in self._file.sequence(0, self._file.num_packets):
            number = numbers.get(int(frame.pts or 0))
            if number is None or number < next_number:
                continue
            if self._size is None:
                self._size = fit(*upright_size(frame, self._file.pixel_shape), self.resize)
            early[number] = self._converter.rgb(frame, self._size)
            while next_number in early:
                yield early.pop(next_number)
                next_number += 1
            if len(early) > MOST_EARLY:
                break
        if next_number < len(numbers):
            raise self._damaged(next_number)

    def _damaged(self, number: int) -> VideoError:
        return VideoError(f"{self.path}: frame {number} of {len(self.packets)} cannot be decoded", "partial")

    def close(self) -> None:
        """Free the decoder."""
        self._file.close()
