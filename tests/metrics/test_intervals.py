"""Intervals cover the truth as often as they say, do not claim certainty, and know that clips of a person are alike."""

from __future__ import annotations

import numpy as np
import pytest

from kinesics.metrics.accuracy import evaluate
from kinesics.metrics.bootstrap import effective_number, units_of, wilson
from kinesics.values import Scores


def scores_of(right: np.ndarray, num_classes: int = 2) -> Scores:
    """Clips of classes in turn, each answered right or with the next class."""
    targets = np.eye(num_classes, dtype=np.bool_)[np.arange(len(right)) % num_classes]
    answers = (np.arange(len(right)) + ~right) % num_classes
    logits = np.eye(num_classes, dtype=np.float32)[answers]
    ids = tuple(str(i) for i in range(len(right)))
    return Scores(ids, logits, targets, tuple("abcdefgh"[:num_classes]))


@pytest.mark.parametrize("number", [8, 20, 100])
@pytest.mark.parametrize("accuracy", [0.5, 0.9])
def test_wilson_intervals_cover_a_true_share_about_95_times_in_100(number: int, accuracy: float) -> None:
    hits = np.random.default_rng(0).binomial(number, accuracy, size=20_000)
    found = {k: wilson(k / number, number) for k in range(number + 1)}
    covered = np.mean([found[k].low <= accuracy <= found[k].high for k in hits])
    assert 0.925 <= covered <= 0.975


@pytest.mark.parametrize("number", [8, 20, 100])
def test_all_right_is_no_certainty(number: int) -> None:
    interval = wilson(1.0, number)
    assert interval.high == 1.0
    assert interval.low < 1.0
    assert wilson(0.0, number).high == pytest.approx(1 - interval.low)
    metrics = evaluate(scores_of(np.ones(number, dtype=np.bool_)))
    for name in metrics.names:
        assert 0.5 < metrics.interval(name).low < 1.0, name
    assert all(row.f1.low < 1.0 for row in metrics.per_class)


@pytest.mark.parametrize(("number", "accuracy"), [(20, 0.9), (100, 0.5), (100, 0.9)])
def test_macro_f1_covers_its_true_value(number: int, accuracy: float) -> None:
    """The true macro F1 of two balanced classes with equal errors is the accuracy."""
    generator = np.random.default_rng(1)
    covered = []
    for draw in range(250):
        right = generator.random(number) < accuracy
        interval = evaluate(scores_of(right), num_bootstrap=200, seed=draw).interval("macro_f1")
        covered.append(interval.low <= accuracy <= interval.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_clips_of_a_person_count_as_little_as_they_are_alike() -> None:
    assert units_of(["ann", "", "ann", "ben", ""]).tolist() == [0, 1, 0, 2, 3]
    units = np.repeat(np.arange(5), 20)
    alike = np.repeat([1.0, 1.0, 1.0, 1.0, 0.0], 20)
    assert effective_number(alike, units) == pytest.approx(5, abs=1.1)
    mixed = np.tile([1.0] * 16 + [0.0] * 4, 5)
    assert effective_number(mixed, units) == 100
    assert effective_number(np.ones(100), units) == 5
    assert effective_number(alike, np.arange(100)) == 100


def test_one_person_says_next_to_nothing_about_others() -> None:
    scores = scores_of(np.ones(8, dtype=np.bool_))
    metrics = evaluate(scores, groups=dict.fromkeys(scores.ids, "ann"))
    assert metrics.interval("top1").low < 0.3
    assert any("the clips are of one group" in note for note in metrics.notes)
    many = evaluate(scores, groups={name: name for name in scores.ids})
    assert many.interval("top1").low > 0.6
    assert not any("group" in note for note in many.notes)
    assert any("fewer than 10 clips of a, b" in note for note in many.notes)
    assert "notes" in metrics.to_dict()
