"""Annotated copies made in worker processes: a video that crashes or holds the decoder costs its copy alone."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from kinesics.annotation.annotate import Frame, Paint, annotate
from kinesics.errors import KinesicsError, VideoError
from kinesics.files import remove_unfinished
from kinesics.values import Prediction
from kinesics.workers.limits import Limits
from kinesics.workers.pool import Alive, WorkerError, WorkerPool

LIMITS = Limits(timeout_seconds=0)
"""A copy has no limit of time, since videos may be long; one without a new frame for `stall_seconds` is stopped."""


@dataclass(frozen=True)
class CopyOrder:
    """One copy to be made; the fields are the arguments of `annotate`."""

    video: Path
    prediction: Prediction
    out: Path
    fps: float | None = None
    paint: Paint | None = None


def write_copies(
    orders: Iterable[CopyOrder | None], num_workers: int = 1
) -> Generator[Path | KinesicsError | None, None, None]:
    """What became of each order, in their order: the file, the reason why there is none, or None for None."""
    for order, answer in WorkerPool(write_copy, num_workers, LIMITS).results(orders):
        if isinstance(answer, WorkerError) and order is not None:
            remove_unfinished(order.out)
            answer = VideoError(f"{order.video}: {answer}", answer.status)
        yield answer


def annotate_in_worker(order: CopyOrder) -> Path:
    """Make one copy. Raises what `annotate` does; VideoError too where the video ends its process."""
    (answer,) = write_copies([order])
    if isinstance(answer, KinesicsError):
        raise answer
    return order.out


def write_copy(order: CopyOrder | None, alive: Alive) -> Path | KinesicsError | None:
    """Make one copy, or say why there is none: the task of a worker."""
    if order is None:
        return None

    def paint(frame: Frame, seconds: float) -> Frame:
        alive(1)
        return order.paint(frame, seconds) if order.paint else frame

    try:
        return annotate(order.video, order.prediction, order.out, fps=order.fps, paint=paint)
    except KinesicsError as error:
        return error
