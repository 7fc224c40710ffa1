"""Previews of the clips of a report: a small video that browsers can play, and a picture of its middle frame."""

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
MAX_SECONDS = 10.0
"""A preview of a longer clip shows its beginning."""
MAX_FPS = 30.0
BATCH_SIZE = 64
FOLDER = "previews"
LIMITS = Limits(timeout_seconds=120.0)


@dataclass(frozen=True)
class Preview:
    """The paths of a preview and its picture, from the page; or the reason why there is none.

    seconds: the duration of the preview. whole: whether it shows all of the clip.
    """

    video: str = ""
    picture: str = ""
    seconds: float = 0.0
    whole: bool = True
    reason: str = ""


def write_previews(items: Sequence[VideoItem], out: Path, *, listener: Listener | None = None) -> dict[str, Preview]:
    """Write a preview of each clip to `out`/previews; gives them by the id of the clip.

    Previews of an earlier report are removed. The clips are decoded in worker processes. A clip that is missing or
    cannot be decoded gets a Preview with the reason.
    """
    folder = out / FOLDER
    for path in folder.glob("[0-9]" * 4 + ".*"):
        if path.suffix in (".mp4", ".jpg"):
            path.unlink()
    listener = listener or Listener()
    previews: dict[str, Preview] = {}
    tasks = [_Task(item, folder, f"{number:04d}") for number, item in enumerate(items)]
    with closing(WorkerPool(_run_task, num_cores(), LIMITS).results(tasks)) as results:
        for task, result in results:
            if isinstance(result, KinesicsError):
                for suffix in (".mp4", ".jpg"):
                    remove_unfinished(folder / f"{task.name}{suffix}")
                    (folder / f"{task.name}{suffix}").unlink(missing_ok=True)
                where = "" if isinstance(result, VideoError) else f"{task.item.path}: "
                result = Preview(reason=f"no preview: {where}{result}")
            previews[task.item.id] = result
            listener.advance("previews", len(previews), len(items), task.item.path.name)
    return previews


@dataclass(frozen=True)
class _Task:
    """The preview that a worker writes: FOLDER/NAME.mp4 and .jpg."""

    item: VideoItem
    folder: Path
    name: str


def _run_task(task: _Task, alive: Alive) -> Preview:
    """Write one preview, in a worker process."""
    return write_preview(task.item, task.folder, task.name, alive)


def write_preview(item: VideoItem, folder: Path, name: str, alive: Alive = lambda num_frames: None) -> Preview:
    """Write `folder`/NAME.mp4 and NAME.jpg. Raises VideoError if the clip cannot be decoded."""
    return salvaged_if_needed(lambda salvage: _write_preview(item, folder, name, salvage or item.is_partial, alive))


def _write_preview(item: VideoItem, folder: Path, name: str, salvage: bool, alive: Alive) -> Preview:
    reader = open_video(
        item.path,
        resize=SHORT_SIDE,
        start_seconds=item.start_seconds,
        end_seconds=item.end_seconds,
        fps=item.fps,
        salvage=salvage,
    )
    try:
        fps = even_rate(reader)
        step = max(1, math.ceil(fps / MAX_FPS - 0.05))
        num_frames = min(reader.num_frames, max(1, round(MAX_SECONDS * fps)))
        indices = torch.arange(0, num_frames, step)
        write_video(folder / f"{name}.mp4", frames_of(reader, indices, alive), fps=fps / step, crf=26)
        write_picture(next(frames_of(reader, indices[len(indices) // 2 :][:1])), folder / f"{name}.jpg")
        return Preview(
            video=f"{FOLDER}/{name}.mp4",
            picture=f"{FOLDER}/{name}.jpg",
            seconds=num_frames / fps,
            whole=num_frames == reader.num_frames,
        )
    finally:
        reader.close()


def frames_of(
    reader: VideoReader, indices: torch.Tensor, alive: Alive = lambda num_frames: None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames (H, W, 3) of a video one by one; they are decoded in batches."""
    for chunk in torch.split(indices, BATCH_SIZE):
        alive(len(chunk))
        for frame_CHW in reader.frames_at(chunk):
            yield frame_CHW.permute(1, 2, 0).numpy()


def write_picture(frame: NDArray[np.uint8], path: Path) -> None:
    """Write a frame (H, W, 3) RGB as a JPEG."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes())
