"""How quickly puppets are drawn and encoded: clips a second, in one process.

    OMP_NUM_THREADS=1 python benchmarks/puppets.py

The median of five rounds of five actors in all twelve classes, each round doing the three in turn. Wanted: 40 clips a
second and core at 64², drawn and encoded.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from kinesics.data.puppets import CLASSES, PuppetSettings, draw_clip
from kinesics.data.puppets.make import make_clip, write_clip

ROUNDS = 5
ACTORS = 5


def rate(work: Callable[[str, int], object]) -> float:
    """Clips a second of `work(label, actor)`."""
    started = time.perf_counter()
    for actor in range(ACTORS):
        for label in CLASSES:
            work(label, actor)
    return ACTORS * len(CLASSES) / (time.perf_counter() - started)


def measure(size: int) -> dict[str, float]:
    """Clips a second of drawing, of encoding and of both; the median of ROUNDS."""
    settings = PuppetSettings(size=size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        drawn = {(label, actor): draw_clip(label, settings, actor) for label in CLASSES for actor in range(ACTORS)}
        tasks: dict[str, Callable[[str, int], object]] = {
            "draw": lambda label, actor: draw_clip(label, settings, actor),
            "encode": lambda label, actor: write_clip(path, drawn[label, actor], settings.fps),
            "draw and encode": lambda label, actor: make_clip((settings, label, actor, path)),
        }
        rounds = [{name: rate(work) for name, work in tasks.items()} for _ in range(ROUNDS)]
    return {name: round(statistics.median(one[name] for one in rounds), 1) for name in tasks}


def main() -> None:
    """Print one line of JSON for each size."""
    cv2.setNumThreads(1)
    for size in (64, 128):
        print(json.dumps({"benchmark": "puppets", "size": size, "clips_per_second": measure(size)}))


if __name__ == "__main__":
    main()
