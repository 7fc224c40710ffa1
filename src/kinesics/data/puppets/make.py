"""Write puppets to disk: mp4 files and the manifest that lists them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kinesics.data.puppets.draw import draw_clip
from kinesics.data.puppets.settings import PuppetSettings
from kinesics.errors import UserError
from kinesics.files import read_text, write_json
from kinesics.progress import Listener
from kinesics.video.write import write_video

DRAWING = 2
"""The version of the drawing: it goes up when the same settings give other pictures; a folder never mixes versions."""

Job = tuple[PuppetSettings, str, int, Path]


def make_puppets(
    out: Path,
    settings: PuppetSettings,
    *,
    num_workers: int | None = None,
    listener: Listener | None = None,
) -> Path:
    """Draw every clip of `settings` into out/clips and list them in out/puppets.csv, whose path is returned.

    Columns of the list: label; group, the actor; split, the actor's, so that test bodies are never seen in training.
    num_workers: processes, by default one per core.
    Existing clips are kept, so an interrupted call goes on where it stopped.
    Your own script must call it under `if __name__ == "__main__":`, since the processes import the script.

    Raises:
        UserError: `out` holds puppets of other settings, or `num_workers` is below 1.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    from kinesics.data.manifest import Manifest, Row, write_manifest  # imported here, so that the workers need no torch

    if num_workers is not None and num_workers < 1:
        raise UserError(f"num_workers is {num_workers}; expected 1 or more")
    _store_settings(out, settings)
    jobs = [
        (settings, label, index, out / clip_path(label, index))
        for index in range(settings.clips_per_class)
        for label in settings.classes
    ]
    missing = [job for job in jobs if not job[3].is_file()]
    done, started = len(jobs) - len(missing), time.monotonic()
    listener = listener or Listener()
    listener.advance("drawing", done, len(jobs))
    for count, _ in enumerate(_run(missing, num_workers), start=1):
        speed = count / max(time.monotonic() - started, 1e-6)
        listener.advance("drawing", done + count, len(jobs), f"{speed:.0f} clips/s")
    rows = tuple(
        Row(
            path=clip_path(label, index),
            labels=(label,),
            split=settings.split_of(index),
            group=f"actor{index:04d}",
            status="ok",
            num_frames=settings.num_frames,
            fps=settings.fps,
        )
        for _, label, index, _ in jobs
    )
    manifest = out / "puppets.csv"
    write_manifest(Manifest(manifest, rows), manifest)
    return manifest


def clip_path(label: str, index: int) -> str:
    """The path of a clip from the folder of the manifest: clips/nod_0007.mp4."""
    return f"clips/{label}_{index:04d}.mp4"


def make_clip(job: Job) -> None:
    """Draw one clip and write its file."""
    settings, label, index, path = job
    write_clip(path, draw_clip(label, settings, index), settings.fps)


def write_clip(path: Path, frames_THWC: NDArray[np.uint8], fps: float) -> None:
    """Encode every frame alone.

    A frame that is predicted from earlier ones has traces of them, which show the direction of time.
    """
    write_video(path, frames_THWC, fps=fps, crf=18, preset="superfast", tune="zerolatency", keyframe_every=1, threads=1)


def _store_settings(out: Path, settings: PuppetSettings) -> None:
    """Write the settings to the folder, or check that the folder has the same settings."""
    stored = out / "puppets.json"
    values = {"drawing": DRAWING, **settings.to_dict()}
    if not stored.is_file():
        if any((out / "clips").glob("*.mp4")):
            raise UserError(
                f"{out / 'clips'}: holds videos and no {stored.name} with their settings; use another folder"
            )
        write_json(stored, values)
        return
    try:
        stored_values = json.loads(read_text(stored, "the settings of puppets"))
    except json.JSONDecodeError as error:
        raise UserError(f"{stored}:{error.lineno}: not JSON; expected the settings of puppets") from None
    if not isinstance(stored_values, dict):
        raise UserError(f"{stored}: expected the settings of puppets, found a {type(stored_values).__name__}")
    names = [name for name in {**values, **stored_values} if values.get(name) != stored_values.get(name)]
    if names:
        differences = ", ".join(f"{name} {stored_values.get(name)} there, {values.get(name)} here" for name in names)
        raise UserError(f"{out}: holds puppets of other settings ({differences}); use another folder or remove it")


def _run(jobs: list[Job], workers: int | None) -> Iterator[None]:
    """Do the jobs, yielding after each. A few jobs run in this process: starting others would take longer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(workers or cores, max(1, len(jobs) // 32))
    if count == 1:
        yield from map(make_clip, jobs)
        return
    # Spawned, since a fork of a process with threads (torch, OpenCV) can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        yield from pool.map(make_clip, jobs, chunksize=8)
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    cv2.setNumThreads(1)
