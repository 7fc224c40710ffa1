"""Fuse tested streams: score files in, one score file and its metrics out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinesics.analysis.evaluate import write_results
from kinesics.data.manifest import Split
from kinesics.errors import UserError
from kinesics.metrics.accuracy import Metrics, record_of_scores
from kinesics.metrics.fusion import fuse as fuse_scores
from kinesics.metrics.hierarchy import find_hierarchy
from kinesics.recipes import stream_weights
from kinesics.runs.ensemble_file import EnsembleFile, Member, write_ensemble
from kinesics.runs.model_file import find_model, has_model
from kinesics.runs.run import Run
from kinesics.values import Scores


def fuse(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    weights: Sequence[float] = (),
    split: Split = "test",
    views: str = "one",
    hierarchy: Path | str | None = None,
) -> Metrics:
    """Fuse the scores of tested runs, such as RGB and flow: a weighted mean of their probabilities.

    Nothing is learned from the scores. Where each run has one model, `load(out)` answers with all of them.

    Args:
        runs: Runs, cross-validations, or scores.npz files.
        out: Folder for the fused scores and their metrics.
        weights: One a run; by default their paper's where it has them (`recipes.STREAMS`), else all alike.
        split: Which of the runs' scores.
        views: Which of the runs' scores.
        hierarchy: CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none.

    Raises:
        UserError: a run without scores, weights that do not fit, or scores of other videos or classes.
    """
    if weights and len(weights) != len(runs):
        raise UserError(f"expected a weight for each of {len(runs)} runs, found {len(weights)}")
    if len({str(run) for run in runs}) < len(runs):
        raise UserError("a run is named twice; give it a larger weight instead")
    streams = {str(run): Scores.load(score_file(Path(run), split, views)) for run in runs}
    known = stream_weights([str(record_of_scores(scores).get("recipe", "")) for scores in streams.values()])
    shares = dict(zip(streams, weights or known, strict=True))
    fused = fuse_scores(streams, shares)
    metrics = write_results(fused, Path(out), find_hierarchy(hierarchy, fused.classes))
    if all(has_model(run) for run in runs):
        members = [Member.of(find_model(run), Path(out), shares[str(run)]) for run in runs]
        write_ensemble(Path(out), EnsembleFile(tuple(members)))
    return metrics


def score_file(run: Path, split: str, views: str) -> Path:
    """Where a run's scores lie; a score file is itself. Raises UserError where there are none."""
    return run if run.is_file() else Run(run).score_file(split, views)
