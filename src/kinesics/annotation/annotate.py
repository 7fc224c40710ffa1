"""Copies of videos with the answer drawn in: label, probability, and a time line that shows the frames looked at.

All of it is at the bottom of the picture, because the heads that nod are at the top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from kinesics.errors import UserError
from kinesics.values import Prediction
from kinesics.video.reader import Reader, open_video, salvaged_if_needed
from kinesics.video.sound import sound_of
from kinesics.video.write import write_video

Frame = NDArray[np.uint8]
Color = tuple[int, int, int]
Paint = Callable[[Frame, float], Frame]
"""(frame, its time in seconds) → the frame with something laid over it."""

WHITE: Color = (255, 255, 255)
ACCENT: Color = (255, 193, 61)
GREY: Color = (150, 150, 150)
MIN_WIDTH, MIN_HEIGHT, MAX_SIDE = 320, 180, 3840
"""Smaller frames are enlarged by a whole number, so that text can be read; never beyond the largest side."""
SHADE = 90
"""How much of the picture shines through behind the text, of 256."""


def annotate(
    video: Path | str,
    prediction: Prediction,
    out: Path | str,
    *,
    fps: float | None = None,
    paint: Paint | None = None,
) -> Path:
    """Write to `out` (.mp4) a copy of a video with its prediction drawn in; gives `out`.

    All frames are kept, at their size (tiny ones enlarged) and at the rate that keeps the duration; where frames came
    at uneven times, the copy spaces them evenly. Of a damaged video the copy has the frames that can be decoded. The
    sound is kept. Labels above one half are shown, or the best one. The line below them is the video's time; a tick
    marks each moment that the model saw and lights up when it is passed. Memory does not grow with the video's length.

    Args:
        video: A video, a folder of frames or a frame pattern.
        prediction: What is drawn in.
        out: The copy, an .mp4 file.
        fps: Frames per second of a folder of frames.
        paint: What is done to each frame before it is enlarged and written on.

    Raises:
        UserError: `out` is the video itself or no .mp4.
        VideoError: the video cannot be decoded; nothing is written.
    """
    video, out = Path(video), Path(out)
    if out.resolve() == video.resolve():
        raise UserError(f"{out}: is the video itself; name another file for the annotated copy")
    salvaged_if_needed(lambda salvage: _write_copy(video, prediction, out, fps, paint, salvage))
    return out


def _write_copy(
    video: Path, prediction: Prediction, out: Path, fps: float | None, paint: Paint | None, salvage: bool
) -> None:
    reader = open_video(video, fps=fps, exact=True, salvage=salvage)
    sound = sound_of(video)
    try:
        write_video(out, drawn(reader, prediction, paint), fps=even_rate(reader), sound=sound)
    finally:
        reader.close()
        if sound:
            sound.close()


def even_rate(reader: Reader) -> float:
    """Frames a second that keep the duration: the stream's own unless that is wrong by more than 2 %."""
    if reader.duration_seconds <= 0:
        return reader.fps
    rate = reader.num_frames / reader.duration_seconds
    return reader.fps if abs(rate / reader.fps - 1) <= 0.02 else rate


def drawn(reader: Reader, prediction: Prediction, paint: Paint | None = None) -> Iterator[Frame]:
    """All frames of a video, (H, W, 3) each, painted over if asked for, with the prediction drawn in."""
    times = reader.seconds_at(torch.arange(reader.num_frames)).tolist()
    ends = times[0], times[-1]
    ticks = [share(seconds, ends) for seconds in prediction.frame_seconds]
    banner = None
    for picture, now in zip(reader.in_order(), times, strict=True):
        frame = np.array(picture)  # to draw on
        height, width = frame.shape[:2]
        factor = enlargement(height, width)
        banner = banner or make_banner(prediction, factor * height, factor * width)
        frame = paint(frame, now) if paint else frame
        if factor > 1:
            size = (factor * width, factor * height)
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        banner.put_on(frame)
        draw_timeline(frame, ticks, share(now, ends), banner.pad)
        yield frame


def share(seconds: float, ends: Sequence[float]) -> float:
    """Where a time lies between the first and the last frame, 0 to 1."""
    first, last = ends
    return min(1.0, max(0.0, (seconds - first) / (last - first))) if last > first else 0.0


