"""Extract the optical flow of a manifest's videos: one file per video, on all cores, also where single videos fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from kinesics.data.manifest import read_manifest
from kinesics.devices import check_device, num_cores
from kinesics.errors import KinesicsError, UserError
from kinesics.files import remove_unfinished, write_json
from kinesics.flow.flow_folder import FlowFolder, FlowSettings
from kinesics.flow.live import flow_between
from kinesics.flow.methods import Gray, Method, grey, pairs_at_once
from kinesics.progress import Listener
from kinesics.values import VideoItem, VideoReader
from kinesics.version import __version__
from kinesics.video.flow_file import STILL, FlowInfo, quantised, write_flow
from kinesics.video.reader import open_video
from kinesics.workers.limits import Limits
from kinesics.workers.pool import Alive, WorkerError, WorkerPool

REPORT = "flow.report.json"
FlowDevice = Literal["auto", "cpu", "cuda"]
CHUNK = 32
"""Frames decoded at a time."""


@dataclass(frozen=True)
class FlowOutcome:
    """The result for one video. unwarped: frames of a warped file that hold the plain flow, without a homography."""

    id: str
    num_frames: int = 0
    unwarped: int = 0
    error: str = ""


@dataclass(frozen=True)
class FlowReport:
    """The results for all videos. done: those of this call; kept: the number that existed before."""

    folder: Path
    done: tuple[FlowOutcome, ...]
    kept: int

    @property
    def failed(self) -> tuple[FlowOutcome, ...]:
        """The videos without flow, and why."""
        return tuple(outcome for outcome in self.done if outcome.error)

    def lines(self) -> list[str]:
        """The report as lines of text."""
        written = [outcome for outcome in self.done if not outcome.error]
        frames, unwarped = (sum(getattr(outcome, name) for outcome in written) for name in ("num_frames", "unwarped"))
        lines = [f"flow of {len(written)} videos, {frames} frames; {self.kept} existed before"]
        if unwarped:
            lines.append(f"{unwarped} frames have no estimated camera movement: they hold the plain flow")
        lines += [f"error: {outcome.id}: {outcome.error}" for outcome in self.failed]
        return [*lines, f"the flow is in {self.folder}, this report in {self.folder / REPORT}"]


def extract_flow(
    data: Path | str,
    out: Path | str,
    *,
    method: Method = "tvl1",
    bound: float = 20.0,
    short_side: int = 256,
    warp: bool = False,
    device: FlowDevice = "auto",
    num_workers: int | None = None,
    stall_seconds: float = 300.0,
    memory_gib: float = 8.0,
    listener: Listener | None = None,
) -> FlowReport:
    """Extract the optical flow of a manifest's videos.

    A file has as many flows as the video has frames; the last repeats the one before it. A video that cannot be
    decoded, ends its process, or gives no frame for `stall_seconds` is reported, and the work goes on.

    Args:
        data: The manifest.
        out: Folder for the flow, one file per video; existing files are kept.
        method: tvl1 is that of the papers; tvl1_opencv is OpenCV's with its own settings; dis is the fastest.
        bound: The largest movement that is kept, in pixels; larger movement is cut to it.
        short_side: Short side of the pictures that flow is computed on, in pixels.
        warp: Remove the camera's movement.
        device: Where tvl1 computes; auto uses a GPU where there is one.
        num_workers: How many videos at the same time; one per core by default.
        stall_seconds: After this time without a new frame a video is given up.
        memory_gib: Largest memory for one video, in GiB; no limit where a GPU computes.
        listener: Gets the messages and the progress of the work.

    Raises:
        UserError: no usable videos, no such device, a setting out of range, or `out` holds flow of other settings.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    settings, out = FlowSettings(method, bound, short_side, warp), Path(out)
    check_device(device)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    on_gpu = device == "cuda"  # a GPU driver needs much more address space than memory
    limits = Limits(timeout_seconds=0, stall_seconds=stall_seconds, memory_gib=0 if on_gpu else memory_gib)
    items = read_manifest(Path(data)).items()
    if not items:
        raise UserError(f"{data}: no usable videos; expected rows with the status ok, partial or none")
    folder = FlowFolder.make(out, settings)
    todo = [item for item in items if folder.problem(item.id)]
    listener = listener or Listener()
    listener.advance("flow", len(items) - len(todo), len(items))
    pool = WorkerPool(FlowTask(folder, device), num_workers or num_cores(), limits)
    outcomes: dict[str, FlowOutcome] = {}
    try:
        with closing(pool.results(todo, in_order=False)) as answers:
            for item, answer in answers:
                if isinstance(answer, KinesicsError):
                    where = f"{item.path}: " if isinstance(answer, WorkerError) else ""
                    answer = FlowOutcome(item.id, error=f"{where}{answer}")
                outcomes[item.id] = answer
                num_done = len(items) - len(todo) + len(outcomes)
                listener.advance("flow", num_done, len(items), Path(item.id).name)
    finally:
        for item in todo:  # left by a process that ended
            remove_unfinished(folder.file(item.id))
    report = FlowReport(out, tuple(outcomes[item.id] for item in todo), len(items) - len(todo))
    write_json(out / REPORT, {"kept": report.kept, "done": [asdict(o) for o in report.done]})
    return report


