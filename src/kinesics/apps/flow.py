"""Extract the optical flow of a manifest's videos: a file each, on all cores, whatever single videos do."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from kinesics.data.flow_folder import FlowFolder, FlowSettings
from kinesics.data.manifest import read_manifest
from kinesics.data.verify import num_cores
from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.files import write_text
from kinesics.flow.methods import Estimator, estimator
from kinesics.flow.warp import warped_flow
from kinesics.types import VideoItem, VideoReader
from kinesics.version import __version__
from kinesics.video.decode import open_video
from kinesics.video.flow_file import STILL, FlowInfo, quantised, write_flow

REPORT = "flow.report.json"
CHUNK = 32
"""Frames decoded at a time."""


@dataclass(frozen=True)
class FlowOutcome:
    """What became of one video. unwarped: frames of a warped file without a camera movement, with plain flow."""

    id: str
    num_frames: int = 0
    unwarped: int = 0
    error: str = ""


@dataclass(frozen=True)
class FlowReport:
    """What became of all of them. done: those of this call; kept: those that were there already."""

    folder: Path
    done: tuple[FlowOutcome, ...]
    kept: int

    @property
    def failed(self) -> tuple[FlowOutcome, ...]:
        """The videos without flow, and why."""
        return tuple(outcome for outcome in self.done if outcome.error)

    def lines(self) -> list[str]:
        """What to tell the user."""
        made = [outcome for outcome in self.done if not outcome.error]
        frames, unwarped = (sum(getattr(outcome, name) for outcome in made) for name in ("num_frames", "unwarped"))
        found = [f"flow of {len(made)} videos, {frames} frames; {self.kept} were there already"]
        if unwarped:
            found.append(f"{unwarped} frames show no camera movement to take out: they hold the plain flow")
        found += [f"error: {outcome.id}: {outcome.error}" for outcome in self.failed]
        return [*found, f"the flow is in {self.folder}, all of this in {self.folder / REPORT}"]


def extract_flow(
    data: Path | str,
    out: Path | str,
    settings: FlowSettings | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> FlowReport:
    """The flow from each frame to the next of every usable video of the manifest `data`, a file each in `out`.

    A file has as many flows as the video has frames; the last repeats the one before it. Videos whose file is there are
    not done again, and one that cannot be decoded, or ends its process, is reported and stops nothing else.

    Raises:
        UserError: no usable videos, or `out` holds flow of other settings.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    settings, out = settings or FlowSettings(), Path(out)
    estimator(settings.method)
    items = read_manifest(Path(data)).items()
    if not items:
        raise UserError(f"{data}: no usable videos")
    folder = FlowFolder.make(out, settings)
    todo = [item for item in items if folder.problem(item.id)]
    if progress:
        progress(len(items) - len(todo), len(items), "")
    outcomes: dict[str, FlowOutcome] = {}
    crew = Crew(folder)
    pool = ThreadPoolExecutor(max(1, min(workers or num_cores(), len(todo))))
    try:
        for future in as_completed([pool.submit(crew.extract, item) for item in todo]):
            outcome = future.result()
            outcomes[outcome.id] = outcome
            if progress:
                progress(len(items) - len(todo) + len(outcomes), len(items), Path(outcome.id).name)
    finally:
        crew.stop()
        pool.shutdown(cancel_futures=True)
    report = FlowReport(out, tuple(outcomes[item.id] for item in todo), len(items) - len(todo))
    write_text(
        out / REPORT, json.dumps({"kept": report.kept, "done": [asdict(o) for o in report.done]}, indent=2) + "\n"
    )
    return report


class Crew:
    """Processes that extract one video each, so that a file that ends its process ends nothing else."""

    def __init__(self, folder: FlowFolder) -> None:
        self.folder = folder
        quick = "forkserver" in multiprocessing.get_all_start_methods()
        self.context: Any = multiprocessing.get_context("forkserver" if quick else "spawn")
        if quick:
            self.context.set_forkserver_preload(["kinesics.apps.flow"])  # imported once, not once a video
        self.running: set[Any] = set()
        self.lock = threading.Lock()
        self.stopped = False

    def extract(self, item: VideoItem) -> FlowOutcome:
        """Run in a thread: start a process for the video and wait for its answer."""
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(target=work, args=(theirs, item, self.folder), daemon=True)
        with self.lock:
            if self.stopped:
                return FlowOutcome(item.id, error="stopped")
            process.start()
            self.running.add(process)
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError:
            answer = None
        process.join()
        with self.lock:
            self.running.discard(process)
        if isinstance(answer, KinesicsError) and not isinstance(answer, VideoError | UserError):
            raise answer  # the disk, not the video
        if isinstance(answer, FlowOutcome):
            return answer
        if answer is None:
            number = -(process.exitcode or 0)
            how = signal.Signals(number).name if number in set(signal.Signals) else f"exit code {-number}"
            return FlowOutcome(item.id, error=f"decoding it ended the process ({how})")
        return FlowOutcome(item.id, error=str(answer))

    def stop(self) -> None:
        """End what still runs."""
        with self.lock:
            self.stopped = True
            for process in self.running:
                process.kill()


def work(answer: Any, item: VideoItem, folder: FlowFolder) -> None:
    """What a process does: the flow of one video, and an outcome or an error for who waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        answer.send(extract_one(item, folder.file(item.id), folder.settings))
    except (KinesicsError, IndexError) as error:
        answer.send(error)


def extract_one(item: VideoItem, path: Path, settings: FlowSettings) -> FlowOutcome:
    """Write the flow of one video. Raises VideoError where a frame cannot be decoded."""
    reader = open_video(
        item.path,
        short_side=settings.short_side,
        start_seconds=item.start_seconds,
        end_seconds=item.end_seconds,
        fps=item.fps,
    )
    try:
        info = FlowInfo(
            id=item.id,
            method=settings.method,
            bound=settings.bound,
            height=reader.height,
            width=reader.width,
            num_frames=reader.num_frames,
            warped=settings.warp,
            version=__version__,
        )
        held: list[bool] = []
        flows = flow_of(reader, estimator(settings.method), settings, held)
        write_flow(path, flows, info, fps=reader.fps)
    finally:
        reader.close()
    return FlowOutcome(item.id, info.num_frames, held.count(False))


def flow_of(
    reader: VideoReader, estimate: Estimator, settings: FlowSettings, held: list[bool]
) -> Iterator[npt.NDArray[np.uint8]]:
    """A quantised flow for each frame, to the next; `held` gets whether the camera's movement was found."""
    flow = np.full((reader.height, reader.width, 2), STILL, dtype=np.uint8)
    before = None
    for picture in gray_frames(reader):
        if before is not None:
            if settings.warp:
                found, holds = warped_flow(before, picture, estimate)
                held.append(holds)
            else:
                found = estimate(before, picture)
            flow = quantised(found, settings.bound)
            yield flow
        before = picture
    yield flow


def gray_frames(reader: VideoReader) -> Iterator[npt.NDArray[np.uint8]]:
    """The frames in grey, (H, W) uint8, decoded some at a time."""
    for start in range(0, reader.num_frames, CHUNK):
        frames = reader.frames_at(torch.arange(start, min(start + CHUNK, reader.num_frames)))
        for frame in frames.permute(0, 2, 3, 1).numpy():
            yield np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
