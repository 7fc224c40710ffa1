"""Short videos for the tests, with the number of each frame burned into its pixels as black and white squares."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

HEIGHT, WIDTH, SQUARE = 64, 128, 16
NUM_BITS = 16  # two rows of eight squares at the top; below them a moving pattern
EDGE_CASES = Path(__file__).parents[2] / "../shared/data/edge-cases"
CLIPS = Path(__file__).parents[2] / "../shared/data/clips"


def picture(number: int) -> npt.NDArray[np.uint8]:
    """(64, 128, 3) with `number` in it."""
    bits = np.array([number >> i & 1 for i in range(NUM_BITS)]).reshape(2, 8)
    squares = np.kron(bits, np.ones((SQUARE, SQUARE)))
    x = np.arange(WIDTH)
    below = 128 + 90 * np.sin((x[None] + 3 * number) / 9) * np.cos((np.arange(32)[:, None] - number) / 7)
    grey = np.concatenate([30 + 195 * squares, below])
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def numbers(frames_TCHW: Tensor) -> list[int]:
    """The number in each frame, at any size."""
    height, width = frames_TCHW.shape[-2:]
    rows = ((torch.arange(2) + 0.5) * SQUARE / HEIGHT * height).long()
    columns = ((torch.arange(8) + 0.5) * SQUARE / WIDTH * width).long()
    bits = frames_TCHW.float().mean(1)[:, rows][:, :, columns].flatten(1) > 127
    return [int(n) for n in (bits.long() << torch.arange(NUM_BITS)).sum(1)]


def numbered_video(
    path: Path,
    num_frames: int = 60,
    *,
    codec: str = "libx264",
    gop: int = 12,
    b_frames: int = 0,
    options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    pix_fmt: str = "yuv420p",
    muxer: dict[str, str] | None = None,
    sample_aspect_ratio: Fraction = Fraction(1),
) -> Path:
    """Encode frames 0 … num_frames - 1 to `path`. stamps: their times in `time_base`; by default one per unit."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=1 / time_base if stamps is None else 25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.gop_size, stream.max_b_frames = gop, b_frames
        stream.codec_context.time_base = time_base
        stream.options = options or {}
        stream.codec_context.thread_count = 1
        stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        for i, stamp in enumerate(range(num_frames) if stamps is None else stamps):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
