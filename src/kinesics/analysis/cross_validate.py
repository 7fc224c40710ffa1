"""Cross-validation: train on all folds but one, test on that one, for each; then the folds together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinesics.analysis.calibrate import store_calibration
from kinesics.analysis.evaluate import write_results
from kinesics.analysis.several_runs import check_taught, kept_scores, recipe_of_runs, spread, train_or_go_on
from kinesics.data.manifest import Manifest, read_manifest
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.files import write_json
from kinesics.inference.scorer import score
from kinesics.metrics.accuracy import Metrics, pool
from kinesics.metrics.calibration import calibrate as fit
from kinesics.metrics.hierarchy import evaluate_levels, find_hierarchy
from kinesics.progress import Listener
from kinesics.runs.ensemble_file import EnsembleFile, Member, holds_ensemble, write_ensemble
from kinesics.runs.model_file import FINAL_NAME, find_model, has_finished_final, load_model, read_contract
from kinesics.runs.run import SCORES_NAME
from kinesics.settings import Recipe
from kinesics.training.loop import Execution, Task
from kinesics.training.train import task_of
from kinesics.values import Scores
from kinesics.video.view_plan import view_plan


@dataclass(frozen=True)
class FoldResult:
    """What one fold came to."""

    fold: int
    num_videos: int
    metrics: Metrics


@dataclass(frozen=True)
class CrossValidation:
    """The folds and the metrics of all their scores pooled; each video was scored by a model that never saw it."""

    folds: tuple[FoldResult, ...]
    pooled: Metrics
    folder: Path
    has_final: bool = False

    def spread(self, metric: str) -> tuple[float, float]:
        """Mean and standard deviation (of the sample) of a metric over the folds."""
        return spread([fold.metrics for fold in self.folds], metric)


def cross_validate(
    recipe: Recipe,
    data: Path | str,
    out: Path | str,
    *,
    flow: Path | str | None = None,
    views: str = "one",
    hierarchy: Path | str | None = None,
    final: bool = False,
    device: str = "auto",
    num_workers: int | None = None,
    listener: Listener | None = None,
) -> CrossValidation:
    """Train and test every fold of a manifest.

    Fold k goes to `out`/fold-k, the pooled results to `out`. A fold is trained for all epochs of the recipe: choosing
    an epoch by the fold that is tested would flatter it. Called again after an interruption, it goes on where it
    stopped; finished folds are kept. `load(out)` answers with the final model, or without one with the mean of the
    folds' models.

    Args:
        recipe: The settings.
        data: The manifest, with folds.
        out: Folder of the folds' runs and of the pooled results.
        flow: Folder of `kinesics flow`, for recipes that take flow.
        views: View plan of the test: one, two-clip, ten-by-three, 25x10, 25x1 or whole-256x224, as in `test`.
        hierarchy: CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none.
        final: Then train on all clips into OUT/final, calibrated by the folds' scores: the model to use.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: the manifest has no folds, or a class is missing from the other folds or from the hierarchy.
    """
    manifest, out, listener = read_manifest(Path(data), flow), Path(out), listener or Listener()
    levels = find_hierarchy(hierarchy, manifest.classes)
    folds = sorted({row.fold for row in manifest.rows if row.fold is not None and row.usable})
    if len(folds) < 2:
        raise UserError(
            f"{manifest.path}: has {len(folds)} folds; `kinesics prepare {manifest.path.name} --format csv "
            "--folds 5 --out …` makes five"
        )
    execution = Execution(device, num_workers, listener=listener)
    plain = recipe_of_runs(recipe, views, listener)
    results, all_scores = [], []
    for fold in folds:
        scores = run_fold(plain, manifest, fold, folds, out / f"fold-{fold}", views, execution)
        results.append(FoldResult(fold, len(scores.ids), evaluate_levels(scores, levels, num_bootstrap=0)))
        all_scores.append(scores)
        figure = "mean_average_precision" if manifest.multi_label else "mean_class_accuracy"
        value = results[-1].metrics.value(figure)
        listener.say(f"fold {fold}: {figure.replace('_', ' ')} {value:.3f} over {len(scores.ids)} videos")
    together = pool(all_scores)
    pooled = write_results(together, out, levels, {row.id: row.group for row in manifest.rows})
    if not holds_ensemble(out):  # one that is there may be calibrated
        write_ensemble(out, EnsembleFile(tuple(Member.of(out / f"fold-{fold}", out) for fold in folds)))
    if final:
        train_final(plain, manifest, out, together, execution)
    result = CrossValidation(tuple(results), pooled, out, has_finished_final(out))
    summary = {
        "folds": [{"fold": r.fold, "videos": r.num_videos, **r.metrics.to_dict()} for r in results],
        "mean_and_std": {name: result.spread(name) for name in pooled.names},
        "pooled": pooled.to_dict(),
    }
    write_json(out / "cross_validation.json", summary)
    return result


def train_final(recipe: Recipe, manifest: Manifest, out: Path, pooled: Scores, execution: Execution) -> None:
    """Train on all clips into `out`/final, or go on with that; calibrate it by the folds' scores, if it is not yet."""
    folder = out / FINAL_NAME
    execution.listener.say(f"the final model learns from all {len(manifest.items())} clips")
    train_or_go_on(recipe, task_of(manifest, "all"), manifest, folder, execution)
    if read_contract(find_model(folder)).calibration:
        return
    found = fit(pooled)
    execution.listener.say(
        f"calibrated by the folds' scores: temperature {found.temperature:.3g}, threshold {found.threshold:.3g}"
    )
    store_calibration(find_model(folder), found, {"scores": "the pooled scores of the folds"})


def run_fold(
    recipe: Recipe,
    manifest: Manifest,
    fold: int,
    folds: list[int],
    out: Path,
    views: str,
    execution: Execution,
) -> Scores:
    """The Scores of one fold by a model trained on the others; read from disk where it was done before."""
    held_out = manifest.items(folds=[fold])
    train = manifest.items(folds=[f for f in folds if f != fold])
    check_taught(manifest, train, held_out, f"fold {fold}", "other fold")
    if (kept := kept_scores(out / SCORES_NAME, out, recipe, manifest, views)) is not None:
        return kept
    task = Task(manifest.classes, train, (), manifest.multi_label, f"all folds but {fold}")
    train_or_go_on(recipe, task, manifest, out, execution)
    model, contract = load_model(out)
    scores = score(
        model,
        held_out,
        manifest.classes,
        view_plan(views, recipe.input),
        multi_label=manifest.multi_label,
        num_workers=execution.num_workers,
        fabric=make_fabric("fp32", execution.device),
        record={
            **contract.record,
            "fold": fold,
            "epochs": recipe.optim.epochs,
            "model": contract.model,
            "views": views,
            "precision": recipe.optim.precision,
        },
        listener=execution.listener,
    )
    scores.save(out / SCORES_NAME)
    return scores
