"""Optical flow on a CPU: how long and how exact, and whether extracting a folder keeps the cores busy.

    OMP_NUM_THREADS=1 python benchmarks/flow.py [--rounds 5]    # methods, 256 × 340, one thread
    python benchmarks/flow.py --extract                         # 20 clips of 64 frames, all cores

Three pairs of pictures are drawn whose flow is known: turned by 2° and enlarged by 2 %; moved by a smooth field of up
to 8 pixels; and a square that moves by 6 pixels over a ground that moves by 1. The methods take turns; `ratio` is the
median over the rounds of the time of OpenCV's TV-L1 with the same pyramid, warps and iterations over a method's time in
the same round. Errors are mean distances in pixels, 16 pixels from the edges.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from kinesics.data.extract_flow import extract_flow
from kinesics.data.puppets import PuppetSettings, make_puppets
from kinesics.flow.methods import Estimator, Gray, dis, farneback, pairs_at_once, tvl1, tvl1_by_opencv
from kinesics.flow.tvl1 import TVL1Settings, compiled_step

HEIGHT, WIDTH, EDGE = 256, 340, 16
Field = npt.NDArray[np.float32]
Pair = tuple[Gray, Gray, Field]


def texture(seed: int) -> npt.NDArray[np.float32]:
    """(H, W) 0 to 255, with detail of 2 to 16 pixels."""
    random = np.random.default_rng(seed)
    layers = [
        side * cv2.resize(random.standard_normal((HEIGHT // side, WIDTH // side)), (WIDTH, HEIGHT), interpolation=2)
        for side in (2, 4, 8, 16)
    ]
    found = sum(layers[1:], layers[0])
    return np.asarray(255 * (found - found.min()) / np.ptp(found), dtype=np.float32)


def fetched(picture: npt.NDArray[np.float32], field: Field) -> npt.NDArray[np.float32]:
    """Each pixel from where the field says."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    places = (x + field[..., 0]).astype(np.float32), (y + field[..., 1]).astype(np.float32)
    return cv2.remap(picture, *places, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)


def whole(picture: npt.NDArray[np.float32]) -> Gray:
    """Rounded to what a file holds."""
    return np.asarray(picture.round().clip(0, 255), dtype=np.uint8)


def pairs() -> dict[str, Pair]:
    """First picture, second picture, flow: what the second shows at x + flow(x) the first shows at x."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    angle, scale = np.deg2rad(2), 1.02
    from_x, from_y = x - WIDTH / 2, y - HEIGHT / 2
    turned = np.stack(
        [
            scale * (np.cos(angle) * from_x - np.sin(angle) * from_y) - from_x,
            scale * (np.sin(angle) * from_x + np.cos(angle) * from_y) - from_y,
        ],
        axis=-1,
    )
    smooth = 8 * np.stack([np.sin(2 * np.pi * y / HEIGHT), np.cos(2 * np.pi * x / WIDTH)], axis=-1) / np.sqrt(2)
    found = {
        name: (whole(fetched(texture(seed), field)), whole(texture(seed)), field.astype(np.float32))
        for seed, (name, field) in enumerate({"turned": turned, "smooth": smooth}.items())
    }
    ground, thing = texture(2), texture(3)
    field = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    field[..., 0] = 1
    first, second = np.roll(ground, -1, axis=1), ground.copy()
    first[90:160, 120:190] = second[90:160, 126:196] = thing[:70, :70]
    field[90:160, 120:190, 0] = 6
    return {**found, "object": (whole(first), whole(second), field)}


def methods() -> dict[str, tuple[Estimator, int]]:
    """The methods, and how many pairs each takes at a time."""
    at_once = pairs_at_once(HEIGHT, WIDTH)
    alike: Callable[[], Estimator] = lambda: tvl1_by_opencv(TVL1Settings())  # noqa: E731
    return {
        "tvl1 by OpenCV, same settings": (alike(), 1),
        "tvl1 by OpenCV, its own settings": (tvl1_by_opencv(), 1),
        "tvl1, a pair at a time": (tvl1(), 1),
        f"tvl1, {at_once} pairs at a time": (tvl1(), at_once),
        "dis": (dis(), 1),
        "farneback": (farneback(), 1),
    }


def compare(rounds: int) -> dict[str, Any]:
    """Time and error of each method."""
    cv2.setNumThreads(1)
    started = time.perf_counter()
    if compiled_step("cpu") is None:
        raise SystemExit("this machine cannot compile: there is nothing to compare")
    report: dict[str, Any] = {"compiling_s": round(time.perf_counter() - started, 1)}
    drawn, found = pairs(), methods()
    times: dict[str, list[float]] = {name: [] for name in found}
    for turn in range(rounds + 1):
        for name, (estimate, count) in list(found.items())[:: 1 if turn % 2 else -1]:
            first, second, _ = drawn["turned"]
            pictures = [np.stack([picture] * count) for picture in (first, second)]
            started = time.perf_counter()
            estimate(*pictures)
            times[name].append((time.perf_counter() - started) / count)
    base = next(iter(times.values()))[1:]
    for name, (estimate, _) in found.items():
        errors = {}
        for drawing, (first, second, field) in drawn.items():
            distance = np.linalg.norm(estimate(first[None], second[None])[0] - field, axis=-1)
            errors[drawing] = round(float(distance[EDGE:-EDGE, EDGE:-EDGE].mean()), 3)
        taken = times[name][1:]
        ratio = statistics.median(one / other for one, other in zip(base, taken, strict=True))
        report[name] = {"ms": round(1000 * statistics.median(taken), 1), "ratio": round(ratio, 2), "error": errors}
    return report


def cores_busy() -> tuple[float, float]:
    """Seconds that all cores were busy, and that there were, since the machine started. Linux only."""
    values = [float(value) for value in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(values) - values[3] - values[4]) / ticks, sum(values) / ticks


def extract() -> dict[str, Any]:
    """Flow of 20 clips by each method: seconds, frames a second, and how busy the cores were."""
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        classes = ("nod", "shake_head")
        data = make_puppets(
            Path(folder) / "set", PuppetSettings(size=128, clips_per_class=10, num_frames=64, classes=classes)
        )
        for method in ("tvl1", "dis"):
            busy, there = cores_busy()
            started = time.perf_counter()
            done = extract_flow(data, Path(folder) / method, method=method, short_side=256).done
            seconds = time.perf_counter() - started
            busy_after, there_after = cores_busy()
            report[method] = {
                "seconds": round(seconds, 1),
                "frames_per_second": round(sum(outcome.num_frames for outcome in done) / seconds, 1),
                "cores_busy_percent": round(100 * (busy_after - busy) / (there_after - there), 1),
            }
    return report


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--extract", action="store_true")
    flags = parser.parse_args()
    report = extract() if flags.extract else compare(flags.rounds)
    versions = {"torch": torch.__version__, "opencv": cv2.__version__, "threads": torch.get_num_threads()}
    print(json.dumps({**versions, **report}, indent=2))


if __name__ == "__main__":
    main()
