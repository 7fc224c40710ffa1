"""What tested runs left in their folders: scores, metrics, what the model costs, and the clips' manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinesics.analysis.fuse import score_file
from kinesics.data.manifest import Manifest, read_manifest
from kinesics.errors import UserError
from kinesics.inference.answer import AnswerRule
from kinesics.metrics.accuracy import Metrics, evaluate, record_of_scores
from kinesics.metrics.cost import Cost, cost
from kinesics.models.recognizer import Recognizer
from kinesics.runs.model_file import WEIGHTS_NAME, Contract, load_model
from kinesics.runs.run import Run
from kinesics.sizes import Size
from kinesics.values import Scores, VideoItem
from kinesics.video.view_plan import ViewPlan


@dataclass(frozen=True)
class Tested:
    """A run that was tested. folder: the run's own; for a fused run or a score file, the folder of the scores.

    cost: of one view; None where there is no model. num_views: views of a video that
    were averaged. rule: how answers are made of the scores.
    """

    name: str
    folder: Path
    scores: Scores
    metrics: Metrics
    cost: Cost | None
    num_views: int
    rule: AnswerRule

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates a video: of all its views."""
        return None if self.cost is None else self.cost.macs * self.num_views


def read_tested(runs: Sequence[Path | str], *, split: str = "test", views: str = "one") -> list[Tested]:
    """What the runs scored on `split` with `views`, evaluated. Runs are folders of runs, or score files.

    Raises:
        UserError: a run has no such scores (the line says which command writes them), or is named twice.
    """
    paths = [Path(run) for run in runs]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise UserError(f"{twice[0]}: the run is named twice")
    files = [
        score_file(path, split, views) for path in paths
    ]  # an error for what is missing comes before anything is computed
    return [
        tested(name, path, Scores.load(file)) for name, path, file in zip(run_names(paths), paths, files, strict=True)
    ]


def tested(name: str, path: Path, scores: Scores) -> Tested:
    """A run by its path and scores."""
    folder = run_folder(path)
    plan = record_of_scores(scores).get("plan")
    found = model_of(folder)
    shown = None
    if found is not None:
        model, contract = found
        shown = ViewPlan.from_dict(plan) if plan else contract.view_plan
    return Tested(
        name=name,
        folder=folder,
        scores=scores,
        metrics=evaluate(scores),
        cost=cost(model, input_shape(model, shown)) if found is not None and shown is not None else None,
        num_views=shown.num_views if shown else 1,
        rule=AnswerRule.of(found[1]) if found and len(runs_of(folder)) == 1 else rule_of_scores(scores),
    )


def rule_of_scores(scores: Scores) -> AnswerRule:
    """How answers are made of scores that no single model made: with the temperature of their record, if it has one."""
    return AnswerRule(scores.classes, scores.multi_label, float(scores.record.get("temperature", 1.0)))


def runs_of(folder: Path) -> list[Path]:
    """The folders with a model that scores come from: a run, or the folds of a cross-validation."""
    return sorted(folder.glob("fold-*")) or [folder]


def run_folder(path: Path) -> Path:
    """The run that a path means: a folder is itself; scores.npz belong to the run beside or above them."""
    if path.suffix != ".npz":
        return path
    above = path.parent.parent
    return above if (above / "recipe.json").is_file() else path.parent


def model_of(folder: Path) -> tuple[Recognizer, Contract] | None:
    """The model of a run, or of the first fold of a cross-validation; None where it has none, such as a fused one."""
    for place in (folder, *sorted(folder.glob("fold-*"))):
        if any((place / part / WEIGHTS_NAME).is_file() for part in ("best", ".", "last")):
            return load_model(place)
    return None


def input_shape(model: Recognizer, plan: ViewPlan) -> tuple[int, ...]:
    """(1, T, C, H, W): what the model gets of one view."""
    return (1, plan.num_segments * plan.steps_per_segment, model.channels, *Size.of(plan.size))


def run_names(paths: Sequence[Path]) -> list[str]:
    """A short name for each run, no two the same: the last parts of its path, as many as make them different.

    a/tsm, a/tsn → tsm, tsn; a/tsm, b/tsm → a/tsm, b/tsm
    """
    parts = [run_folder(path).resolve().parts for path in paths]
    for number in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-number:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def clips_of(runs: Sequence[Tested]) -> Manifest | None:
    """The manifest that names the runs' clips: the first one in their records that is still there, else None."""
    for run in runs:
        for place in places_of(run):
            try:
                return read_manifest(Run(place).manifest)
            except UserError:
                continue  # the record is another's, or the manifest is gone
    return None


def places_of(run: Tested) -> list[Path]:
    """The folders that may hold the record of who trained: the run's, its folds', and those that it was fused from."""
    record = run.scores.record
    named = [str(record["run"])] if "run" in record else []
    fused = record.get("fused")
    return [run.folder, *sorted(run.folder.glob("fold-*")), *map(Path, [*named, *(fused or ())])]


def items_of(scores: Scores, manifest: Manifest | None) -> dict[str, VideoItem]:
    """The manifest's usable clips by the ids that `scores` have; without those that the manifest does not name.

    A clip is found by its content where the scores have digests (by the same id first, where several clips have that
    content), else by its id, where the manifest does not say that its content is another.
    """
    items = manifest.items() if manifest else []
    by_id = {item.id: item for item in items}
    by_digest = {item.digest: item for item in reversed(items) if item.digest}
    found = {}
    for name, digest in zip(scores.ids, scores.digests or [""] * len(scores.ids), strict=True):
        item = by_id.get(name)
        if item is None or (digest and item.digest and item.digest != digest):
            item = by_digest.get(digest)
        if item is not None:
            found[name] = item
    return found


def groups_of(scores: Scores, manifest: Manifest | None) -> dict[str, str]:
    """The group of each clip by its id in `scores`; empty where none is known."""
    return {name: item.group for name, item in items_of(scores, manifest).items() if item.group}
