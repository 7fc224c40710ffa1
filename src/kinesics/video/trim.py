"""The frames of a part of a video, from one time to another."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinesics.errors import VideoError

TOLERANCE_SECONDS = 1e-3
"""A frame up to this much before `start_seconds` is still inside, and one before `end_seconds` is already outside.
Times in tables are rounded, mostly to milliseconds, and frames are much further apart."""


@dataclass(frozen=True)
class Part:
    """The frames of a part of a video, and how long they last."""

    frames: slice
    seconds: float


def part_of(
    path: Path,
    seconds: npt.NDArray[np.float64],
    last_end: float,
    start_seconds: float | None,
    end_seconds: float | None,
) -> Part:
    """The frames from `start_seconds` on and before `end_seconds`; `seconds` are the times of all frames.

    part_of(path, 0 .1 .2 .3, .4, .1, .3) → frames 1 and 2

    Raises:
        VideoError: there is no such frame (`no_frames`).
    """
    first = 0 if start_seconds is None else bisect_left(seconds, start_seconds - TOLERANCE_SECONDS)
    stop = len(seconds) if end_seconds is None else bisect_left(seconds, end_seconds - TOLERANCE_SECONDS)
    if first >= stop:
        since = "the start" if start_seconds is None else f"{start_seconds:g} s"
        until = "the end" if end_seconds is None else f"{end_seconds:g} s"
        raise VideoError(f"{path}: no frame between {since} and {until}; it lasts {last_end:.3f} s", "no_frames")
    end = seconds[stop] if stop < len(seconds) else last_end
    return Part(slice(first, stop), float(end - seconds[first]))