def enlargement(height: int, width: int) -> int:
    """The whole number by which frames are enlarged: 1 except for tiny ones.

    >>> enlargement(64, 64), enlargement(720, 1280)
    (5, 1)
    """
    factor = math.ceil(max(MIN_WIDTH / width, MIN_HEIGHT / height))
    return max(1, min(factor, MAX_SIDE // max(height, width)))


@dataclass(frozen=True)
class Banner:
    """A strip of text for the foot of frames (H, W, 3): frame · gain / 256 + text, both (strip, W, 3) uint16."""

    gain: NDArray[np.uint16]
    text: NDArray[np.uint16]
    pad: int

    def put_on(self, frame: Frame) -> None:
        """Draw it onto a frame, in place."""
        strip = frame[-len(self.gain) :]
        height = len(strip)
        strip[:] = (strip * self.gain[-height:] // 256 + self.text[-height:]).astype(np.uint8)


def make_banner(prediction: Prediction, height: int, width: int) -> Banner:
    """Label to the left, probability to the right, room for the time line below them."""
    size = max(15, min(height, width) // 17)
    pad = max(5, size // 2)
    label, percent = texts(prediction)
    percent_width = text_width(percent, size)
    lines, label_size = fitted(label, size, width - 3 * pad - percent_width)
    strip = np.zeros((size + (len(lines) - 1) * round(1.2 * label_size) + 3 * pad, width, 3), np.uint8)
    base = pad + round(0.86 * size)
    put_text(strip, percent, (width - pad - percent_width, base), size, ACCENT)
    for number, line in enumerate(lines):
        put_text(strip, line, (pad, base + round(1.2 * number * label_size)), label_size, WHITE)
    mask = strip.max(axis=2, keepdims=True).astype(np.uint16)
    gain = np.repeat(SHADE * (255 - mask) // 255, 3, axis=2)
    return Banner(gain, strip.astype(np.uint16), pad)


def texts(prediction: Prediction) -> tuple[str, str]:
    """What is written: ("nod", "93 %"), or all labels above one half: ("nod · wave", "93 · 71 %").

    Where the answer is rejected: ("none of these (nod?)", "31 %").
    """
    label = f"{prediction.label} ({prediction.labels[0]}?)" if prediction.rejected else prediction.label
    shown = prediction.over_half or ((label, prediction.probability),)
    return " · ".join(name for name, _ in shown), " · ".join(
        f"{probability:.0%}"[:-1] for _, probability in shown
    ) + " %"


def fitted(text: str, size: int, width: int) -> tuple[list[str], int]:
    """The text in a line at the largest size that fits, down to 0.7 of it; else in two, cut where even they are short.

    A small picture of 300 pixels: (["Putting something into something"], 14), or
    (["Pretending to put something behind", "something else"], 12).
    """
    smallest = max(12, round(0.7 * size))
    while size > smallest and text_width(text, size) > width:
        size -= 1
    if text_width(text, size) <= width:
        return [text], size
    words = text.split()
    count = len(words) - 1
    while count > 0 and text_width(" ".join(words[:count]), size) > width:
        count -= 1
    lines = [" ".join(words[:count]), " ".join(words[count:])] if count > 0 else [text]
    return [*lines[:-1], cut(lines[-1], size, width)], size


def cut(text: str, size: int, width: int) -> str:
    """The text, with "…" in the place of what goes beyond a width."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def draw_timeline(frame: Frame, ticks: Sequence[float], now: float, pad: int) -> None:
    """The video's time as a line at the foot of a frame, up to `now` white, with a tick for each frame looked at."""
    height, width = frame.shape[:2]
    y, length, thick = height - pad, width - 2 * pad - 1, max(2, pad // 4)

    def bar(start: float, end: float, half: int, color: Color) -> None:
        left, right = pad + round(start * length), pad + round(end * length)
        frame[max(0, y - half) : y + half + 1, left - thick // 2 : right + (thick + 1) // 2] = color

    bar(0, 1, thick // 4, GREY)
    bar(0, now, thick // 4, WHITE)
    for tick in ticks:
        bar(tick, tick, pad // 2, ACCENT if tick <= now else GREY)
    bar(now, now, pad - thick, WHITE)


def text_width(text: str, size: int) -> int:
    """Pixels that a text takes at a size."""
    return int(cv2.getTextSize((0, 0), text, (0, 0), face(), size, WEIGHT)[2])


def put_text(image: Frame, text: str, place: tuple[int, int], size: int, color: Color) -> None:
    """Write onto an image, in place; `place` is (x, y) of the left end of the letters' baseline."""
    cv2.putText(image, text, place, color, face(), size, WEIGHT)


WEIGHT = 600


def face() -> cv2.FontFace:
    """OpenCV's built-in sans serif, which knows Latin, Greek, Cyrillic, Arabic, Hebrew, Chinese, Japanese, Korean."""
    return cv2.FontFace("sans")
