"""All that a report says, as frozen values: read from the runs' folders, computed from their scores."""

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
    record_of_scores,
)
from kinesics.data.manifest import Manifest
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.metrics.accuracy import predictions
from kinesics.metrics.calibration import Bin, believed, judged, reliability
from kinesics.metrics.losses import video_losses
from kinesics.metrics.significance import hits
from kinesics.reporting.latency import Latency, measure
from kinesics.reporting.reproduce import test_command, train_command
from kinesics.runs.run import RECIPE_NAME, RECORD_NAME
from kinesics.runs.run import Run as RunFolder
from kinesics.settings import Recipe
from kinesics.values import VideoItem
from kinesics.video.view_plan import ViewPlan

MOST_CLIPS = 400
"""Clips on the page; beyond, the page would be slow to open."""


@dataclass(frozen=True)
class Answer:
    """What one run says of a clip: the classes (several where multi-label), the probability of each, the loss.

    rejected: the answer is "none of these"; the class is the one that was nearest.
    """

    classes: tuple[int, ...]
    probabilities: tuple[float, ...]
    loss: float
    right: bool
    rejected: bool = False


@dataclass(frozen=True)
class Clip:
    """A clip with its labels and one answer per run. item: its place; None where the manifest does not name it."""

    id: str
    labels: tuple[int, ...]
    answers: tuple[Answer, ...]
    item: VideoItem | None

    @property
    def loss(self) -> float:
        """The mean loss of the runs: how hard it is."""
        return float(np.mean([answer.loss for answer in self.answers]))

    @property
    def all_right(self) -> bool:
        """Whether all runs get it right."""
        return all(answer.right for answer in self.answers)


@dataclass(frozen=True)
class Run:
    """One run: its scores and metrics, and what else its folder holds; None or empty where it does not."""

    tested: Tested
    recipe: Recipe | None
    record: Mapping[str, Any]
    log: tuple[Mapping[str, str], ...]
    bins: tuple[Bin, ...]
    latency: Latency | None
    commands: tuple[str, ...]

    @property
    def name(self) -> str:
        """The run's short name."""
        return self.tested.name


@dataclass(frozen=True)
class Gathered:
    """What the page shows. clips: those on it, the hardest first. notes: what is missing, a sentence each."""

    comparison: Comparison
    runs: tuple[Run, ...]
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
) -> Gathered:
    """All that the report on tested `runs` says; see `compare` for the arguments. device: where latency is measured.

    Raises:
        UserError: no run, a run without scores, or scores of other clips or classes.
    """
    if not runs:
        raise UserError("report takes a run or more, found none")
    found = read_tested(runs, split=split, views=views)
    manifest = manifest_for(found, data)
    comparison = match_all(found, groups_of(found[0].scores, manifest), common=common, split=split, views=views)
    gathered = tuple(gather_run(run, device) for run in comparison.runs)
    return Gathered(
        comparison=comparison,
        runs=gathered,
        classes=comparison.runs[0].scores.classes,
        clips=hardest(comparison.runs, manifest),
        manifest=manifest,
        notes=tuple(notes(gathered, manifest, comparison)),
    )


def gather_run(run: Tested, device: str) -> Run:
    """One run with what its folder holds and what its model takes."""
    folds = sorted(run.folder.glob("fold-*"))
    home = folds[0] if folds and "pooled" in run.scores.record else run.folder
    folder = RunFolder(home)
    recipe = folder.recipe if (home / RECIPE_NAME).is_file() else None
    record = folder.record if (home / RECORD_NAME).is_file() else {}
    scored = record_of_scores(run.scores)
    commands = []
    if recipe is not None:
        place = manifest_named(folder, record), str(run.folder)
        views = str(scored.get("views", "one"))
        flow = str(folder.flow) if record and folder.flow else record.get("flow_folder")
        commands.append(train_command(recipe, *place, folds=views if home in folds else None, flow=flow))
    if "split" in scored:
        commands.append(test_command(str(run.folder), scored))
    return Run(
        tested=run,
        recipe=recipe,
        record=record,
        log=RunFolder(run.folder).log,
        bins=reliability(*judged(believed(run.scores))),
        latency=latency_of(run, device),
        commands=tuple(commands),
    )


