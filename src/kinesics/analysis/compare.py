"""Tested runs side by side, and whether one is better than another on the same clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kinesics.analysis.tested_runs import Tested, clips_of, groups_of, read_tested
from kinesics.data.manifest import Manifest, Split, read_manifest
from kinesics.errors import UserError
from kinesics.metrics.accuracy import evaluate
from kinesics.metrics.bootstrap import Interval
from kinesics.metrics.matching import common_clips, rows_like
from kinesics.metrics.significance import Pair, holm
from kinesics.metrics.significance import compare as compare_scores

Against = Literal["first", "best"]
FIGURES = ("top1", "mean_average_precision", "exact_match", "mean_class_accuracy", "macro_f1")
"""What is set side by side, of those that the scores have."""
TITLES = {
    "top1": "accuracy",
    "mean_average_precision": "mean average precision",
    "exact_match": "all labels right",
    "mean_class_accuracy": "mean class accuracy",
    "macro_f1": "macro F1",
}


@dataclass(frozen=True)
class Match:
    """Two runs by name, and what the second is better by. adjusted_p: Holm's, for as many matches as there are."""

    first: str
    second: str
    pair: Pair
    adjusted_p: float


@dataclass(frozen=True)
class Comparison:
    """Runs, each matched with one of them. num_left_out: clips that not all runs scored, and that were left out."""

    runs: tuple[Tested, ...]
    matches: tuple[Match, ...]
    num_left_out: int
    split: str
    views: str

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures that are set side by side."""
        return tuple(name for name in FIGURES if name in self.runs[0].metrics.names)

    @property
    def unit(self) -> str:
        """What the bootstrap drew for the differences: clips, or groups of clips."""
        groups = self.matches[0].pair.num_groups if self.matches else None
        return "clips" if groups is None else f"{groups} groups of clips"

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "split": self.split,
            "views": self.views,
            "left_out": self.num_left_out,
            "runs": [run_values(run, self.figures) for run in self.runs],
            "pairs": [
                {
                    "first": match.first,
                    "second": match.second,
                    "adjusted_p": match.adjusted_p,
                    **dataclasses.asdict(match.pair),
                }
                for match in self.matches
            ],
        }


def compare(
    runs: Sequence[Path | str],
    *,
    split: Split = "test",
    views: str = "one",
    data: Path | str | None = None,
    common: bool = False,
    against: Against = "first",
) -> Comparison:
    """Compare tested runs on the same clips: figures, cost, differences with intervals, McNemar's test.

    Clips are the same where their content is (`Scores.digests`), else where their ids are; they are named as in the
    first run.

    Args:
        runs: Runs, fused runs, cross-validations, or scores.npz files.
        split: Which of the runs' scores.
        views: Which of the runs' scores.
        data: The manifest, for the groups of the clips; by default the one of the runs' records.
        common: Take the clips that all runs scored, where these differ, and say how many are left out.
        against: Match each run with the first one named, or with the best.

    Raises:
        UserError: fewer than two runs, a run without scores, or scores of other clips or classes.
    """
    if len(runs) < 2:
        raise UserError(f"compare takes two runs or more, found {len(runs)}")
    found = read_tested(runs, split=split, views=views)
    groups = groups_of(found[0].scores, manifest_for(found, data))
    return match_all(found, groups, common=common, against=against, split=split, views=views)


def manifest_for(runs: Sequence[Tested], data: Path | str | None) -> Manifest | None:
    """The manifest that was named, or that the runs' records name; None where that is gone."""
    return read_manifest(Path(data)) if data else clips_of(runs)


def match_all(
    runs: Sequence[Tested],
    groups: Mapping[str, str],
    *,
    common: bool = False,
    against: Against = "first",
    split: str = "test",
    views: str = "one",
) -> Comparison:
    """`compare` on runs that are read already; one alone has no match."""
    runs, num_left_out = on_common_clips(runs) if common else (named_like_first(runs), 0)
    figure = next(name for name in FIGURES if name in runs[0].metrics.names)
    base = runs[0] if against == "first" else max(runs, key=lambda run: run.metrics.value(figure))
    others = [run for run in runs if run is not base]
    pairs = [
        compare_scores(base.scores, other.scores, names=(base.name, other.name), groups=groups) for other in others
    ]
    adjusted = holm([pair.p_value for pair in pairs])
    matches = tuple(
        Match(base.name, other.name, pair, p) for other, pair, p in zip(others, pairs, adjusted, strict=True)
    )
    return Comparison(tuple(runs), matches, num_left_out, split, views)


def named_like_first(runs: Sequence[Tested]) -> list[Tested]:
    """The runs with the clips of the first, in its order and by its ids. Raises UserError where one has other clips."""
    first, *others = runs
    aligned = [first]
    for run in others:
        rows = rows_like(first.scores, run.scores, first.name, run.name)
        aligned.append(
            dataclasses.replace(run, scores=dataclasses.replace(run.scores.take(rows), ids=first.scores.ids))
        )
    return aligned


def on_common_clips(runs: Sequence[Tested]) -> tuple[list[Tested], int]:
    """The runs evaluated on the clips that all of them scored, and how many clips were left out."""
    shared, num_left_out = common_clips({run.name: run.scores for run in runs})
    if not num_left_out:
        return [dataclasses.replace(run, scores=shared[run.name]) for run in runs], 0
    return [
        dataclasses.replace(run, scores=shared[run.name], metrics=evaluate(shared[run.name])) for run in runs
    ], num_left_out


def run_values(run: Tested, figures: Sequence[str]) -> dict[str, Any]:
    """One run as JSON values."""
    return {
        "name": run.name,
        "folder": str(run.folder),
        "videos": run.metrics.num_videos,
        **{name: dataclasses.asdict(run.metrics.interval(name)) for name in figures},
        "parameters": None if run.cost is None else run.cost.parameters,
        "macs": run.macs,
    }


def signed(interval: Interval) -> tuple[str, str]:
    """A difference in points of a hundred, and its interval: ("+3.1", "-0.4 to +6.5")."""
    value, low, high = (f"{100 * number:+.1f}" for number in (interval.value, interval.low, interval.high))
    return value, f"{low} to {high}"
