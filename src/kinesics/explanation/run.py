"""Explain videos into a folder: a sheet, an annotated copy and the numbers of each, and what is inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kinesics.annotation.copies import CopyOrder, annotate_in_worker
from kinesics.errors import KinesicsError, UserError, VideoError, unknown
from kinesics.explanation.course import course, write_course
from kinesics.explanation.film import HeatPaint
from kinesics.explanation.heat_share import flow_motion, frame_motion, heat_share, share_sentence
from kinesics.explanation.methods import METHODS, How, enlarged, explain, stage_of
from kinesics.explanation.shown import Shown, label_number, show
from kinesics.explanation.views import View, chosen_views
from kinesics.files import atomic_path
from kinesics.inference.predictor import Predictor
from kinesics.plots.saliency import Floats, plot_saliency, scaled
from kinesics.video.files import distinct_stems


@dataclass(frozen=True)
class Wanted:
    """What is to be made of each video. label: None for the model's answer. view: see `views.chosen_views`.

    course: also the probability over the video's time, for clips of `window_seconds`.
    """

    method: str = "gradcam"
    label: str | None = None
    how: How = field(default_factory=How)
    view: str = "all"
    course: bool = False
    window_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        if self.how.stage is not None and not METHODS[self.method].uses_stage:
            staged = ", ".join(name for name, method in METHODS.items() if method.uses_stage)
            raise UserError(f"--stage: {self.method} looks at pixels, not at a stage; {staged} do")
        if self.window_seconds is not None and not self.window_seconds > 0:
            raise UserError(f"--window: wanted seconds above 0, found {self.window_seconds:g}")

    @property
    def caveat(self) -> str:
        """What the maps cannot say, in a sentence."""
        return f"Read {self.method} with care: {METHODS[self.method].caveat}."


@dataclass(frozen=True)
class Told:
    """What became of one video: sentences and files, or why there are none."""

    path: Path
    lines: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    error: str = ""


def explain_videos(predictor: Predictor, videos: Sequence[Path], out: Path, wanted: Wanted) -> Iterator[Told]:
    """A Told a video, in order, as they are done; one that cannot be decoded is told with the reason.

    Raises:
        UserError: a label, view or map of a stage that the model does not have; told before anything is done.
    """
    label_number(predictor, wanted.label)
    stage_of(wanted.method, predictor.model, wanted.how.stage)
    views = chosen_views(predictor.model, wanted.view)
    for path, stem in distinct_stems(videos).items():
        try:
            yield explain_video(predictor, path, out / stem, wanted, views)
        except VideoError as error:
            yield Told(path, error=str(error))


def explain_video(predictor: Predictor, path: Path, stem: Path, wanted: Wanted, views: Sequence[View]) -> Told:
    """Write STEM.METHOD.png, .mp4 and .npz, and STEM.VIEW.png and .npz of each view; STEM is a path without suffix."""
    shown = show(predictor, path, wanted.label)
    maps = explain(shown.question, wanted.method, wanted.how)
    if not bool(maps.isfinite().all()):
        raise KinesicsError(f"{path}: {wanted.method} came to numbers that are not finite")
    heat = scaled(enlarged(maps, (shown.question.num_steps, *maps.shape[1:])).numpy())
    sheet, film, table = (stem.with_name(f"{stem.name}.{wanted.method}.{kind}") for kind in ("png", "mp4", "npz"))
    stage = stage_of(wanted.method, predictor.model, wanted.how.stage)
    what = wanted.method + (f" at {stage}" if stage else "")
    motion = motion_of(shown)
    share = None if motion is None else heat_share(motion, heat)
    where = share_sentence(share)
    plot_saliency(
        shown.frames, heat, shown.seconds, shown.title(what), sheet, note=" ".join(filter(None, (where, wanted.caveat)))
    )
    plan = predictor.plan
    paint = HeatPaint(heat, shown.seconds, plan.resize, plan.size)
    annotate_in_worker(CopyOrder(path, shown.prediction, film, paint=paint))
    write_arrays(
        table,
        {
            "maps": maps.numpy(),
            "heat": heat,
            "seconds": np.asarray(shown.seconds),
            "frames": np.asarray(shown.prediction.frame_indices),
            "label": np.asarray(shown.label),
            "probability": np.asarray(shown.prediction.probability),
            "share": np.asarray(np.nan if share is None else share),
        },
    )
    lines, files = [*sentences(shown, heat), *filter(None, [where])], [sheet, film, table]
    for view in views:
        picture, numbers = (stem.with_name(f"{stem.name}.{view.name}.{kind}") for kind in ("png", "npz"))
        arrays = view.arrays(shown)
        view.picture(shown, arrays, picture)
        write_arrays(numbers, arrays)
        files += [picture, numbers]
    if wanted.course:
        picture, table, sentence = write_course(course(predictor, path, wanted.window_seconds), shown.label, stem)
        lines.append(sentence)
        files += [picture, table]
    return Told(path, tuple(lines), tuple(files))


def motion_of(shown: Shown) -> Floats | None:
    """(T, H, W): how much each place of the frames moves; None for a single frame."""
    if shown.flow is not None:
        return flow_motion(shown.flow)
    return frame_motion(shown.frames) if len(shown.frames) > 1 else None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def sentences(shown: Shown, heat: np.ndarray) -> list[str]:
    """What is explained, and when the most heat was."""
    probability = f"{shown.prediction.probability:.0%}"
    if shown.label == shown.answer:
        asked = f"Explained is {shown.label}, the model's answer, with a probability of {probability}."
    else:
        asked = (
            f"Explained is {shown.label}, with a probability of {probability}; the model's answer is {shown.answer}, "
            f"{shown.answer_probability:.0%}."
        )
    total = float(heat.sum())
    if total == 0:
        return [asked, f"Nothing in the clip speaks for {shown.label}: the maps are empty."]
    shares = heat.sum(axis=(1, 2)) / total
    step = int(shares.argmax())
    return [
        asked,
        f"The most heat is at {shown.seconds[step]:.2f} s: {shares[step]:.0%} of the clip's, where an even share of "
        f"{len(shares)} time steps is {1 / len(shares):.0%}.",
    ]
