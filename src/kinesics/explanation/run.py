"""Write explanations of videos to a folder: a sheet of heat maps, an annotated copy, the numbers, visualizations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from kinesics.annotation.copies import CopyOrder, annotate_in_worker
from kinesics.errors import KinesicsError, UserError, VideoError, unknown
from kinesics.explanation.explained_clip import ExplainedClip, index_of_label, predict_clip
from kinesics.explanation.heat_overlay import HeatOverlay
from kinesics.explanation.heat_share import flow_motion, frame_motion, heat_share, share_sentence
from kinesics.explanation.methods import METHODS, MethodSettings, enlarged, stage_of
from kinesics.explanation.methods import explain as heat_maps
from kinesics.explanation.probability_curve import probability_curve, write_curve
from kinesics.explanation.visualizations import Visualization, chosen_visualizations
from kinesics.files import atomic_path, check_writable
from kinesics.inference.predictor import Predictor, load_predictor
from kinesics.plots.saliency import Floats, plot_saliency, scaled
from kinesics.progress import Listener
from kinesics.runs.model_file import find_model
from kinesics.video.files import distinct_stems, find_videos


@dataclass(frozen=True)
class ExplainSettings:
    """What is written for each video. label: None for the model's answer. view: see `chosen_visualizations`.

    course: also write the probabilities over the time of the video, of clips of `window_seconds`.
    """

    method: str = "gradcam"
    label: str | None = None
    method_settings: MethodSettings = field(default_factory=MethodSettings)
    view: str = "all"
    course: bool = False
    window_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        if self.method_settings.stage is not None and not METHODS[self.method].uses_stage:
            names = ", ".join(name for name, method in METHODS.items() if method.uses_stage)
            raise UserError(f"stage: {self.method} uses pixels and has no stage; these methods have one: {names}")
        if self.window_seconds is not None and not self.window_seconds > 0:
            raise UserError(f"window_seconds is {self.window_seconds:g}; expected seconds above 0")

    @property
    def caveat(self) -> str:
        """One sentence on what the maps cannot show."""
        return f"Read {self.method} with care: {METHODS[self.method].caveat}."


@dataclass(frozen=True)
class Explanation:
    """The explanation of one video: sentences to print and the files that were written; or the error."""

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
) -> Iterator[Explanation]:
    """Show where and when a model looked: heat maps over the frames of videos.

    Yields one Explanation per video, in order, as soon as it is written.

    Args:
        run: The run, or a folder with a model.
        videos: Video files, folders of frames, or folders of videos.
        out: Folder for the pictures, the annotated copies and the numbers.
        method: gradcam, gradcam++, cam, guided-gradcam, integrated-gradients or occlusion: see docs/explain.md.
        label: The class to explain; by default the model's answer.
        stage: The features that the map is made of, layer2 to layer5; by default the one measured for the backbone.
        baseline: What integrated-gradients and occlusion compare a clip with: grey, or its mean frame (still).
        view: Pictures of what is inside the system: all, none, or one by name (docs/explain.md lists them).
        course: Also the label's probability over the time of the video.
        window_seconds: Length of the clips for that, in seconds; a third of the video by default.
        device: Where to compute.
        listener: Gets the messages.

    Raises:
        UserError: no model, no videos, or the model has no such method, label, stage or view.
    """
    listener, out = listener or Listener(), Path(out)
    settings = ExplainSettings(method, label, MethodSettings(stage, baseline), view, course, window_seconds)
    check_writable(out)
    find_model(run)
    files = find_videos([Path(video) for video in videos])  # report a wrong path before the model is loaded
    if files.others:
        listener.say(files.line())
    return explain_videos(load_predictor(run, device=device), files.videos, out, settings)


def explain_videos(
    predictor: Predictor, videos: Sequence[Path], out: Path, settings: ExplainSettings
) -> Iterator[Explanation]:
    """Yield one Explanation per video, in order; that of a video that cannot be decoded has the error.

    Raises:
        UserError: the model has no such label, view or map of a stage; raised before any video is decoded.
    """
    index_of_label(predictor, settings.label)
    stage_of(settings.method, predictor.model, settings.method_settings.stage)
    visualizations = chosen_visualizations(predictor.model, settings.view)
    for path, stem in distinct_stems(videos).items():
        try:
            yield explain_video(predictor, path, out / stem, settings, visualizations)
        except VideoError as error:
            yield Explanation(path, error=str(error))


def explain_video(
    predictor: Predictor, path: Path, stem: Path, settings: ExplainSettings, visualizations: Sequence[Visualization]
) -> Explanation:
    """Write STEM.METHOD.png, .mp4 and .npz, and STEM.VIEW.png and .npz of each visualization.

    stem: a path without suffix.
    """
    clip = predict_clip(predictor, path, settings.label)
    maps = heat_maps(clip.class_score, settings.method, settings.method_settings)
    if not bool(maps.isfinite().all()):
        raise KinesicsError(f"{path}: the maps of {settings.method} are not finite")
    heat = scaled(enlarged(maps, (clip.class_score.num_steps, *maps.shape[1:])).numpy())
    sheet, copy, table = (stem.with_name(f"{stem.name}.{settings.method}.{kind}") for kind in ("png", "mp4", "npz"))
    stage = stage_of(settings.method, predictor.model, settings.method_settings.stage)
    subject = settings.method + (f" at {stage}" if stage else "")
    motion = motion_of(clip)
    share = None if motion is None else heat_share(motion, heat)
    share_line = share_sentence(share)
    note = " ".join(filter(None, (share_line, settings.caveat)))
    plot_saliency(clip.frames, heat, clip.seconds, clip.title(subject), sheet, note=note)
    plan = predictor.plan
    overlay = HeatOverlay(heat, clip.seconds, plan.resize, plan.size)
    annotate_in_worker(CopyOrder(path, clip.prediction, copy, paint=overlay))
    write_arrays(
        table,
        {
            "maps": maps.numpy(),
            "heat": heat,
            "seconds": np.asarray(clip.seconds),
            "frames": np.asarray(clip.prediction.frame_indices),
            "label": np.asarray(clip.label),
            "probability": np.asarray(clip.prediction.probability),
            "share": np.asarray(np.nan if share is None else share),
        },
    )
    lines, files = [*summary(clip, heat), *filter(None, [share_line])], [sheet, copy, table]
    for visualization in visualizations:
        picture, numbers = (stem.with_name(f"{stem.name}.{visualization.name}.{kind}") for kind in ("png", "npz"))
        arrays = visualization.arrays(clip)
        visualization.draw(clip, arrays, picture)
        write_arrays(numbers, arrays)
        files += [picture, numbers]
    if settings.course:
        curve = probability_curve(predictor, path, settings.window_seconds)
        picture, table, sentence = write_curve(curve, clip.label, stem)
        lines.append(sentence)
        files += [picture, table]
    return Explanation(path, tuple(lines), tuple(files))


def motion_of(clip: ExplainedClip) -> Floats | None:
    """(T, H, W): how much each place of the frames moves; None for a single frame."""
    if clip.flow is not None:
        return flow_motion(clip.flow)
    return frame_motion(clip.frames) if len(clip.frames) > 1 else None


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def summary(clip: ExplainedClip, heat: np.ndarray) -> list[str]:
    """Sentences that say which label is explained, and when the heat is highest."""
    probability = f"{clip.prediction.probability:.0%}"
    if clip.label == clip.answer:
        line = f"The explained label is {clip.label}, the model's answer, with a probability of {probability}."
    else:
        line = (
            f"The explained label is {clip.label}, with a probability of {probability}; the model's answer is "
            f"{clip.answer}, {clip.answer_probability:.0%}."
        )
    total = float(heat.sum())
    if total == 0:
        return [line, f"Nothing in the clip adds to the score of {clip.label}: the maps are empty."]
    shares = heat.sum(axis=(1, 2)) / total
    step = int(shares.argmax())
    return [
        line,
        f"The most heat is at {clip.seconds[step]:.2f} s: {shares[step]:.0%} of the clip's, where an even share of "
        f"{len(shares)} time steps is {1 / len(shares):.0%}.",
    ]
