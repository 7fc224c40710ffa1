"""The views of videos that a model is asked about, decoded in worker processes that a broken file may end."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import read_clip, sent_part
from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.flow.flow_folder import FlowSettings
from kinesics.flow.live import LiveFlow
from kinesics.values import VideoItem, VideoReader
from kinesics.video.frame_files import MemoryReader
from kinesics.video.open import MAX_PIXELS
from kinesics.video.view_plan import ViewPlan
from kinesics.workers.limits import Limits, seconds_for_file
from kinesics.workers.pool import Alive, Task, WorkerError, WorkerPool

Result = TypeVar("Result")
LIMITS = Limits(timeout_seconds=120.0)
"""What decoding the views of one video may cost where no other limits are given."""
SECONDS_PER_FLOW = 4.0
"""Processor time that each frame whose flow is computed adds to the limit."""
VIEWS_AHEAD = 8
"""About how many views a process may be ahead of what the model has asked for."""


@dataclass(frozen=True)
class DecodedViews:
    """What the views of one video are cut from, and the frames of its first clip with their times.

    clips: (num_clips, T, C, h, w) uint8, for `data.dataset.crop_views`.
    """

    clips: npt.NDArray[np.uint8]
    frame_indices: tuple[int, ...]
    frame_seconds: tuple[float, ...]


@dataclass(frozen=True)
class ViewDecoder:
    """Decodes the views that `plan` takes of videos, or of their flow: the task of a worker.

    max_pixels: height × width of the largest frame that is decoded.
    """

    plan: ViewPlan
    flow: FlowSettings | None = None
    max_pixels: int = MAX_PIXELS

    def __call__(self, item: VideoItem, alive: Alive = lambda num_frames: None) -> DecodedViews:
        """The views of one video. Raises VideoError where it cannot be decoded."""
        plan = self.plan
        clip, indices, seconds = read_clip(
            item, plan.resize, lambda n: plan.frame_indices(n).flatten(0, 1), self.flow, self.max_pixels
        )
        alive(indices.numel())
        first = slice(0, len(indices) // plan.num_clips)
        return DecodedViews(
            sent_part(clip, plan).numpy(),
            tuple(indices[first].flatten().tolist()),
            tuple(seconds[first].flatten().tolist()),
        )

    def extra_seconds(self, item: VideoItem) -> float:
        """Processor time for one video beyond the limit: for its size, and for its flow."""
        frames = self.plan.num_clips * self.plan.frame_indices(1)[0].numel()
        return seconds_for_file(item.path) + (SECONDS_PER_FLOW * frames if self.flow else 0.0)


def decode_frames(
    frames: npt.NDArray[np.uint8] | Tensor, plan: ViewPlan, fps: float, flow: FlowSettings | None = None
) -> DecodedViews:
    """What `plan` takes of frames (T, H, W, 3) uint8 RGB, or of their flow. Raises UserError for other frames."""
    frames_THWC = torch.as_tensor(frames)
    shape = tuple(frames_THWC.shape)
    if frames_THWC.ndim != 4 or shape[3] != 3 or 0 in shape or frames_THWC.dtype != torch.uint8:
        raise UserError(f"expected frames (T, H, W, 3) of uint8, found {shape} of {frames_THWC.dtype}")
    indices = plan.frame_indices(shape[0])
    reader: VideoReader = MemoryReader(frames_THWC, fps, flow.short_side if flow else None)
    if flow:
        reader = LiveFlow(reader, flow)
    stacked = reader.frames_at(indices.flatten())
    clip = torch.unflatten(stacked, 0, (indices[..., 0].numel(), indices.shape[-1])).flatten(1, 2)
    first = indices[0].flatten().tolist()
    return DecodedViews(sent_part(clip, plan).numpy(), tuple(first), tuple(i / fps for i in first))


def decode_many(
    items: Iterable[VideoItem], decoder: ViewDecoder, *, num_workers: int, limits: Limits = LIMITS
) -> Generator[tuple[VideoItem, DecodedViews | VideoError], None, None]:
    """Each video with its views, in order; where it cannot be decoded, with the reason.

    With `num_workers` 0 everything is decoded in this process, which a crash of the decoder then ends. Otherwise a file
    that crashes its process or reaches one of `limits` gives a VideoError too. Items are taken no more than a few ahead
    of what is asked for.
    """
    if not num_workers:
        for item in items:
            yield item, _decode_here(decoder, item)
        return
    num_ahead = num_workers * max(1, min(4, VIEWS_AHEAD // decoder.plan.num_views))
    pool = WorkerPool(decoder, num_workers, limits, extra_seconds=decoder.extra_seconds)
    with closing(pool.results(items, num_ahead=num_ahead)) as answers:
        for item, answer in answers:
            yield item, answer if isinstance(answer, DecodedViews) else video_error(item.path, answer)


def decode_one(item: VideoItem, decoder: ViewDecoder, limits: Limits = LIMITS) -> DecodedViews:
    """The views of one video, decoded in a worker process. Raises VideoError where it cannot be decoded."""
    return run_for_video(decoder, item, limits, decoder.extra_seconds(item))


def run_for_video(
    task: Task[VideoItem, Result], item: VideoItem, limits: Limits = LIMITS, extra_seconds: float = 0.0
) -> Result:
    """`task` of one video in a worker process. Raises VideoError where it fails, crashes or reaches a limit."""
    try:
        return WorkerPool(task, 1, limits, extra_seconds=lambda item: extra_seconds).run_one(item)
    except (WorkerError, UserError) as error:
        raise video_error(item.path, error) from None


def video_error(path: Path, error: KinesicsError) -> VideoError:
    """What a worker found, as an error that names the file."""
    if isinstance(error, VideoError):
        return error
    return VideoError(f"{path}: {error}", error.status if isinstance(error, WorkerError) else "error")


def _decode_here(decoder: ViewDecoder, item: VideoItem) -> DecodedViews | VideoError:
    try:
        return decoder(item)
    except VideoError as error:
        return error
    except MemoryError:
        return VideoError(f"{item.path}: needs more memory than there is", "error")
