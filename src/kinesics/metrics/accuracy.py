"""Figures of Scores: accuracies, F1, average precision and confusion, each with a 95 % interval.

Shares of clips have Wilson intervals. F1 and other means over classes have those of a Bayesian bootstrap with a
Jeffreys prior in each class, so that they do not collapse where all clips are right. Clips of a group (a person) are
alike, so groups are drawn whole and a group counts as one clip where that is all that is known.

Videos whose label is unknown (no target) are left out and counted. Means over classes are over those that occur among
the labels, in each bootstrap draw too; a class that occurs but is never predicted has F1 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinesics.errors import UserError
from kinesics.metrics.bootstrap import (
    FEW_GROUPS,
    Array,
    Interval,
    draw_weights,
    effective_number,
    percentiles,
    units_of,
    wilson,
)
from kinesics.metrics.calibration import believed, calibration_error
from kinesics.metrics.class_means import Prior, class_counts, class_means
from kinesics.values import Scores

FEW_CLIPS = 10
"""Clips of a class below which its figures are uncertain."""
OVER = 0.5
"""The probability from which a multi-label class counts as predicted."""


@dataclass(frozen=True)
class ClassMetrics:
    """One class: its videos, and how well they are recognised."""

    name: str
    num_videos: int
    precision: Interval
    recall: Interval
    f1: Interval
    average_precision: float


@dataclass(frozen=True)
class Metrics:
    """All figures of one set of scores. confusion: (K, K), rows true, columns predicted; None where multi-label.

    calibration_error: of the probabilities, with the temperature that the scores' record names, if it names one.
    notes: what a reader of the figures should know, in sentences.
    """

    num_videos: int
    num_unknown: int
    figures: Mapping[str, Interval]
    per_class: tuple[ClassMetrics, ...]
    confusion: npt.NDArray[np.int64] | None
    calibration_error: float
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the figures, such as top1 and macro_f1."""
        return tuple(self.figures)

    def interval(self, name: str) -> Interval:
        """A figure with its interval."""
        return self.figures[name]

    def value(self, name: str) -> float:
        """A figure."""
        return self.figures[name].value

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "videos": self.num_videos,
            "unknown": self.num_unknown,
            **{name: asdict(interval) for name, interval in self.figures.items()},
            "calibration_error": self.calibration_error,
            "notes": list(self.notes),
            "per_class": [asdict(row) for row in self.per_class],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
        }


def evaluate(
    scores: Scores, *, groups: Mapping[str, str] | None = None, num_bootstrap: int = 1000, seed: int = 0
) -> Metrics:
    """The figures of `scores`: for single labels top1, top5 (of more than five classes), mean_class_accuracy, macro_f1,
    micro_f1; for multi-label scores mean_average_precision, macro_f1, micro_f1 (classes over one half) and exact_match.

    groups: the group of each video by its id, such as the person; intervals then say how figures move with other
    groups. num_bootstrap: draws of the intervals; 0 for none.

    Raises:
        UserError: no video has a known label.
    """
    known = scores.targets.any(axis=1)
    if not known.any():
        raise UserError("no video has a known label; there is nothing to measure")
    targets, logits = scores.targets[known], scores.logits[known]
    predicted = predictions(logits, scores.multi_label)
    names = [(groups or {}).get(scores.ids[index], "") for index in np.flatnonzero(known).tolist()]
    units = units_of(names)
    weights = draw_weights(units, num_bootstrap, seed)
    prior = Prior.draw(targets, units, num_bootstrap, seed)
    singles = single_figures(logits, targets) if not scores.multi_label else multi_figures(logits, targets, predicted)
    figures = {
        name: wilson(float(hits.mean()), effective_number(hits, units)) if num_bootstrap else point(float(hits.mean()))
        for name, hits in singles.items()
    }
    ones = np.ones((1, len(targets)))
    means = class_means(ones, targets, predicted, scores.multi_label)
    drawn = class_means(weights, targets, predicted, scores.multi_label, prior)
    values = np.array([figure[0] for figure in means.values()])
    figures |= dict(zip(means, percentiles(values, np.stack([*drawn.values()], axis=1)), strict=True))
    precision = average_precisions(logits, targets)
    if scores.multi_label:
        mean = float(precision[targets.any(axis=0)].mean())
        rows = [average_precisions(logits, targets, row) for row in weights[:200]]
        found = percentiles(np.array([mean]), np.array([[np.nanmean(row)] for row in rows]).reshape(-1, 1))
        figures = {"mean_average_precision": found[0], **figures}
    return Metrics(
        num_videos=len(targets),
        num_unknown=int((~known).sum()),
        figures=figures,
        per_class=class_rows(scores.classes, targets, predicted, weights, prior, precision),
        confusion=None if scores.multi_label else confusion_matrix(targets, predicted),
        calibration_error=calibration_error(believed(scores)),
        notes=tuple(notes_of(scores.classes, targets, names)) if num_bootstrap else (),
    )


def point(value: float) -> Interval:
    """A figure without an interval."""
    return Interval(value, value, value)


