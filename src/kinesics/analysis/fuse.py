"""Fuse tested streams: score files in, one score file and its metrics out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinesics.analysis.evaluate import write_results
from kinesics.errors import UserError
from kinesics.metrics.accuracy import Metrics
from kinesics.metrics.fusion import fuse
from kinesics.metrics.hierarchy import find_hierarchy
from kinesics.recipes import stream_weights
from kinesics.runs.ensemble_file import EnsembleFile, Member, write_ensemble
from kinesics.runs.model_file import find_model, has_model
from kinesics.runs.run import Run
from kinesics.values import Scores


def fuse_runs(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    weights: Sequence[float] = (),
    split: str = "test",
    views: str = "one",
    hierarchy: Path | str | None = None,
) -> Metrics:
    """The weighted mean of what several runs scored, evaluated and written to `out` as `kinesics test` does.

    runs: folders of runs that were tested on `split` with `views`, of cross-validations, or score files. weights: one a
    run; by default those of the paper whose streams they are (`recipes.STREAMS`), else all alike. Nothing is learned
    from the scores. hierarchy: as `test` takes it. Where each run has one model, `load(out)` answers with all of them.

    Raises:
        UserError: a run without scores, weights that do not fit, or scores of other videos or classes.
    """
    if weights and len(weights) != len(runs):
        raise UserError(f"wanted a weight for each of {len(runs)} runs, found {len(weights)}")
    if len({str(run) for run in runs}) < len(runs):
        raise UserError("a run stands there twice; give it a larger weight instead")
    streams = {str(run): Scores.load(score_file(Path(run), split, views)) for run in runs}
    known = stream_weights([str(scores.record.get("recipe", "")) for scores in streams.values()])
    shares = dict(zip(streams, weights or known, strict=True))
    fused = fuse(streams, shares)
    metrics = write_results(fused, Path(out), find_hierarchy(hierarchy, fused.classes))
    if all(has_model(run) for run in runs):
        members = [Member.of(find_model(run), Path(out), shares[str(run)]) for run in runs]
        write_ensemble(Path(out), EnsembleFile(tuple(members)))
    return metrics


def score_file(run: Path, split: str, views: str) -> Path:
    """Where a run's scores lie; a score file is itself. Raises UserError where there are none."""
    return run if run.is_file() else Run(run).score_file(split, views)
