"""The frames of a video file decoded by torchcodec (extra `fast`), with the frame index that PyAV reads."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinesics.errors import UserError, VideoError
from kinesics.sizes import ResizeSetting
from kinesics.video.convert import Picture, fit, resized
from kinesics.video.demux import PacketFile


def suits(file: PacketFile) -> bool:
    """Whether torchcodec gives the correct frames of this file.

    Only in MP4, MOV, Matroska and WebM: in AVI with B-frames it is off by one, in MPEG it may miss the last frames. And
    only where every packet is one shown frame with its own time stamp, and where pixels are square.
    """
    names = set(file.container.format.name.split(","))
    whole = file.trusted and len(file.index.packets) == file.num_packets
    return whole and bool(names & {"mov", "matroska"}) and file.pixel_shape == 1


def load_decoder() -> Any:
    """torchcodec's VideoDecoder. Raises UserError where it or FFmpeg is not installed."""
    try:
        return importlib.import_module("torchcodec.decoders").VideoDecoder
    except ImportError:
        raise UserError("decoder 'torchcodec' is not installed: pip install 'kinesics[fast]' and FFmpeg") from None
    except (RuntimeError, OSError):
        raise UserError("decoder 'torchcodec' finds no FFmpeg that it can use: install FFmpeg 4 to 8") from None


class TorchcodecFile:
    """A Source (see `video.reader`) with torchcodec in exact mode, one thread. It only takes the index of `file`."""

    def __init__(self, file: PacketFile, resize: ResizeSetting | None) -> None:
        self.path: Path = file.path
        self.fps = file.fps
        self.seconds, self.end_seconds = file.index.seconds, file.index.end_seconds
        stream = file.stream.index
        file.close()
        try:
            self._decoder = load_decoder()(
                str(self.path), stream_index=stream, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="exact"
            )
            num_frames = len(self._decoder)
            height, width = self._decoder[0].shape[:2]
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._error(error) from error
        if num_frames != len(self.seconds):
            raise VideoError(f"{self.path}: torchcodec counts {num_frames} frames, PyAV {len(self.seconds)}")
        self.size = fit(height, width, resize)

    def pictures(self, indices: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """See Source."""
        try:
            frames = self._decoder.get_frames_at(list(indices)).data.numpy()
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._error(error, "partial") from error
        for index, picture in zip(indices, frames, strict=True):
            yield index, resized(np.asarray(picture, dtype=np.uint8), self.size)

    def in_order(self) -> Iterator[Picture]:
        """See Source."""
        for number in range(len(self.seconds)):
            yield from (picture for _, picture in self.pictures([number]))

    def close(self) -> None:
        """Free the decoder."""
        del self._decoder

    def _error(self, error: Exception, status: str = "error") -> VideoError:
        lines = str(error).strip().splitlines()
        return VideoError(f"{self.path}: torchcodec: {lines[0] if lines else type(error).__name__}", status)
