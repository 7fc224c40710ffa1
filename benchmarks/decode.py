"""How quickly sparse frames come out of a video, and whether memory stays flat.

    OMP_NUM_THREADS=1 python benchmarks/decode.py            # speed, about a minute
    OMP_NUM_THREADS=1 python benchmarks/decode.py --memory   # 10,000 clips, a few minutes

Clips are made here: 10 s, 30 frames a second, H.264 with a key frame every 12, a textured picture that moves, with
noise. All ways take turns in one process on one thread, opening and index included; the figures are medians.

sequence: PyAV decodes every frame, the 8 wanted ones are converted. torchcodec: its exact mode. ours: `open_video` and
`frames_at`. All three give the same 8 whole RGB frames.
Wanted: at 720p ours ≥ 3 × sequence and ≥ 0.95 × torchcodec, at 240p ≥ 0.8 × torchcodec; converting a 720p frame to
short side 256 in ≤ 0.4 ms, ≥ 40 dB from the exact form; memory grows by < 5 %.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from av.video.frame import VideoFrame

from kinesics.errors import UserError
from kinesics.video.convert import Converter, fit
from kinesics.video.reader import open_video
from kinesics.video.torchcodec import load_decoder

FPS, SECONDS, GOP = 30, 10, 12
SPARSE = [SECONDS * FPS * (2 * i + 1) // 16 for i in range(8)]
SHORT_SIDE = 256


def make_clip(path: Path, height: int, width: int, seconds: float = SECONDS, codec: str = "libx264") -> Path:
    """Encode a picture that moves about, with a ball and some noise."""
    chance = np.random.default_rng(0)
    texture = cv2.GaussianBlur(chance.integers(0, 255, (2 * height, 2 * width, 3), dtype=np.uint8), (0, 0), 3)
    texture = cv2.normalize(texture, texture, 0, 255, cv2.NORM_MINMAX)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", GOP
        for i in range(round(seconds * FPS)):
            x, y = int((1 + math.sin(i / 40)) * width / 3), int((1 + math.cos(i / 50)) * height / 3)
            picture = np.ascontiguousarray(texture[y : y + height, x : x + width])
            cv2.circle(picture, (width * (i % 100) // 100, height // 2), height // 6, (255, 80, 20), -1)
            picture = cv2.add(picture, chance.integers(0, 6, picture.shape, dtype=np.uint8))
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def in_sequence(path: Path) -> torch.Tensor:
    """The sparse frames by decoding them all."""
    convert, wanted, frames = Converter(resize=False), set(SPARSE), []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for i, frame in enumerate(container.decode(video=0)):
            if i in wanted:
                frames.append(torch.tensor(convert.rgb(frame, (frame.height, frame.width))))
    return torch.stack(frames)


def ours(path: Path, short_side: int | None = None) -> torch.Tensor:
    """The sparse frames by `open_video`."""
    reader = open_video(path, resize=short_side)
    frames = reader.frames_at(torch.tensor(SPARSE))
    reader.close()
    return frames.permute(0, 2, 3, 1)


def by_torchcodec(path: Path) -> torch.Tensor:
    """The sparse frames by torchcodec alone."""
    decoder = load_decoder()(str(path), seek_mode="exact", num_ffmpeg_threads=1, dimension_order="NHWC")
    return torch.as_tensor(decoder.get_frames_at(SPARSE).data)


def milliseconds(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each way; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def sparse(path: Path, rounds: int) -> dict[str, float]:
    """Times of the three ways, and how often ours is as quick as the others."""
    ways: dict[str, Callable[[], object]] = {
        "sequence": lambda: in_sequence(path),
        "ours": lambda: ours(path),
        f"ours, short side {SHORT_SIDE}": lambda: ours(path, SHORT_SIDE),
    }
    assert torch.equal(in_sequence(path), ours(path))
    try:
        load_decoder()
        ways["torchcodec"] = lambda: by_torchcodec(path)
        assert torch.equal(by_torchcodec(path), ours(path))
    except UserError as error:
        print(error)
    found = milliseconds(ways, rounds)
    ratios = {
        f"ours against {name}": found[name] / found["ours"] for name in ("sequence", "torchcodec") if name in found
    }
    return found | ratios


def conversion(path: Path, rounds: int) -> dict[str, float]:
    """Milliseconds a frame from decoded to RGB of the short side, in both forms, and the PSNR between them."""
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(40), strict=False)]
    size = fit(frames[0].height, frames[0].width, SHORT_SIDE)
    quick, exact = Converter(resize=True), Converter(resize=True, exact=True)
    found = milliseconds(
        {
            "convert": lambda: [quick.rgb(f, size) for f in frames],
            "convert, exact": lambda: [exact.rgb(f, size) for f in frames],
        },
        rounds,
    )
    error = np.mean([(quick.rgb(f, size).astype(float) - exact.rgb(f, size)) ** 2 for f in frames])
    return {name: value / len(frames) for name, value in found.items()} | {"PSNR, dB": 10 * math.log10(255**2 / error)}


def resident_bytes() -> int:
    """Memory of this process, as Linux counts it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def memory(folder: Path, num_clips: int) -> dict[str, float]:
    """How much this process grows over `num_clips` decoded clips of several kinds, after a warm-up."""
    paths = [
        make_clip(folder / "a.mp4", 240, 320, 2),
        make_clip(folder / "b.avi", 240, 320, 2, "mpeg4"),
        make_clip(folder / "c.mkv", 240, 426, 2),
        make_clip(folder / "d.webm", 120, 160, 1, "libvpx-vp9"),
    ]

    def decode(clips: int) -> None:
        for i in range(clips):
            reader = open_video(paths[i % 4], resize=112 + i % 3, start_seconds=0.1)
            reader.frames_at(torch.linspace(0, reader.num_frames - 1, 8).long())
            reader.close()

    decode(num_clips // 20)
    before = resident_bytes()
    decode(num_clips)
    after = resident_bytes()
    return {
        "clips": num_clips,
        "MiB before": before / 2**20,
        "MiB after": after / 2**20,
        "grown, %": 100 * (after / before - 1),
    }


def main() -> None:
    """Print a Markdown table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often every way is timed")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    parser.add_argument("--clips", type=int, default=10_000, help="clips to decode for --memory")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    av.logging.set_level(av.logging.PANIC)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.memory:
            columns = {"memory": memory(folder, arguments.clips)}
        else:
            large = make_clip(folder / "720.mp4", 720, 1280)
            small = make_clip(folder / "240.mp4", 240, 320)
            columns = {
                "720p": sparse(large, arguments.rounds) | conversion(large, arguments.rounds),
                "240p": sparse(small, arguments.rounds) | conversion(small, arguments.rounds),
            }
    print(f"| ms, 8 of {SECONDS * FPS} frames | {' | '.join(columns)} |" if not arguments.memory else "| | memory |")
    print(f"|---|{'---|' * len(columns)}")
    for row in next(iter(columns.values())):
        print(f"| {row} | {' | '.join(f'{column[row]:.2f}' for column in columns.values())} |")
    rounded = {name: {row: round(value, 3) for row, value in column.items()} for name, column in columns.items()}
    print(json.dumps({"benchmark": "decode", **rounded}))


if __name__ == "__main__":
    main()
