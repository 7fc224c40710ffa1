"""What a cross-validation and official splits share: one recipe is trained several times, and tested each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinesics.data.manifest import Manifest
from kinesics.errors import UserError
from kinesics.metrics.accuracy import Metrics
from kinesics.progress import Listener
from kinesics.runs.run import RECIPE_NAME
from kinesics.settings import Recipe
from kinesics.training.checks import check_run_folder
from kinesics.training.loop import Execution, Task, train_model
from kinesics.training.train import NORMS_LEARN, prepared, without_patience
from kinesics.values import Scores, VideoItem
from kinesics.video.view_plan import view_plan


def recipe_of_runs(recipe: Recipe, views: str, listener: Listener) -> Recipe:
    """`recipe` as it is in the records of the runs, with which a second call compares it: it lasts all epochs.

    Raises:
        UserError: there is no view plan `views` for it; this comes before the first training.
    """
    view_plan(views, recipe.input)
    given = without_patience(recipe)
    plain = given.with_learning_norms()
    if plain != given:
        listener.say(NORMS_LEARN)
    return plain


def train_or_go_on(recipe: Recipe, task: Task, manifest: Manifest, out: Path, execution: Execution) -> None:
    """Train into `out`, or go on with the run that is there; a run that is finished stays as it is."""
    started = (out / RECIPE_NAME).is_file()
    with prepared(recipe, task, manifest, out, execution, resume=started) as trainer:
        train_model(trainer)


def kept_scores(file: Path, run: Path, recipe: Recipe, manifest: Manifest, views: str) -> Scores | None:
    """The scores in `file`, if the run was trained as now and scored on this manifest with these views; else None.

    Raises:
        UserError: the run has other settings, or is of another manifest.
    """
    started = (run / RECIPE_NAME).is_file()
    if not (started and check_run_folder(run, recipe, manifest, resume=True) and file.is_file()):
        return None
    scores = Scores.load(file)
    now = {"views": views, "manifest_sha256": manifest.sha256, "epochs": recipe.optim.epochs}
    return scores if all(scores.record.get(name, value) == value for name, value in now.items()) else None


def check_taught(
    manifest: Manifest, train: Sequence[VideoItem], tested: Sequence[VideoItem], part: str, teacher: str
) -> None:
    """Raise UserError where no training clip has a label that a tested one has.

    part, teacher: what the message calls the tested clips and those that could teach their classes.
    """
    taught = {label for item in train for label in item.labels}
    if missing := {label for item in tested for label in item.labels} - taught:
        names = ", ".join(manifest.classes[label] for label in sorted(missing))
        raise UserError(f"{manifest.path}: {part} holds all clips of {names}; no {teacher} can teach them")


def spread(metrics: Sequence[Metrics], name: str) -> tuple[float, float]:
    """Mean and standard deviation (of the sample) of a figure."""
    values = [one.value(name) for one in metrics]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
