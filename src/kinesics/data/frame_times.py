"""When each frame of a video is shown, read in worker processes: for annotations that count frames."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinesics.devices import num_cores
from kinesics.errors import KinesicsError, VideoError
from kinesics.video.demux import PacketFile
from kinesics.video.files import is_frames
from kinesics.workers.limits import Limits, seconds_for_file
from kinesics.workers.pool import Alive, WorkerPool


@dataclass(frozen=True)
class FrameTimes:
    """When the n frames of a video are shown.

    seconds: (n,) float64, rising, counted from the first frame. end_seconds: when the last frame ends.
    """

    seconds: npt.NDArray[np.float64]
    end_seconds: float

    @property
    def num_frames(self) -> int:
        """The number n of frames."""
        return len(self.seconds)

    def at(self, frame: int) -> float:
        """When a frame, counted from 0, is shown. Frames after the last one follow it in even steps.

        >>> times = FrameTimes(np.array([0.0, 0.1, 0.4]), 0.6)
        >>> [round(times.at(frame), 3) for frame in (1, 2, 3, 4)]
        [0.1, 0.4, 0.6, 0.8]
        """
        if frame < self.num_frames:
            return float(self.seconds[frame])
        return self.end_seconds + (frame - self.num_frames) * self.end_seconds / self.num_frames


def frame_times(
    paths: Iterable[Path], limits: Limits | None = None, num_workers: int | None = None
) -> dict[Path, FrameTimes | KinesicsError]:
    """The times of the frames of each file, or the error where they cannot be read.

    num_workers: processes; as many as cores by default. A file gets `limits.timeout_seconds` of processor time, and
    more for each megabyte: a file whose packets do not say which frames there are has to be decoded.

    Raises:
        KinesicsError: the processes do not start.
    """
    limits = limits or Limits()
    distinct = list(dict.fromkeys(paths))
    task = functools.partial(read_times, max_pixels=limits.max_pixels)
    pool = WorkerPool(task, num_workers or num_cores(), limits, extra_seconds=seconds_for_file)
    with closing(pool.results(distinct)) as results:
        return dict(results)


def read_times(path: Path, alive: Alive, max_pixels: int | None = None) -> FrameTimes:
    """The times of the frames of a video file.

    Raises:
        VideoError: the file does not exist, is no video, or is a folder or pattern of frames, which have no times.
    """
    if not path.exists():
        raise VideoError("no such file")
    if is_frames(path):
        raise VideoError("files of single frames have no times; expected a video file")
    file = PacketFile(path, max_pixels=max_pixels)
    try:
        if not file.index.packets.size:
            raise VideoError(f"{path}: none of its frames can be decoded")
        return FrameTimes(file.index.seconds, file.index.end_seconds)
    finally:
        file.close()