def notes_of(classes: Sequence[str], targets: npt.NDArray[np.bool_], groups: Sequence[str]) -> list[str]:
    """What few groups or few clips mean for the figures, in sentences."""
    notes = []
    num_groups = len(set(groups) - {""})
    if all(groups) and num_groups < FEW_GROUPS:
        what = "one group" if num_groups == 1 else f"{num_groups} groups"
        notes.append(f"the clips are of {what}: the figures say next to nothing about other groups (people, sources)")
    counts = targets.sum(axis=0)
    if few := [name for name, count in zip(classes, counts, strict=True) if 0 < count < FEW_CLIPS]:
        names = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        notes.append(f"fewer than {FEW_CLIPS} clips of {names}: cross-validation tests every clip once")
    return notes


def predictions(logits: npt.NDArray[np.float32], multi_label: bool) -> npt.NDArray[np.bool_]:
    """(M, K) bool: the class with the highest score (the first, where several are), or all over one half."""
    if multi_label:
        return np.asarray(logits > np.log(OVER / (1 - OVER)))
    return np.asarray(np.eye(logits.shape[1], dtype=np.bool_)[logits.argmax(axis=1)])


def single_figures(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.bool_]) -> dict[str, Array]:
    """top1 of each video (M,), and top5 where there are more than five classes: whether the label is among the best."""
    truth = logits[targets][:, None]  # one label per video
    # Of equal scores the first class counts as the better one, as argmax has it.
    ahead = (logits > truth) | ((logits == truth) & (np.arange(logits.shape[1]) < targets.argmax(axis=1)[:, None]))
    rank = ahead.sum(axis=1)
    best = (1, 5) if logits.shape[1] > 5 else (1,)
    return {f"top{k}": (rank < k).astype(np.float64) for k in best}


def multi_figures(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]
) -> dict[str, Array]:
    """exact_match of each video (M,): whether just its labels are over one half."""
    return {"exact_match": (predicted == targets).all(axis=1).astype(np.float64)}


def class_rows(
    classes: Sequence[str],
    targets: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.bool_],
    weights: Array,
    prior: Prior,
    precision: Array,
) -> tuple[ClassMetrics, ...]:
    """Precision, recall, F1 and average precision of each class; NaN where a figure is not defined."""

    def figures(hits: Array, actual: Array, claimed: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.concatenate([hits / claimed, hits / actual, 2 * hits / (actual + claimed)], axis=1)

    values = figures(*class_counts(np.ones((1, len(targets))), targets, predicted))[0]
    columns = percentiles(values, figures(*class_counts(weights, targets, predicted, prior)))
    num_classes = len(classes)
    return tuple(
        ClassMetrics(
            name=name,
            num_videos=int(targets[:, k].sum()),
            precision=columns[k],
            recall=columns[num_classes + k],
            f1=columns[2 * num_classes + k],
            average_precision=float(precision[k]),
        )
        for k, name in enumerate(classes)
    )


def average_precisions(
    logits: npt.NDArray[np.float32],
    targets: npt.NDArray[np.bool_],
    weights: Array | None = None,
) -> Array:
    """(K,) the area under each class's precision-recall steps, as scikit-learn's; NaN for classes without a video."""
    weight = np.ones(len(logits)) if weights is None else weights.astype(np.float64)
    result = np.full(logits.shape[1], np.nan)
    for k in range(logits.shape[1]):
        order = np.argsort(-logits[:, k], kind="stable")
        hit, seen = weight[order] * targets[order, k], weight[order]
        if not hit.sum():
            continue
        scores = logits[order, k]
        last = np.append(scores[1:] != scores[:-1], True)  # equal scores are one step
        true, all_ = np.cumsum(hit)[last], np.cumsum(seen)[last]
        gained = np.diff(true, prepend=0.0)
        ratio = np.divide(true, all_, out=np.zeros_like(true), where=all_ > 0)
        result[k] = float((ratio * gained).sum() / true[-1])
    return result


def confusion_matrix(targets: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(K, K) counts: rows are the true classes, columns the predicted ones."""
    return targets.astype(np.int64).T @ predicted.astype(np.int64)


def macro_f1(scores: Scores) -> float:
    """The mean F1 of the classes that occur: what the best epoch is chosen by."""
    known = scores.targets.any(axis=1)
    targets = scores.targets[known]
    predicted = predictions(scores.logits[known], scores.multi_label)
    return float(class_means(np.ones((1, len(targets))), targets, predicted, scores.multi_label)["macro_f1"][0])


def pool(parts: Sequence[Scores]) -> Scores:
    """The scores of several folds as one set.

    Raises:
        UserError: they are of different classes, or a video is in two of them.
    """
    first = parts[0]
    for part in parts[1:]:
        if (part.classes, part.multi_label) != (first.classes, first.multi_label):
            raise UserError("scores of different classes cannot be pooled")
    ids = tuple(name for part in parts for name in part.ids)
    if twice := sorted(name for name, count in Counter(ids).items() if count > 1):
        raise UserError(f"'{twice[0]}' was scored in two folds; pooled scores have one row per video")
    return Scores(
        ids=ids,
        logits=np.concatenate([part.logits for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        classes=first.classes,
        multi_label=first.multi_label,
        record={"pooled": [dict(part.record) for part in parts]},
        digests=tuple(digest for part in parts for digest in part.digests) if all(p.digests for p in parts) else (),
    )


def record_of_scores(scores: Scores) -> Mapping[str, Any]:
    """How scores came about; of a cross-validation's, which are pooled, how those of the first fold did."""
    pooled = scores.record.get("pooled")
    return pooled[0] if pooled else scores.record
