"""Whether one run is better than another on the same clips, and on which: exact tests and paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from kinesics.errors import UserError
from kinesics.metrics.accuracy import multi_figures, predictions, single_figures
from kinesics.metrics.bootstrap import Array, Interval, draw_counts, intervals
from kinesics.metrics.class_means import class_means
from kinesics.metrics.matching import rows_like
from kinesics.values import Scores

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClassDifference:
    """How much better the second run knows one class; NaN where the class has no clips."""

    name: str
    num_videos: int
    recall: Interval
    f1: Interval


@dataclass(frozen=True)
class Pair:
    """What a second run is better by than a first, on the same clips.

    figures: second minus first, by name: top1 (exact_match where multi-label), mean_class_accuracy, macro_f1.
    p_value: McNemar's exact test, two-sided. only_first, only_second: the clips that only one of them gets right.
    num_groups: how many groups were drawn for the intervals; None where clips were drawn.
    """

    num_videos: int
    num_both: int
    num_neither: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    p_value: float
    figures: Mapping[str, Interval]
    per_class: tuple[ClassDifference, ...]
    num_groups: int | None = None


def compare(
    first: Scores,
    second: Scores,
    *,
    names: tuple[str, str] = ("the first run", "the second run"),
    groups: Mapping[str, str] | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> Pair:
    """What `second` is better by than `first`. Clips whose label is unknown are left out.

    groups: the group of each clip, such as a person. Clips of a group come or stay away together in a bootstrap draw,
    since they are alike. A clip without one is a group of its own. num_bootstrap: draws of the intervals; 0 for none.

    Raises:
        UserError: the two are of other clips, classes or labels (the line names some), or no label is known.
    """
    rows = rows_like(first, second, *names)
    known = np.asarray(first.targets.any(axis=1))
    if not known.any():
        raise UserError("no video has a known label; there is nothing to compare")
    ids = [name for name, is_known in zip(first.ids, known, strict=True) if is_known]
    targets, multi_label = first.targets[known], first.multi_label
    logits = first.logits[known], second.logits[rows][known]
    counts, num_groups = draws(ids, groups or {}, num_bootstrap, seed)
    right = [hits(each, targets, multi_label) for each in logits]
    return Pair(
        num_videos=len(ids),
        num_both=int((right[0] & right[1]).sum()),
        num_neither=int((~right[0] & ~right[1]).sum()),
        only_first=chosen(ids, right[0] & ~right[1]),
        only_second=chosen(ids, right[1] & ~right[0]),
        p_value=mcnemar(*right),
        figures=figure_differences(*logits, targets, multi_label, counts),
        per_class=class_differences(first.classes, *logits, targets, multi_label, counts),
        num_groups=num_groups,
    )


def mcnemar(first: Flags, second: Flags) -> float:
    """The two-sided p value of McNemar's exact test on which clips (M,) each of two gets right.

    Only clips that one of them gets count: were both equally good, each such clip would be a toss of a coin.

    Source: McNemar, Psychometrika 12, 1947; the exact (binomial) form.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values as they count when several are looked at: Holm's step-down correction.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def hits(logits: npt.NDArray[np.float32], targets: Flags, multi_label: bool) -> Flags:
    """(M,) whether each clip is right: its best class is the label, or just its labels are over one half."""
    if multi_label:
        return multi_figures(logits, targets, predictions(logits, multi_label))["exact_match"] > 0
    return single_figures(logits, targets)["top1"] > 0


def draws(
    ids: Sequence[str], groups: Mapping[str, str], num_draws: int, seed: int
) -> tuple[npt.NDArray[np.int64], int | None]:
    """(B, M) how often each clip is in each draw, and the number of groups that were drawn (None: of clips)."""
    names = [groups.get(name) or f"\0{name}" for name in ids]  # a clip without a group is one of its own
    distinct, place = np.unique(names, return_inverse=True)
    if len(distinct) in (1, len(ids)):  # one group would be whole in each draw, so the draws would not differ
        return draw_counts(len(ids), num_draws, seed), None
    return draw_counts(len(distinct), num_draws, seed)[:, place], len(distinct)


def figure_differences(
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    targets: Flags,
    multi_label: bool,
    counts: npt.NDArray[np.int64],
) -> dict[str, Interval]:
    """Second minus first of the share right, the mean class accuracy and macro F1, each with its paired interval."""
    gain = hits(second, targets, multi_label).astype(np.float64) - hits(first, targets, multi_label)
    answers = predictions(first, multi_label), predictions(second, multi_label)
    names = ["macro_f1"] if multi_label else ["mean_class_accuracy", "macro_f1"]

    def differences(weights: Array) -> Array:
        before, after = (class_means(weights, targets, answer, multi_label) for answer in answers)
        return np.stack([weights @ gain / weights.sum(axis=1), *(after[name] - before[name] for name in names)], axis=1)

    share = "exact_match" if multi_label else "top1"
    return dict(zip([share, *names], intervals(differences, counts), strict=True))


def class_differences(
    classes: Sequence[str],
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    targets: Flags,
    multi_label: bool,
    counts: npt.NDArray[np.int64],
) -> tuple[ClassDifference, ...]:
    """Second minus first of each class's recall and F1, with their paired intervals."""
    answers = predictions(first, multi_label), predictions(second, multi_label)

    def differences(weights: Array) -> Array:
        actual = weights @ targets
        with np.errstate(invalid="ignore", divide="ignore"):
            found = [(weights @ (targets & answer), weights @ answer) for answer in answers]
            recall = [hit / actual for hit, _ in found]
            f1 = [np.where(actual > 0, 2 * hit / (actual + claimed), np.nan) for hit, claimed in found]
        return np.concatenate([recall[1] - recall[0], f1[1] - f1[0]], axis=1)

    columns = intervals(differences, counts)
    return tuple(
        ClassDifference(name, int(targets[:, k].sum()), columns[k], columns[len(classes) + k])
        for k, name in enumerate(classes)
    )


def chosen(ids: Sequence[str], flags: Flags) -> tuple[str, ...]:
    """The ids whose flag is true."""
    return tuple(name for name, is_set in zip(ids, flags, strict=True) if is_set)
