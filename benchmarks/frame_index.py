"""How long 8 frames of a 2 s part take, from recordings of 20 s, 320 s and an hour, with the frame index kept and not.

    python benchmarks/frame_index.py [--rounds 15]

The recordings are drawn here: 320 × 240, H.264 with B-frames, a key frame every 50. The parts are spread over the
recording, the same ones with and without; the two take turns. Each figure is the median of all rounds, in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from kinesics.video.reader import open_video

SECONDS = (20, 320, 3600)
RATE = 25
PART_SECONDS, NUM_FRAMES = 2.0, 8


def main() -> None:
    """Draw the recordings, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="parts that are read from each (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("| recording | kept, ms | not kept, ms |\n|---|---|---|")
    first = 0.0
    with tempfile.TemporaryDirectory() as name:
        for seconds in SECONDS:
            path = record(Path(name) / f"{seconds}.mp4", seconds)
            read(path, 0.0, Path(name) / "index")
            kept, anew = [], []
            for round_ in range(options.rounds):
                start = (seconds - PART_SECONDS) * (round_ + 0.5) / options.rounds
                kept.append(timed(path, start, Path(name) / "index"))
                anew.append(timed(path, start, None))
            first = first or statistics.median(kept)
            ratio = statistics.median(kept) / first
            print(f"| {seconds} s | {statistics.median(kept):.1f} ({ratio:.2f} ×) | {statistics.median(anew):.1f} |")


def record(path: Path, seconds: int) -> Path:
    """A recording in which a square goes round."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.gop_size, stream.max_b_frames = 50, 2
        stream.options = {"preset": "ultrafast", "bf": "2"}
        for number in range(seconds * RATE):
            frame = np.full((240, 320, 3), 90, np.uint8)
            x, y = int(140 + 120 * np.cos(number / 20)), int(100 + 90 * np.sin(number / 20))
            frame[y : y + 40, x : x + 40] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def read(path: Path, start: float, folder: Path | None) -> torch.Tensor:
    """8 frames, spread over a part."""
    reader = open_video(path, start_seconds=start, end_seconds=start + PART_SECONDS, index_folder=folder)
    frames = reader.frames_at(torch.linspace(0, reader.num_frames - 1, NUM_FRAMES).long())
    reader.close()
    return frames


def timed(path: Path, start: float, folder: Path | None) -> float:
    """Milliseconds that `read` takes."""
    began = time.perf_counter()
    read(path, start, folder)
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