def manifest_named(folder: RunFolder, record: Mapping[str, Any]) -> str:
    """A run's manifest for a command: its path, or what the record calls it where it is gone."""
    try:
        return str(folder.manifest)
    except UserError:
        return str(record.get("manifest_absolute") or record.get("manifest") or "set.csv")


def latency_of(run: Tested, device: str) -> Latency | None:
    """How long the run's model takes for a view; None where there is no model."""
    found = model_of(run.folder)
    if found is None:
        return None
    model, contract = found
    plan = record_of_scores(run.scores).get("plan")
    shape = input_shape(model, ViewPlan.from_dict(plan) if plan else contract.view_plan)
    return measure(model, shape, make_fabric("fp32", device).device)


def hardest(runs: Sequence[Tested], manifest: Manifest | None) -> tuple[Clip, ...]:
    """The clips with a known label that go on the page, those of the highest loss first.

    Clips that some run gets wrong go before those that all get right, where not all fit.
    """
    first = runs[0].scores
    items = items_of(first, manifest)
    tables = [answers(run) for run in runs]
    clips = [
        Clip(name, tuple(np.flatnonzero(row).tolist()), tuple(table[name] for table in tables), items.get(name))
        for name, row in zip(first.ids, first.targets, strict=True)
        if row.any()
    ]
    kept = sorted(clips, key=lambda clip: (clip.all_right, -clip.loss))[:MOST_CLIPS]
    return tuple(sorted(kept, key=lambda clip: -clip.loss))


def answers(run: Tested) -> dict[str, Answer]:
    """What a run says of each of its clips, by id."""
    scores = run.scores
    claimed, losses = predictions(scores.logits, scores.multi_label), video_losses(scores)
    all_probs = run.rule.probs(torch.from_numpy(scores.logits))
    probs, rejected = all_probs.numpy(), [run.rule.is_rejected(row) for row in all_probs]
    known = scores.targets.any(axis=1)
    right = np.zeros(len(scores.ids), dtype=np.bool_)
    right[known] = hits(scores.logits[known], scores.targets[known], scores.multi_label)
    return {
        name: Answer(
            classes=tuple(np.flatnonzero(claimed[row]).tolist()),
            probabilities=tuple(probs[row, claimed[row]].tolist()),
            loss=float(losses[row]),
            right=bool(right[row]) and not rejected[row],
            rejected=rejected[row],
        )
        for row, name in enumerate(scores.ids)
    }


def notes(runs: Sequence[Run], manifest: Manifest | None, comparison: Comparison) -> list[str]:
    """What the reader should know is missing or has changed, a sentence each."""
    said = []
    if comparison.num_left_out:
        said.append(f"{comparison.num_left_out} clips that not all runs scored are left out of every figure here.")
    for run in runs:
        if run.tested.metrics.num_unknown:
            said.append(f"{run.name}: {run.tested.metrics.num_unknown} clips have no label that the model knows.")
        if fused := run.tested.scores.record.get("fused"):
            said.append(f"{run.name} was fused from {', '.join(fused)}; its training and its cost are theirs.")
            continue
        if run.recipe is None:
            said.append(f"{run.name}: there is no recipe.json in its folder, so how it was trained is not known here.")
        if run.tested.cost is None:
            said.append(f"{run.name}: there is no model in its folder, so it has no cost and no latency here.")
    if manifest is None:
        places = ", ".join(str(place / "run.json") for place in places_of(runs[0].tested)[:1])
        said.append(f"The manifest of the clips was not found (looked in {places}); name it with --data for previews.")
        return said
    for run in runs:
        recorded = record_of_scores(run.tested.scores).get("manifest_sha256")
        if recorded and recorded != manifest.sha256:
            said.append(f"{run.name}: {manifest.path} has changed since its scores were made.")
    return said
