"""What a model looks at of each video, decoded in processes that a broken file may kill.

A PyTorch DataLoader is of no use here: when one of its workers dies it raises wherever the main thread happens to be,
and does not know of which file the worker died. Here the file is known, named and left out, and the rest goes on.
Clips come back through pipes, so that /dev/shm need not hold them.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import crop_views, read_clip
from kinesics.errors import UserError, VideoError
from kinesics.flow.flow_folder import FlowSettings
from kinesics.flow.live import LiveFlow
from kinesics.values import VideoItem, VideoReader
from kinesics.video.frame_files import MemoryReader
from kinesics.video.view_plan import ViewPlan
from kinesics.workers.crew import how_it_ended

VIEWS_AHEAD = 8
"""About how many views a process may be ahead of what the model has asked for."""


@dataclass(frozen=True)
class Look:
    """The views (V, T, C, H, W) uint8 of one video, and the frames of its first clip with their times."""

    views: npt.NDArray[np.uint8]
    frame_indices: tuple[int, ...]
    frame_seconds: tuple[float, ...]


def look(item: VideoItem, plan: ViewPlan, flow: FlowSettings | None = None) -> Look:
    """What `plan` shows of a video, or of its flow. Raises VideoError where it cannot be decoded."""
    clip, indices, seconds = read_clip(item, plan.resize, lambda n: plan.frame_indices(n).flatten(0, 1), flow)
    first = slice(0, len(indices) // plan.num_clips)
    return Look(
        crop_views(clip, plan).numpy(),
        tuple(indices[first].flatten().tolist()),
        tuple(seconds[first].flatten().tolist()),
    )


def look_at_frames(
    frames: npt.NDArray[np.uint8] | Tensor, plan: ViewPlan, fps: float, flow: FlowSettings | None = None
) -> Look:
    """What `plan` shows of frames (T, H, W, 3) uint8 RGB, or of their flow. Raises UserError for other frames."""
    frames_THWC = torch.as_tensor(frames)
    shape = tuple(frames_THWC.shape)
    if frames_THWC.ndim != 4 or shape[3] != 3 or 0 in shape or frames_THWC.dtype != torch.uint8:
        raise UserError(f"wanted frames (T, H, W, 3) of uint8, found {shape} of {frames_THWC.dtype}")
    indices = plan.frame_indices(shape[0])
    reader: VideoReader = MemoryReader(frames_THWC, fps, flow.short_side if flow else None)
    if flow:
        reader = LiveFlow(reader, flow)
    stacked = reader.frames_at(indices.flatten())
    clip = torch.unflatten(stacked, 0, (indices[..., 0].numel(), indices.shape[-1])).flatten(1, 2)
    first = indices[0].flatten().tolist()
    return Look(crop_views(clip.contiguous(), plan).numpy(), tuple(first), tuple(index / fps for index in first))


def looks(
    items: Sequence[VideoItem],
    plan: ViewPlan,
    *,
    num_workers: int,
    limit_seconds: float,
    flow: FlowSettings | None = None,
) -> Iterator[Look | VideoError]:
    """What `plan` shows of each video, or of its flow, in order; for one that cannot be decoded, why.

    With `num_workers` 0 everything is decoded in this process, which a crash of the decoder then ends. Otherwise a file
    that crashes its process or takes longer than `limit_seconds` gives a VideoError too.
    """
    if not num_workers:
        yield from (_look_or_error(item, plan, flow) for item in items)
        return
    num_workers = min(num_workers, len(items))
    ahead = num_workers * max(1, min(4, VIEWS_AHEAD // plan.num_views))
    workers: list[_Worker] = []
    try:
        for _ in range(num_workers):
            workers.append(_Worker(plan, flow, limit_seconds))  # noqa: PERF401 - those that started must be stopped
        for index in range(-ahead, len(items)):
            if index >= 0:
                yield workers[index % num_workers].receive()
            if index + ahead < len(items):
                workers[(index + ahead) % num_workers].send(index + ahead, items[index + ahead])
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A process that decodes videos one after the other, and is started again when one of them ends it."""

    def __init__(self, plan: ViewPlan, flow: FlowSettings | None, limit_seconds: float) -> None:
        self.plan, self.flow = plan, flow
        self.limit_seconds = limit_seconds
        self.pending: dict[int, VideoItem] = {}
        self.failed: dict[int, VideoError] = {}
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context()
        self.current: Any = context.RawValue("q", -1)
        self.connection, inner = context.Pipe()
        self.process = context.Process(target=_work, args=(inner, self.plan, self.flow, self.current), daemon=True)
        self.process.start()
        inner.close()  # the worker's alone: its death ends the connection

    def send(self, index: int, item: VideoItem) -> None:
        """Ask for a video; the answers come in the order of the questions."""
        self.pending[index] = item
        try:
            self.connection.send((index, item))
        except OSError:
            return  # it has died, which `receive` will find and mend

    def receive(self) -> Look | VideoError:
        """The answer to the oldest open question."""
        while True:
            index = next(iter(self.pending))
            if index in self.failed:
                del self.pending[index]
                return self.failed.pop(index)
            answer = self._wait(index)
            if answer is not None:
                del self.pending[index]
                return answer
            self.stop()
            self.start()
            for other, item in list(self.pending.items()):
                if other not in self.failed:
                    self.send(other, item)

    def _wait(self, index: int) -> Look | VideoError | None:
        """The answer, or None where a video ended the process: it stands in `failed` then."""
        path = self.pending[index].path
        try:
            if self.connection.poll(self.limit_seconds):
                answer: Look | VideoError = self.connection.recv()
                return answer
            self.failed[index] = VideoError(f"{path}: not decoded within {self.limit_seconds:g} s", "timeout")
        except (EOFError, OSError):
            culprit = self.current.value if self.current.value in self.pending else index
            self.process.join()
            how, path = how_it_ended(self.process.exitcode), self.pending[culprit].path
            self.failed[culprit] = VideoError(f"{path}: decoding it ended the process ({how})", "error")
        return None

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(connection: Connection, plan: ViewPlan, flow: FlowSettings | None, current: Any) -> None:
    """The worker's loop: videos in, looks out, with a thread that sends while the next is decoded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it stops its workers
    torch.set_num_threads(1)
    outbox: queue.SimpleQueue[Look | VideoError] = queue.SimpleQueue()
    threading.Thread(target=_send_all, args=(connection, outbox), daemon=True).start()
    while True:
        try:
            index, item = connection.recv()
        except (EOFError, OSError):
            return
        current.value = index
        outbox.put(_look_or_error(item, plan, flow))
        current.value = -1


def _send_all(connection: Connection, outbox: queue.SimpleQueue[Look | VideoError]) -> None:
    while True:
        try:
            connection.send(outbox.get())
        except OSError:
            return  # nobody listens any more


def _look_or_error(item: VideoItem, plan: ViewPlan, flow: FlowSettings | None) -> Look | VideoError:
    try:
        return look(item, plan, flow)
    except VideoError as error:
        return error
    except MemoryError:
        return VideoError(f"{item.path}: too large to be decoded in the memory that is left", "error")
