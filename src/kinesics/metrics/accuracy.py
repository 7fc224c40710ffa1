"""Figures of Scores: accuracies, F1, average precision and confusion, each with a bootstrap 95 % interval.

Videos whose label is unknown (no target) are left out and counted. Means over classes are over those that occur among
the labels, in each bootstrap draw too; a class that occurs but is never predicted has F1 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinesics.errors import UserError
from kinesics.files import write_text
from kinesics.metrics.bootstrap import Array, Interval, draw_counts, intervals
from kinesics.metrics.calibration import believed, calibration_error
from kinesics.values import Scores

OVER = 0.5
"""The probability from which a multi-label class counts as predicted."""


@dataclass(frozen=True)
class ClassMetrics:
    """One class: its videos, and how well they were told."""

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
    """

    num_videos: int
    num_unknown: int
    figures: Mapping[str, Interval]
    per_class: tuple[ClassMetrics, ...]
    confusion: npt.NDArray[np.int64] | None
    calibration_error: float

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
            "per_class": [asdict(row) for row in self.per_class],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
        }


def evaluate(scores: Scores, *, num_bootstrap: int = 1000, seed: int = 0) -> Metrics:
    """The figures of `scores`: for single labels top1, top5, mean_class_accuracy, macro_f1, micro_f1; for multi-label
    scores mean_average_precision, macro_f1, micro_f1 (classes over one half) and exact_match.

    num_bootstrap: draws of the intervals; 0 for none.

    Raises:
        UserError: no video has a known label.
    """
    known = scores.targets.any(axis=1)
    if not known.any():
        raise UserError("no video has a known label; there is nothing to measure")
    targets, logits = scores.targets[known], scores.logits[known]
    predicted = predictions(logits, scores.multi_label)
    counts = draw_counts(len(targets), num_bootstrap, seed)
    singles = single_figures(logits, targets) if not scores.multi_label else multi_figures(logits, targets, predicted)

    def overall(weights: Array) -> Array:
        shared = [hits @ weights.T / weights.sum(axis=1) for hits in singles.values()]
        return np.stack([*shared, *class_means(weights, targets, predicted, scores.multi_label).values()], axis=1)

    names = [*singles, *class_means(np.ones((1, len(targets))), targets, predicted, scores.multi_label)]
    figures = dict(zip(names, intervals(overall, counts), strict=True))
    precision = average_precisions(logits, targets)
    if scores.multi_label:
        occurring = targets.any(axis=0)
        mean = float(precision[occurring].mean())
        drawn = [average_precisions(logits, targets, row) for row in counts[: min(num_bootstrap, 200)]]
        means = [float(np.nanmean(row)) for row in drawn]
        low, high = np.percentile(means, [2.5, 97.5]) if means else (mean, mean)
        figures = {"mean_average_precision": Interval(mean, float(low), float(high)), **figures}
    return Metrics(
        num_videos=len(targets),
        num_unknown=int((~known).sum()),
        figures=figures,
        per_class=class_rows(scores.classes, targets, predicted, counts, precision),
        confusion=None if scores.multi_label else confusion_matrix(targets, predicted),
        calibration_error=calibration_error(believed(scores)),
    )


def predictions(logits: npt.NDArray[np.float32], multi_label: bool) -> npt.NDArray[np.bool_]:
    """(M, K) bool: the class with the highest score (the first, where several are), or all over one half."""
    if multi_label:
        return np.asarray(logits > np.log(OVER / (1 - OVER)))
    return np.asarray(np.eye(logits.shape[1], dtype=np.bool_)[logits.argmax(axis=1)])


def single_figures(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.bool_]) -> dict[str, Array]:
    """top1 and top5 of each video (M,): whether the label is among the best (all K, where there are fewer)."""
    truth = logits[targets][:, None]  # one label a video
    # Of equal scores the first class counts as the better one, as argmax has it.
    ahead = (logits > truth) | ((logits == truth) & (np.arange(logits.shape[1]) < targets.argmax(axis=1)[:, None]))
    rank = ahead.sum(axis=1)
    return {"top1": (rank < 1).astype(np.float64), "top5": (rank < 5).astype(np.float64)}


def multi_figures(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]
) -> dict[str, Array]:
    """exact_match of each video (M,): whether just its labels are over one half."""
    return {"exact_match": (predicted == targets).all(axis=1).astype(np.float64)}


def class_means(
    weights: Array, targets: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_], multi_label: bool
) -> dict[str, Array]:
    """(B, M) weights → figures (B,) that are means over the classes that occur, and micro F1."""
    hits = weights @ (targets & predicted)
    actual, claimed = weights @ targets, weights @ predicted
    occurs = actual > 0
    f1 = np.divide(2 * hits, actual + claimed, out=np.zeros_like(hits), where=actual + claimed > 0)
    recall = np.divide(hits, actual, out=np.zeros_like(hits), where=occurs)
    number = occurs.sum(axis=1)
    figures = {} if multi_label else {"mean_class_accuracy": (recall * occurs).sum(axis=1) / number}
    both = actual.sum(axis=1) + claimed.sum(axis=1)
    return {
        **figures,
        "macro_f1": (f1 * occurs).sum(axis=1) / number,
        "micro_f1": 2 * hits.sum(axis=1) / both,
    }


def class_rows(
    classes: Sequence[str],
    targets: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
    precision: Array,
) -> tuple[ClassMetrics, ...]:
    """Precision, recall, F1 and average precision of each class; NaN where a figure is not defined."""

    def figures(weights: Array) -> Array:
        hits, actual, claimed = weights @ (targets & predicted), weights @ targets, weights @ predicted
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.concatenate([hits / claimed, hits / actual, 2 * hits / (actual + claimed)], axis=1)

    columns = intervals(figures, counts)
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
    weights: npt.NDArray[np.int64] | None = None,
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
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise UserError(f"'{twice[0]}' was scored in two folds; pooled scores have one row a video")
    return Scores(
        ids=ids,
        logits=np.concatenate([part.logits for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        classes=first.classes,
        multi_label=first.multi_label,
        record={"pooled": [dict(part.record) for part in parts]},
    )


def write_per_class_csv(metrics: Metrics, path: Path) -> None:
    """Write a line a class: videos, precision, recall, F1 with their intervals, and average precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = ("precision", "recall", "f1")
    header = [column for kind in kinds for column in (kind, f"{kind}_low", f"{kind}_high")]
    writer.writerow(["class", "videos", *header, "average_precision"])
    for row in metrics.per_class:
        cells = [number for kind in kinds for number in asdict(getattr(row, kind)).values()]
        writer.writerow([row.name, row.num_videos, *(f"{c:.6g}" for c in cells), f"{row.average_precision:.6g}"])
    write_text(path, text.getvalue())


def write_confusion_csv(metrics: Metrics, path: Path) -> None:
    """Write the confusion matrix: a line a true class, a column a predicted one."""
    if metrics.confusion is None:
        raise ValueError("multi-label scores have no confusion matrix")
    names = [row.name for row in metrics.per_class]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *names])
    writer.writerows([name, *counts] for name, counts in zip(names, metrics.confusion.tolist(), strict=True))
    write_text(path, text.getvalue())
