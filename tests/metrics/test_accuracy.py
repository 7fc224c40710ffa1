"""Figures of scores against scikit-learn and by hand."""

from __future__ import annotations

import csv
import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from kinesics.errors import UserError
from kinesics.metrics.accuracy import average_precisions, evaluate, macro_f1, pool
from kinesics.metrics.bootstrap import draw_counts
from kinesics.metrics.tables import write_confusion_csv, write_per_class_csv
from kinesics.values import Scores


def scores_of(labels: list[int], logits: np.ndarray, **changes: object) -> Scores:
    num_classes = logits.shape[1]
    targets = np.zeros((len(labels), num_classes), dtype=bool)
    for row, label in zip(targets, labels, strict=True):
        if label >= 0:
            row[label] = True
    made = Scores(
        tuple(f"v{i}" for i in range(len(labels))),
        logits.astype(np.float32),
        targets,
        tuple(f"c{k}" for k in range(num_classes)),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 8), st.integers(0, 10_000))
def test_equal_scikit_learn(num_videos: int, num_classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(num_classes, size=num_videos)
    logits = random.normal(size=(num_videos, num_classes)) + 1.5 * np.eye(num_classes)[labels]
    scores = scores_of(labels.tolist(), logits)
    metrics = evaluate(scores, num_bootstrap=0)
    predicted = scores.logits.argmax(axis=1)
    present = np.unique(labels)
    assert metrics.value("top1") == pytest.approx((predicted == labels).mean())
    assert metrics.value("mean_class_accuracy") == pytest.approx(
        np.mean([(predicted[labels == k] == k).mean() for k in present])
    )
    f1 = f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    assert metrics.value("macro_f1") == pytest.approx(f1) == pytest.approx(macro_f1(scores))
    assert metrics.value("micro_f1") == pytest.approx((predicted == labels).mean())
    if num_classes > 5:
        top5 = top_k_accuracy_score(labels, scores.logits, k=5, labels=range(num_classes))
        assert metrics.value("top5") == pytest.approx(top5)
    else:
        assert "top5" not in metrics.names, "all answers are among the best five"
    assert metrics.confusion is not None
    assert np.array_equal(metrics.confusion, confusion_matrix(labels, predicted, labels=range(num_classes)))
    precision, recall, each, support = precision_recall_fscore_support(
        labels, predicted, labels=range(num_classes), zero_division=np.nan
    )
    for k, row in enumerate(metrics.per_class):
        assert row.num_videos == support[k]
        assert row.precision.value == pytest.approx(precision[k], nan_ok=True)
        assert row.recall.value == pytest.approx(recall[k], nan_ok=True)
        if support[k]:
            assert row.f1.value == pytest.approx(each[k])


def test_balanced_accuracy_of_all_classes() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(4, size=200)
    scores = scores_of(labels.tolist(), random.normal(size=(200, 4)))
    want = balanced_accuracy_score(labels, scores.logits.argmax(axis=1))
    assert evaluate(scores, num_bootstrap=0).value("mean_class_accuracy") == pytest.approx(want)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(2, 5), st.integers(0, 10_000))
def test_multi_label_equals_scikit_learn(num_videos: int, num_classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    targets = random.random((num_videos, num_classes)) < 0.4
    targets[~targets.any(axis=1), 0] = True
    logits = np.round(random.normal(size=(num_videos, num_classes)) + targets, 1)  # with ties
    scores = scores_of([0] * num_videos, logits, targets=targets, multi_label=True)
    metrics = evaluate(scores, num_bootstrap=0)
    present = targets.any(axis=0)
    want = [average_precision_score(targets[:, k], scores.logits[:, k]) for k in np.flatnonzero(present)]
    assert metrics.value("mean_average_precision") == pytest.approx(np.mean(want))
    predicted = scores.logits > 0
    f1 = f1_score(targets, predicted, labels=np.flatnonzero(present), average="macro", zero_division=0)
    assert metrics.value("macro_f1") == pytest.approx(f1)
    assert metrics.value("micro_f1") == pytest.approx(f1_score(targets, predicted, average="micro", zero_division=0))
    assert metrics.value("exact_match") == pytest.approx((predicted == targets).all(axis=1).mean())
    assert metrics.confusion is None


def test_weights_of_average_precision_are_repeats() -> None:
    random = np.random.default_rng(0)
    targets, logits = random.random((12, 2)) < 0.5, random.normal(size=(12, 2)).astype(np.float32)
    counts = draw_counts(12, 1, 5)[0]
    rows = np.repeat(np.arange(12), counts)
    assert average_precisions(logits, targets, counts) == pytest.approx(average_precisions(logits[rows], targets[rows]))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        labels = random.integers(2, size=80)
        right = random.random(80) < 0.7
        logits = np.eye(2)[np.where(right, labels, 1 - labels)]
        interval = evaluate(scores_of(labels.tolist(), logits), num_bootstrap=300).interval("top1")
        assert interval.low <= interval.value <= interval.high
        held += interval.low <= 0.7 <= interval.high
    assert held >= 50  # 57 of 60 would be 95 %


def test_intervals_are_the_same_again_and_quick() -> None:
    random = np.random.default_rng(2)
    scores = scores_of(random.integers(100, size=2000).tolist(), random.normal(size=(2000, 100)))
    started = time.process_time()
    first = evaluate(scores)
    assert time.process_time() - started < 10
    assert first.interval("macro_f1") == evaluate(scores).interval("macro_f1")


def test_unknown_labels_are_left_out_and_counted() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]]
    metrics = evaluate(scores_of([0, 1, -1, -1], logits), num_bootstrap=10)
    assert (metrics.num_videos, metrics.num_unknown) == (2, 2)
    assert metrics.value("top1") == 1
    with pytest.raises(UserError, match="no video has a known label"):
        evaluate(scores_of([-1], logits[:1]))


def test_pooling_keeps_every_video_once() -> None:
    a = scores_of([0, 1], np.eye(2))
    b = dataclasses.replace(a, ids=("w0", "w1"))
    assert pool([a, b]).ids == ("v0", "v1", "w0", "w1")
    with pytest.raises(UserError, match="'v0' was scored in two folds"):
        pool([a, a])
    with pytest.raises(UserError, match="different classes"):
        pool([a, dataclasses.replace(b, classes=("x", "y"))])


def test_tables_on_disk(tmp_path: Path) -> None:
    metrics = evaluate(scores_of([0, 0, 1], np.array([[2, 1], [0, 1], [0, 1.0]])), num_bootstrap=20)
    write_confusion_csv(metrics, tmp_path / "confusion.csv")
    rows = list(csv.reader((tmp_path / "confusion.csv").open()))
    assert rows == [["true \\ predicted", "c0", "c1"], ["c0", "1", "1"], ["c1", "0", "1"]]
    write_per_class_csv(metrics, tmp_path / "per_class.csv")
    table = list(csv.DictReader((tmp_path / "per_class.csv").open()))
    assert [(row["class"], row["videos"], row["recall"]) for row in table] == [("c0", "2", "0.5"), ("c1", "1", "1")]
