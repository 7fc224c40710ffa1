"""The contents of a report as frozen values: read from the folders of the runs, computed from their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinesics.analysis.compare import Comparison, manifest_for, match_all
from kinesics.analysis.tested_runs import (
    Tested,
    groups_of,
    input_shape,
    items_of,
    model_of,
    places_of,
    read_tested,
)
from kinesics.data.manifest import Manifest
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.metrics.accuracy import predictions, record_of_scores
from kinesics.metrics.calibration import Bin, believed, judged, reliability
from kinesics.metrics.losses import video_losses
from kinesics.metrics.significance import hits
from kinesics.reporting.latency import Latency, measure_latency
from kinesics.reporting.reproduce import test_command, train_command
from kinesics.runs.run import RECIPE_NAME, RECORD_NAME, Run
from kinesics.settings import Recipe
from kinesics.values import VideoItem
from kinesics.video.view_plan import ViewPlan

MAX_CLIPS = 400
"""Clips on the page; with more it would be slow to open."""


@dataclass(frozen=True)
class Answer:
    """The answer of one run for a clip: the classes (several for multi-label), the probability of each, the loss.

    rejected: the answer is "none of these"; `classes` has the most probable class.
    """

    classes: tuple[int, ...]
    probabilities: tuple[float, ...]
    loss: float
    is_correct: bool
    rejected: bool = False


@dataclass(frozen=True)
class Clip:
    """A clip with its labels and one answer per run. item: its video; None if the manifest does not have the clip."""

    id: str
    labels: tuple[int, ...]
    answers: tuple[Answer, ...]
    item: VideoItem | None

    @property
    def loss(self) -> float:
        """The mean loss of the runs: how hard the clip is."""
        return float(np.mean([answer.loss for answer in self.answers]))

    @property
    def all_correct(self) -> bool:
        """Whether the answers of all runs are correct."""
        return all(answer.is_correct for answer in self.answers)


@dataclass(frozen=True)
class ReportedRun:
    """One run: its scores, its metrics and the contents of its folder; None or empty for what the folder lacks."""

    tested: Tested
    recipe: Recipe | None
    record: Mapping[str, Any]
    log: tuple[Mapping[str, str], ...]
    bins: tuple[Bin, ...]
    latency: Latency | None
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        """The short name of the run."""
        return self.tested.name


@dataclass(frozen=True)
class ReportData:
    """The contents of the page. clips: the hardest first. notes: one sentence per thing that is missing."""

    comparison: Comparison
    runs: tuple[ReportedRun, ...]
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    manifest: Manifest | None
    notes: tuple[str, ...]


def gather(
    runs: Sequence[Path | str],
    *,
    split: str = "test",
    views: str = "one",
    data: Path | str | None = None,
    common: bool = False,
    device: str = "auto",
) -> ReportData:
    """Gather the contents of the report on tested `runs`. See `report` for the arguments.

    Raises:
        UserError: there is no run, or a run has no scores or scores of other clips or classes.
    """
    if not runs:
        raise UserError("runs: expected one run or more, found none")
    tested_runs = read_tested(runs, split=split, views=views)
    manifest = manifest_for(tested_runs, data)
    groups = groups_of(tested_runs[0].scores, manifest)
    comparison = match_all(tested_runs, groups, common=common, split=split, views=views)
    reported_runs = tuple(read_run(run, device) for run in comparison.runs)
    return ReportData(
        comparison=comparison,
        runs=reported_runs,
        classes=comparison.runs[0].scores.classes,
        clips=hardest_clips(comparison.runs, manifest),
        manifest=manifest,
        notes=tuple(missing_notes(reported_runs, manifest, comparison)),
    )


def read_run(run: Tested, device: str) -> ReportedRun:
    """One run with the contents of its folder and the latency of its model."""
    folds = sorted(run.folder.glob("fold-*"))
    path = folds[0] if folds and "pooled" in run.scores.record else run.folder
    folder = Run(path)
    recipe = folder.recipe if (path / RECIPE_NAME).is_file() else None
    record = folder.record if (path / RECORD_NAME).is_file() else {}
    score_record = record_of_scores(run.scores)
    commands = []
    if recipe is not None:
        manifest = manifest_path(folder, record)
        views = str(score_record.get("views", "one")) if path in folds else None
        flow = str(folder.flow) if record and folder.flow else record.get("flow_folder")
        commands.append(train_command(recipe, manifest, str(run.folder), folds=views, flow=flow))
    if "split" in score_record:
        commands.append(test_command(str(run.folder), score_record))
    return ReportedRun(
        tested=run,
        recipe=recipe,
        record=record,
        log=Run(run.folder).log,
        bins=reliability(*judged(believed(run.scores))),
        latency=latency_of(run, device),
        commands=tuple(commands),
    )


def manifest_path(folder: Run, record: Mapping[str, Any]) -> str:
    """The path of a run's manifest for a command; the path in the record if the file is gone."""
    try:
        return str(folder.manifest)
    except UserError:
        return str(record.get("manifest_absolute") or record.get("manifest") or "set.csv")


