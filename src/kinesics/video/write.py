"""Write frames to a video file that browsers play."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kinesics.errors import KinesicsError, UserError, unknown
from kinesics.files import atomic_path
from kinesics.video.sound import Sound

CODECS = ("libx264", "libopenh264", "mpeg4")
"""In the order in which they are tried. The first two are H.264. Browsers do not play the last; desktop players do."""

MATRIX_BT601 = 6  # AVCOL_SPC_SMPTE170M: also the default of readers that ignore the tag


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float = 25.0,
    codec: str | None = None,
    crf: int = 20,
    preset: str = "veryfast",
    tune: str | None = None,
    keyframe_every: int = 24,
    threads: int = 0,
    sound: Sound | None = None,
) -> int:
    """Write `frames` to `path` (.mp4), and return how many there are.

    frames: (H, W, 3) uint8 RGB, all of one size; a generator works too, one frame is held at a time.
    An odd height or width is made even by repeating the last row or column: 4:2:0 chroma has no odd sizes.
    The pictures are BT.601, limited range, with sRGB primaries, and tagged so: any reader gives the same colours back.
    codec: one of CODECS, by default the first that this build of PyAV has. crf: 0 (lossless) to 51; at 18 no difference
    from the source is visible. preset, tune: of x264. threads: 0 is one per core; the bytes of the file depend on it.
    sound: written with the frames, and ends with them.

    The file appears when it is complete; an error, also one of `frames`, leaves no file.

    Raises:
        UserError: there are no frames, their shape or type is wrong, or the fps, crf, codec or suffix is invalid.
        KinesicsError: the disk is full or the folder cannot be written.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise UserError(f"{path}: expected an fps above 0, found {fps}")
    if not 0 <= crf <= 51:
        raise UserError(f"{path}: expected a crf from 0 to 51, found {crf}")
    if path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
        raise UserError(f"{path}: expected a name that ends in .mp4, .m4v or .mov")
    name = available_codec() if codec is None else codec
    if name not in CODECS:
        raise unknown("video codec", name, CODECS)
    if name not in av.codecs_available:
        raise UserError(f"{path}: this build of PyAV has no codec {name}; leave codec out to use one that it has")
    checked = _checked(path, frames)
    first = next(checked, None)
    if first is None:
        raise UserError(f"{path}: no frames to write")
    options = {"preset": preset, "crf": str(crf)} | ({"tune": tune} if tune else {}) if name == "libx264" else {}
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = cast(VideoStream, container.add_stream(name, rate=_rate(fps), options=options))
        _configure(stream.codec_context, first.shape, keyframe_every, threads, crf)
        if sound:
            sound.add_to(container)
        return _encode(container, stream, first, checked, sound)


def available_codec() -> str:
    """The first of CODECS that this build of PyAV can write. Raises KinesicsError where there is none."""
    for name in CODECS:
        if name in av.codecs_available:
            return name
    raise KinesicsError(f"this build of PyAV writes none of {', '.join(CODECS)}; reinstall `av` from its wheel")


def _rate(fps: float) -> Fraction:
    """29.97 → 2997/100, 30000/1001 → itself."""
    return Fraction(fps).limit_denominator(1001)


def _checked(path: Path, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    shape: tuple[int, ...] | None = None
    for index, frame in enumerate(frames):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise UserError(
                f"{path}: frame {index}: expected uint8 (height, width, 3), found {frame.dtype} {frame.shape}"
            )
        if shape is not None and frame.shape != shape:
            raise UserError(f"{path}: frame {index}: expected {shape} like the frames before it, found {frame.shape}")
        shape = frame.shape
        yield frame


def _configure(context: Any, shape: tuple[int, ...], keyframe_every: int, threads: int, crf: int) -> None:
    height, width = shape[:2]
    context.height, context.width = height + height % 2, width + width % 2
    context.pix_fmt = "yuv420p"
    context.gop_size = keyframe_every
    context.thread_count = threads
    context.colorspace = MATRIX_BT601
    context.color_range = int(ColorRange.MPEG)
    context.color_primaries = int(ColorPrimaries.BT709)
    context.color_trc = int(ColorTrc.BT709)
    if context.name == "mpeg4":
        context.options = {"qmin": "1", "qmax": str(max(1, round(crf / 5)))}
    elif context.name == "libopenh264":
        context.bit_rate = int(context.width * context.height * 25 * 0.2 * 2 ** ((20 - crf) / 6))


def _encode(
    container: Any,
    stream: VideoStream,
    first: NDArray[np.uint8],
    rest: Iterator[NDArray[np.uint8]],
    sound: Sound | None,
) -> int:
    reformatter = VideoReformatter()
    odd = (first.shape[0] % 2, first.shape[1] % 2)
    count = 0
    frame: NDArray[np.uint8] | None = first
    while frame is not None:
        if any(odd):
            frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        picture = reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        picture.pts = count
        picture.time_base = 1 / stream.codec_context.framerate
        container.mux(stream.encode(picture))
        count += 1
        if sound:
            sound.write_until(container, count / float(stream.codec_context.framerate))
        frame = next(rest, None)
    container.mux(stream.encode(None))
    return count