@dataclass(frozen=True)
class FlowTask:
    """The task of a worker: write the flow of one video."""

    folder: FlowFolder
    device: str

    def __call__(self, item: VideoItem, alive: Alive) -> FlowOutcome:
        return extract_one(item, self.folder.file(item.id), self.folder.settings, device=self.device, alive=alive)


def extract_one(
    item: VideoItem, path: Path, settings: FlowSettings, *, device: str = "cpu", alive: Alive = lambda num_frames: None
) -> FlowOutcome:
    """Write the flow of one video; `alive` is called for each frame. Raises VideoError where one cannot be decoded."""
    reader = open_video(
        item.path,
        resize=settings.short_side,
        start_seconds=item.start_seconds,
        end_seconds=item.end_seconds,
        fps=item.fps,
        salvage=item.is_partial,
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
        has_camera: list[bool] = []
        flows = flow_of(reader, settings, has_camera, device)
        write_flow(path, reporting_alive(flows, alive), info, fps=reader.fps)
    finally:
        reader.close()
    return FlowOutcome(item.id, info.num_frames, has_camera.count(False))


def reporting_alive(flows: Iterator[npt.NDArray[np.uint8]], alive: Alive) -> Iterator[npt.NDArray[np.uint8]]:
    """The same flows; `alive` is called for each."""
    for flow in flows:
        alive(1)
        yield flow


def flow_of(
    reader: VideoReader, settings: FlowSettings, has_camera: list[bool], device: str
) -> Iterator[npt.NDArray[np.uint8]]:
    """A quantised flow from each frame to the next; fills `has_camera` (warped flow): is there a homography?"""
    last = np.full((reader.height, reader.width, 2), STILL, dtype=np.uint8)
    at_once = pairs_at_once(reader.height, reader.width, device)
    for pictures in overlapping(gray_frames(reader), at_once + 1):
        flow_NHW2, pairs_with_camera = flow_between(pictures[:-1], pictures[1:], settings, device)
        has_camera += pairs_with_camera
        for flow in flow_NHW2:
            last = quantised(flow, settings.bound)
            yield last
    yield last


def overlapping(pictures: Iterator[Gray], length: int) -> Iterator[Gray]:
    """(H, W) each → (2 to `length`, H, W): runs of pictures; each starts with the last picture of the one before."""
    run: list[Gray] = []
    for picture in pictures:
        run.append(picture)
        if len(run) == length:
            yield np.stack(run)
            run = run[-1:]
    if len(run) > 1:
        yield np.stack(run)


def gray_frames(reader: VideoReader) -> Iterator[Gray]:
    """The frames in grey, (H, W) uint8, decoded CHUNK at a time."""
    for start in range(0, reader.num_frames, CHUNK):
        frames = reader.frames_at(torch.arange(start, min(start + CHUNK, reader.num_frames)))
        yield from grey(frames.permute(0, 2, 3, 1).numpy())