def latency_of(run: Tested, device: str) -> Latency | None:
    """The latency of the run's model for one view; None if there is no model."""
    model_and_contract = model_of(run.folder)
    if model_and_contract is None:
        return None
    model, contract = model_and_contract
    plan = record_of_scores(run.scores).get("plan")
    shape = input_shape(model, ViewPlan.from_dict(plan) if plan else contract.view_plan)
    return measure_latency(model, shape, make_fabric("fp32", device).device)


def hardest_clips(runs: Sequence[Tested], manifest: Manifest | None) -> tuple[Clip, ...]:
    """The clips of the page, all with a label that the model knows, those with the highest loss first.

    If there are more than MAX_CLIPS, clips with a wrong answer are kept before clips whose answers are all correct.
    """
    scores = runs[0].scores
    items = items_of(scores, manifest)
    answers_of_runs = [answers(run) for run in runs]
    clips = [
        Clip(
            name,
            tuple(np.flatnonzero(row).tolist()),
            tuple(run_answers[name] for run_answers in answers_of_runs),
            items.get(name),
        )
        for name, row in zip(scores.ids, scores.targets, strict=True)
        if row.any()
    ]
    page_clips = sorted(clips, key=lambda clip: (clip.all_correct, -clip.loss))[:MAX_CLIPS]
    return tuple(sorted(page_clips, key=lambda clip: -clip.loss))


def answers(run: Tested) -> dict[str, Answer]:
    """The answers of a run for its clips, by the id of the clip."""
    scores = run.scores
    is_predicted, losses = predictions(scores.logits, scores.multi_label), video_losses(scores)
    all_probs = run.rule.probs(torch.from_numpy(scores.logits))
    probs, is_rejected = all_probs.numpy(), [run.rule.is_rejected(row) for row in all_probs]
    has_label = scores.targets.any(axis=1)
    is_correct = np.zeros(len(scores.ids), dtype=np.bool_)
    is_correct[has_label] = hits(scores.logits[has_label], scores.targets[has_label], scores.multi_label)
    return {
        name: Answer(
            classes=tuple(np.flatnonzero(is_predicted[row]).tolist()),
            probabilities=tuple(probs[row, is_predicted[row]].tolist()),
            loss=float(losses[row]),
            is_correct=bool(is_correct[row]) and not is_rejected[row],
            rejected=is_rejected[row],
        )
        for row, name in enumerate(scores.ids)
    }


def missing_notes(runs: Sequence[ReportedRun], manifest: Manifest | None, comparison: Comparison) -> list[str]:
    """One sentence per thing that is missing or has changed."""
    notes = []
    if comparison.num_left_out:
        notes.append(
            f"{comparison.num_left_out} clips are left out of all figures here, because not all runs scored them."
        )
    for run in runs:
        if run.tested.metrics.num_unknown:
            notes.append(f"{run.name}: {run.tested.metrics.num_unknown} clips have no label that the model knows.")
        if fused := run.tested.scores.record.get("fused"):
            notes.append(f"{run.name} was fused from {', '.join(fused)}; see these runs for training and cost.")
            continue
        if run.recipe is None:
            notes.append(f"{run.name}: there is no recipe.json in its folder, so its training is not shown.")
        if run.tested.cost is None:
            notes.append(f"{run.name}: there is no model in its folder, so its cost and latency are not shown.")
    if manifest is None:
        places = ", ".join(str(place / "run.json") for place in places_of(runs[0].tested)[:1])
        notes.append(
            f"The manifest of the clips was not found (searched: {places}); for previews, give its path as `data`."
        )
        return notes
    for run in runs:
        recorded = record_of_scores(run.tested.scores).get("manifest_sha256")
        if recorded and recorded != manifest.sha256:
            notes.append(f"{run.name}: {manifest.path} has changed since its scores were written.")
    return notes
