"""Explain videos into a folder: a sheet, an annotated copy and the numbers of each, and what is inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from kinesics.annotation.copies import CopyOrder, annotate_in_worker
from kinesics.errors import KinesicsError, UserError, VideoError, unknown
from kinesics.explanation.course import course as course_of
from kinesics.explanation.course import write_course
from kinesics.explanation.film import HeatPaint
from kinesics.explanation.heat_share import flow_motion, frame_motion, heat_share, share_sentence
from kinesics.explanation.methods import METHODS, How, enlarged, stage_of
from kinesics.explanation.methods import explain as heat_maps
from kinesics.explanation.shown import Shown, label_number, show
from kinesics.explanation.views import View, chosen_views
from kinesics.files import atomic_path, check_writable
from kinesics.inference.predictor import Predictor, load_predictor
from kinesics.plots.saliency import Floats, plot_saliency, scaled
from kinesics.progress import Listener
from kinesics.runs.model_file import find_model
from kinesics.video.files import distinct_stems, find_videos


@dataclass(frozen=True)
class Asked:
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
            raise UserError(f"stage: {self.method} looks at pixels, not at a stage; {staged} do")
        if self.window_seconds is not None and not self.window_seconds > 0:
            raise UserError(f"window_seconds is {self.window_seconds:g}; expected seconds above 0")

    @property
    def caveat(self) -> str:
        """What the maps cannot say, in a sentence."""
        return f"Read {self.method} with care: {METHODS[self.method].caveat}."


@dataclass(frozen=True)
class Explained:
    """What became of one video: sentences and files, or why there are none."""

    path: Path
    lines: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    error: str = ""


def explain(
    run: Path | str,
    videos: Sequence[Path | str],
    out: Path | str,
    *,
    method: str = "gradcam",
    label: str | None = None,
    stage: str | None = None,
    baseline: Literal["grey", "still"] = "grey",
    view: str = "all",
    course: bool = False,
    window_seconds: float | None = None,
    device: str = "auto",
    listener: Listener | None = None,
) -> Iterator[Explained]:
    """Show where and when a model looked: heat maps over the frames of videos.

    Gives what became of each video, in order, as they are done.

    Args:
        run: The run, or a folder with a model.
        videos: Video files, folders of frames, or folders of videos.
        out: Folder for the pictures, the annotated copies and the numbers.
        method: gradcam, gradcam++, cam, guided-gradcam, integrated-gradients or occlusion: see docs/explain.md.
        label: The class to explain; by default the model's answer.
        stage: Whose features the map is made of, layer2 to layer5; by default the one measured for the backbone.
        baseline: What integrated-gradients and occlusion hold a clip against: grey, or its mean frame (still).
        view: Looks inside the system: all that it has, none, or one by name (docs/explain.md lists them).
        course: Also the label's probability over the video's time.
        window_seconds: Length of the clips for that, in seconds; a third of the video by default.
        device: Where to compute.
        listener: Hears what is left out, and what the maps cannot say.

    Raises:
        UserError: no model, no videos, or a method, label, stage or view that it does not have.
    """
    listener, out = listener or Listener(), Path(out)
    asked = Asked(method, label, How(stage, baseline), view, course, window_seconds)
    check_writable(out)
    find_model(run)
    found = find_videos([Path(video) for video in videos])  # a wrong path is told before the model is loaded
    if found.others:
        listener.say(found.line())
    return explain_videos(load_predictor(run, device=device), found.videos, out, asked)


def explain_videos(predictor: Predictor, videos: Sequence[Path], out: Path, asked: Asked) -> Iterator[Explained]:
    """An Explained a video, in order, as they are done; one that cannot be decoded is told with the reason.

    Raises:
        UserError: a label, view or map of a stage that the model does not have; told before anything is done.
    """
    label_number(predictor, asked.label)
    stage_of(asked.method, predictor.model, asked.how.stage)
    views = chosen_views(predictor.model, asked.view)
    for path, stem in distinct_stems(videos).items():
        try:
            yield explain_video(predictor, path, out / stem, asked, views)
        except VideoError as error:
            yield Explained(path, error=str(error))


def explain_video(predictor: Predictor, path: Path, stem: Path, asked: Asked, views: Sequence[View]) -> Explained:
    """Write STEM.METHOD.png, .mp4 and .npz, and STEM.VIEW.png and .npz of each view; STEM is a path without suffix."""
    shown = show(predictor, path, asked.label)
    maps = heat_maps(shown.question, asked.method, asked.how)
    if not bool(maps.isfinite().all()):
        raise KinesicsError(f"{path}: {asked.method} came to numbers that are not finite")
    heat = scaled(enlarged(maps, (shown.question.num_steps, *maps.shape[1:])).numpy())
    sheet, film, table = (stem.with_name(f"{stem.name}.{asked.method}.{kind}") for kind in ("png", "mp4", "npz"))
    stage = stage_of(asked.method, predictor.model, asked.how.stage)
    what = asked.method + (f" at {stage}" if stage else "")
    motion = motion_of(shown)
    share = None if motion is None else heat_share(motion, heat)
    where = share_sentence(share)
    plot_saliency(
        shown.frames, heat, shown.seconds, shown.title(what), sheet, note=" ".join(filter(None, (where, asked.caveat)))
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
    if asked.course:
        picture, table, sentence = write_course(course_of(predictor, path, asked.window_seconds), shown.label, stem)
        lines.append(sentence)
        files += [picture, table]
    return Explained(path, tuple(lines), tuple(files))


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
