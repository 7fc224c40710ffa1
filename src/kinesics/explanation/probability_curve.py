"""The answer over the time of a video: the model's probabilities for clips that slide along the video."""

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
from kinesics.plots.probability_curve import plot_probability_curve
from kinesics.values import VideoItem
from kinesics.video.open import MAX_PIXELS
from kinesics.video.reader import open_video
from kinesics.video.view_plan import ViewPlan
from kinesics.workers.pool import Alive

MAX_CLIPS = 32
DEFAULT_SHARE = 1 / 3
"""The length of a clip, as a share of the video, where no length is given."""
BATCH_SIZE = 4
NUM_OTHER_LABELS = 2
"""How many labels are drawn beside the explained one."""


@dataclass(frozen=True)
class ProbabilityCurve:
    """The probabilities (P, K) of P clips along a video, and where each clip begins and ends (P,), in seconds."""

    start_seconds: npt.NDArray[np.float64]
    end_seconds: npt.NDArray[np.float64]
    probs: npt.NDArray[np.float32]
    classes: tuple[str, ...]

    @property
    def middle_seconds(self) -> npt.NDArray[np.float64]:
        """(P,): the middle of each clip."""
        return (self.start_seconds + self.end_seconds) / 2

    def csv(self) -> str:
        """The text of a CSV file: one line per clip, one column per class."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["start_seconds", "end_seconds", *self.classes])
        for start, end, row in zip(self.start_seconds, self.end_seconds, self.probs, strict=True):
            writer.writerow([f"{start:.3f}", f"{end:.3f}", *(f"{value:.4f}" for value in row)])
        return text.getvalue()


def probability_curve(predictor: Predictor, path: Path, window_seconds: float | None = None) -> ProbabilityCurve:
    """The probabilities over the time of a video. The video is decoded once, in a worker process.

    window_seconds: the length of a clip; None for a third of the video. The model's view plan is applied to each clip
    as it would be to a whole video, with one clip.

    Raises:
        UserError: the length is not above zero. VideoError: the video cannot be decoded.
    """
    if window_seconds is not None and not window_seconds > 0:
        raise UserError(f"window_seconds is {window_seconds:g}; expected seconds above 0")
    plan = dataclasses.replace(predictor.plan, num_clips=1)
    item = VideoItem(str(path), path)
    extra_seconds = ViewDecoder(dataclasses.replace(plan, num_clips=MAX_CLIPS), predictor.flow).extra_seconds(item)
    windows = run_for_video(WindowDecoder(plan, predictor.flow, window_seconds), item, extra_seconds=extra_seconds)
    views = crop_views(torch.from_numpy(windows.clips), dataclasses.replace(plan, num_clips=len(windows.starts)))
    multi_label = predictor.contract.multi_label
    probs = []
    with torch.inference_mode():
        for chunk in torch.split(views, BATCH_SIZE * plan.crops):
            batch = torch.unflatten(chunk, 0, (-1, plan.crops)).to(predictor.device)
            logits = view_logits(predictor.scorer, batch, plan, multi_label=multi_label).cpu()
            probs.append(predictor.rule.probs(logits))
    start_seconds = np.asarray(windows.starts) / windows.fps
    end_seconds = start_seconds + windows.length / windows.fps
    return ProbabilityCurve(start_seconds, end_seconds, torch.cat(probs).numpy(), predictor.classes)


@dataclass(frozen=True)
class Windows:
    """Clips (P, T, C, h, w) uint8 along a video. starts, length: where each starts and their length, in frames."""

    clips: npt.NDArray[np.uint8]
    starts: list[int]
    length: int
    fps: float


@dataclass(frozen=True)
class WindowDecoder:
    """Decodes clips that slide along a video: the task of a worker. See `probability_curve`."""

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
            starts, length = window_frames(num_frames, fps, self.window_seconds)
            return torch.cat([self.plan.frame_indices(length)[0] + start for start in starts])

        clip, frames, _ = read_clip(item, self.plan.resize, indices, self.flow, MAX_PIXELS)
        alive(frames.numel())
        clips = sent_part(clip, dataclasses.replace(self.plan, num_clips=len(starts)))
        return Windows(clips.numpy(), starts, length, fps)


def window_frames(num_frames: int, fps: float, window_seconds: float | None) -> tuple[list[int], int]:
    """The first frame of each window and the length of a window, in frames. The windows are evenly spaced.

    >>> window_frames(10, 10, 0.8)
    ([0, 1, 2], 8)
    """
    exact_length = num_frames * DEFAULT_SHARE if window_seconds is None else window_seconds * fps
    length = min(num_frames, max(1, round(exact_length)))
    num_starts = num_frames - length + 1
    return np.linspace(0, num_starts - 1, min(num_starts, MAX_CLIPS)).round().astype(int).tolist(), length


def write_curve(curve: ProbabilityCurve, label: str, stem: Path) -> tuple[Path, Path, str]:
    """Write STEM.course.png and STEM.course.csv; gives both paths and a sentence about the label's probability."""
    picture, table = (stem.with_name(f"{stem.name}.course.{suffix}") for suffix in ("png", "csv"))
    class_index = curve.classes.index(label)
    label_probs = curve.probs[:, class_index]
    order = np.argsort(-curve.probs.max(axis=0))
    others = [int(k) for k in order if k != class_index][:NUM_OTHER_LABELS]
    window_seconds = float(curve.end_seconds[0] - curve.start_seconds[0])
    plot_probability_curve(
        curve.middle_seconds.tolist(),
        {curve.classes[k]: curve.probs[:, k] for k in (class_index, *others)},
        f"{stem.name}: {label} over time",
        picture,
        note=f"each point is the middle of a clip of {window_seconds:.2f} s",
    )
    write_text(table, curve.csv())
    best = int(label_probs.argmax())
    sentence = (
        f"In clips of {window_seconds:.2f} s the probability of {label} is between {label_probs.min():.0%} and "
        f"{label_probs.max():.0%}; it is highest around {curve.middle_seconds[best]:.2f} s."
    )
    return picture, table, sentence
