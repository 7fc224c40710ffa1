"""How the answer changes over a video: the model's probabilities for clips that slide along it."""

from __future__ import annotations

import csv
import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import crop_views, read_clip, sent_part
from kinesics.errors import UserError
from kinesics.files import write_text
from kinesics.flow.flow_folder import FlowSettings
from kinesics.inference.decoding import ViewDecoder, run_for_video
from kinesics.inference.predictor import Predictor
from kinesics.inference.scorer import view_logits
from kinesics.plots.course import plot_course
from kinesics.values import VideoItem
from kinesics.video.open import MAX_PIXELS
from kinesics.video.reader import open_video
from kinesics.video.view_plan import ViewPlan
from kinesics.workers.pool import Alive

POINTS = 32
"""Clips along a video, at most."""
SHARE = 1 / 3
"""A clip's share of the video where no length is asked for."""
AT_ONCE = 4
OTHERS = 2
"""Labels that are drawn beside the one asked for."""


@dataclass(frozen=True)
class Course:
    """The probabilities (P, K) of clips along a video: where each begins and ends (P,), in seconds."""

    start_seconds: npt.NDArray[np.float64]
    end_seconds: npt.NDArray[np.float64]
    probs: npt.NDArray[np.float32]
    classes: tuple[str, ...]

    @property
    def middles(self) -> npt.NDArray[np.float64]:
        """The middle of each clip."""
        return (self.start_seconds + self.end_seconds) / 2

    def csv(self) -> str:
        """A line a clip, a column a class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["start_seconds", "end_seconds", *self.classes])
        for start, end, row in zip(self.start_seconds, self.end_seconds, self.probs, strict=True):
            writer.writerow([f"{start:.3f}", f"{end:.3f}", *(f"{value:.4f}" for value in row)])
        return text.getvalue()


def course(predictor: Predictor, path: Path, window_seconds: float | None = None) -> Course:
    """The course of a video, decoded once. window_seconds: the length of a clip, a third of the video by default.

    Each clip is looked at as the model's view plan looks at a whole video. The video is decoded in a worker process.

    Raises:
        UserError: a length that is not above zero. VideoError: the video cannot be decoded.
    """
    if window_seconds is not None and not window_seconds > 0:
        raise UserError(f"window_seconds is {window_seconds:g}; expected seconds above 0")
    plan = dataclasses.replace(predictor.plan, num_clips=1)
    item = VideoItem(str(path), path)
    extra_seconds = ViewDecoder(dataclasses.replace(plan, num_clips=POINTS), predictor.flow).extra_seconds(item)
    found = run_for_video(WindowDecoder(plan, predictor.flow, window_seconds), item, extra_seconds=extra_seconds)
    views = crop_views(torch.from_numpy(found.clips), dataclasses.replace(plan, num_clips=len(found.starts)))
    multi_label = predictor.contract.multi_label
    rows = []
    with torch.inference_mode():
        for part in torch.split(views, AT_ONCE * plan.crops):
            batch = torch.unflatten(part, 0, (-1, plan.crops)).to(predictor.device)
            logits = view_logits(predictor.scorer, batch, plan, multi_label=multi_label).cpu()
            rows.append(predictor.rule.probs(logits))
    begin = np.asarray(found.starts) / found.fps
    return Course(begin, begin + found.length / found.fps, torch.cat(rows).numpy(), predictor.classes)


@dataclass(frozen=True)
class Windows:
    """Clips (P, T, C, h, w) uint8 along a video: where each starts and their length, in frames."""

    clips: npt.NDArray[np.uint8]
    starts: list[int]
    length: int
    fps: float


@dataclass(frozen=True)
class WindowDecoder:
    """Decodes clips that slide along a video: the task of a worker. See `course`."""

    plan: ViewPlan
    flow: FlowSettings | None
    window_seconds: float | None

    def __call__(self, item: VideoItem, alive: Alive) -> Windows:
        """The clips of a video. Raises VideoError where it cannot be decoded."""
        reader = open_video(item.path, max_pixels=MAX_PIXELS)
        fps = reader.fps
        reader.close()
        starts: list[int] = []
        length = 0

        def indices(num_frames: int) -> Tensor:
            nonlocal starts, length
            starts, length = windows(num_frames, fps, self.window_seconds)
            return torch.cat([self.plan.frame_indices(length)[0] + start for start in starts])

        clip, found, _ = read_clip(item, self.plan.resize, indices, self.flow, MAX_PIXELS)
        alive(found.numel())
        parts = sent_part(clip, dataclasses.replace(self.plan, num_clips=len(starts)))
        return Windows(parts.numpy(), starts, length, fps)


def windows(num_frames: int, fps: float, window_seconds: float | None) -> tuple[list[int], int]:
    """Where clips begin, evenly from the first frame on, and their length, in frames.

    >>> windows(10, 10, 0.8)
    ([0, 1, 2], 8)
    """
    wanted = num_frames * SHARE if window_seconds is None else window_seconds * fps
    length = min(num_frames, max(1, round(wanted)))
    places = num_frames - length + 1
    return np.linspace(0, places - 1, min(places, POINTS)).round().astype(int).tolist(), length


def write_course(found: Course, label: str, stem: Path) -> tuple[Path, Path, str]:
    """Write STEM.course.png and STEM.course.csv; gives both and a sentence about the label's course."""
    picture, table = (stem.with_name(f"{stem.name}.course.{suffix}") for suffix in ("png", "csv"))
    number = found.classes.index(label)
    own = found.probs[:, number]
    order = [int(k) for k in np.argsort(-found.probs.max(axis=0)) if k != number][:OTHERS]
    window = float(found.end_seconds[0] - found.start_seconds[0])
    plot_course(
        found.middles.tolist(),
        {found.classes[k]: found.probs[:, k] for k in (number, *order)},
        f"{stem.name}: {label} over time",
        picture,
        note=f"each point is a clip of {window:.2f} s around it",
    )
    write_text(table, found.csv())
    best = int(own.argmax())
    sentence = (
        f"In clips of {window:.2f} s the probability of {label} goes from {own.min():.0%} to {own.max():.0%}; "
        f"it is highest around {found.middles[best]:.2f} s."
    )
    return picture, table, sentence
