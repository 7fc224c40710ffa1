"""Decode every file whole, in processes that may crash or hang, and return the result for each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kinesics.data.journal import Journal, fingerprint
from kinesics.data.manifest import Row
from kinesics.devices import num_cores
from kinesics.errors import KinesicsError
from kinesics.progress import Listener
from kinesics.video.files import on_disk
from kinesics.video.integrity import Check
from kinesics.workers.limits import SECONDS_PER_MEGABYTE, Limits
from kinesics.workers.pool import Alive, WorkerError, WorkerPool

DECODE_WHOLE = "kinesics.video.integrity:decode_whole"


def verify(
    rows: Sequence[Row],
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    journal: Path | None = None,
    listener: Listener | None = None,
    check: str = DECODE_WHOLE,
) -> list[Check]:
    """The results of decoding the file of each row, in the order of the rows. Their paths are absolute.

    A file that crashes its process or needs too much memory gets the status `error`, and a file that takes too long
    gets `timeout`, with the reason. The work goes on in a new process. `limits.timeout_seconds` is processor time; each
    megabyte of a file and each decoded frame add to it. With a `journal`, files that are in it and have not changed are
    not decoded again. An interrupt ends the processes; the next call goes on from the journal. `check` names the
    function that decodes, as module:function.

    Raises:
        KinesicsError: the decoding processes do not start, or the journal cannot be written.
    """
    limits = limits or Limits()
    task = _DecodeFile(load_function(check), limits.max_pixels)
    results: dict[int, Check] = {}
    jobs: list[_Job] = []
    with Journal(journal, check, limits) as earlier:
        for index, row in enumerate(rows):
            key, num_bytes = fingerprint(row)
            if (before := earlier.get(key)) is not None:
                results[index] = before
            else:
                jobs.append(_Job(index, row, key, num_bytes))
        listener = listener or Listener()
        listener.advance("checking", len(results), len(rows))
        pool = WorkerPool(task, workers or num_cores(), limits, extra_seconds=_extra_seconds)
        with closing(pool.results(jobs, in_order=False)) as answers:
            for job, answer in answers:
                results[job.index] = _as_check(answer)
                earlier.add(job.key, results[job.index])
                listener.advance("checking", len(results), len(rows), on_disk(Path(job.row.path)).name)
    return [results[index] for index in range(len(rows))]


@dataclass(frozen=True)
class _Job:
    index: int
    row: Row
    key: str
    num_bytes: int


def _extra_seconds(job: _Job) -> float:
    return SECONDS_PER_MEGABYTE * job.num_bytes / 1e6


@dataclass(frozen=True)
class _DecodeFile:
    """The task of a worker process: decode the file of a job."""

    function: Callable[..., Check]
    max_pixels: int | None

    def __call__(self, job: _Job, alive: Alive) -> Check:
        row = job.row
        options = {} if self.max_pixels is None else {"max_pixels": self.max_pixels}
        return self.function(
            Path(row.path),
            start_seconds=row.start_seconds,
            end_seconds=row.end_seconds,
            fps=row.fps,
            alive=alive,
            **options,
        )


def load_function(name: str) -> Callable[..., Check]:
    """The function named `module:function`. Raises KinesicsError where it does not exist."""
    module, _, function = name.partition(":")
    try:
        function_object: Callable[..., Check] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise KinesicsError(f"check '{name}': {error}; expected module:function") from error
    return function_object


def _as_check(answer: Check | KinesicsError) -> Check:
    if isinstance(answer, Check):
        return answer
    status = answer.status if isinstance(answer, WorkerError) else "error"
    return Check(status, str(answer), num_frames=0, fps=0.0, height=0, width=0, seconds=0.0, digest="")
