"""Small copies of the clips that a report shows: a video that browsers play, and a picture of its middle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from kinesics.annotation.annotate import even_rate
from kinesics.devices import num_cores
from kinesics.errors import KinesicsError, VideoError
from kinesics.files import atomic_path, remove_unfinished
from kinesics.progress import Listener
from kinesics.values import VideoItem, VideoReader
from kinesics.video.reader import open_video, salvaged_if_needed
from kinesics.video.write import write_video
from kinesics.workers.limits import Limits
from kinesics.workers.pool import Alive, WorkerPool

SHORT_SIDE = 160
MOST_SECONDS = 10.0
"""Of a longer clip the preview shows the beginning."""
MOST_RATE = 30.0
FRAMES_AT_ONCE = 64
FOLDER = "previews"
LIMITS = Limits(timeout_seconds=120.0)


@dataclass(frozen=True)
class Preview:
    """Where the small copy of a clip and its picture are, from the page; or why there are none.

    seconds: what it shows; whole: whether that is all of the clip.
    """

    video: str = ""
    picture: str = ""
    seconds: float = 0.0
    whole: bool = True
    reason: str = ""


def write_previews(items: Sequence[VideoItem], out: Path, *, listener: Listener | None = None) -> dict[str, Preview]:
    """A preview of each clip in `out`/previews, by the clip's id; those of an earlier report are removed.

    The clips are decoded in worker processes. One that is gone or cannot be decoded has the reason in the place of a
    preview.
    """
    folder = out / FOLDER
    for old in folder.glob("[0-9]" * 4 + ".*"):
        if old.suffix in (".mp4", ".jpg"):
            old.unlink()
    listener = listener or Listener()
    made: dict[str, Preview] = {}
    orders = [_Order(item, folder, f"{number:04d}") for number, item in enumerate(items)]
    with closing(WorkerPool(_write_ordered, num_cores(), LIMITS).results(orders)) as answers:
        for order, answer in answers:
            if isinstance(answer, KinesicsError):
                for suffix in (".mp4", ".jpg"):
                    remove_unfinished(folder / f"{order.name}{suffix}")
                    (folder / f"{order.name}{suffix}").unlink(missing_ok=True)
                where = "" if isinstance(answer, VideoError) else f"{order.item.path}: "
                answer = Preview(reason=f"no preview: {where}{answer}")
            made[order.item.id] = answer
            listener.advance("previews", len(made), len(items), order.item.path.name)
    return made


@dataclass(frozen=True)
class _Order:
    """A preview to be made: FOLDER/NAME.mp4 and .jpg."""

    item: VideoItem
    folder: Path
    name: str


def _write_ordered(order: _Order, alive: Alive) -> Preview:
    """The task of a worker."""
    return write_preview(order.item, order.folder, order.name, alive)


def write_preview(item: VideoItem, folder: Path, name: str, alive: Alive = lambda num_frames: None) -> Preview:
    """Write `folder`/NAME.mp4 and NAME.jpg. Raises VideoError where the clip cannot be decoded."""
    return salvaged_if_needed(lambda salvage: _write_preview(item, folder, name, salvage or item.is_partial, alive))


def _write_preview(item: VideoItem, folder: Path, name: str, salvage: bool, alive: Alive) -> Preview:
    reader = open_video(
        item.path,
        short_side=SHORT_SIDE,
        start_seconds=item.start_seconds,
        end_seconds=item.end_seconds,
        fps=item.fps,
        salvage=salvage,
    )
    try:
        rate = even_rate(reader)
        step = max(1, math.ceil(rate / MOST_RATE - 0.05))
        num_frames = min(reader.num_frames, max(1, round(MOST_SECONDS * rate)))
        shown = torch.arange(0, num_frames, step)
        write_video(folder / f"{name}.mp4", frames_of(reader, shown, alive), fps=rate / step, crf=26)
        write_picture(next(frames_of(reader, shown[len(shown) // 2 :][:1])), folder / f"{name}.jpg")
        return Preview(
            video=f"{FOLDER}/{name}.mp4",
            picture=f"{FOLDER}/{name}.jpg",
            seconds=num_frames / rate,
            whole=num_frames == reader.num_frames,
        )
    finally:
        reader.close()


def frames_of(
    reader: VideoReader, indices: torch.Tensor, alive: Alive = lambda num_frames: None
) -> Iterator[NDArray[np.uint8]]:
    """The frames (H, W, 3) of a video one by one; some of them are decoded at once."""
    for chunk in torch.split(indices, FRAMES_AT_ONCE):
        alive(len(chunk))
        for frame_CHW in reader.frames_at(chunk):
            yield frame_CHW.permute(1, 2, 0).numpy()


def write_picture(frame: NDArray[np.uint8], path: Path) -> None:
    """Write a frame (H, W, 3) RGB as a JPEG."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes())
