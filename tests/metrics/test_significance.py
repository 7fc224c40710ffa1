"""Paired comparisons against counts by hand, SciPy and scikit-learn."""

from __future__ import annotations

import dataclasses
import math
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from kinesics.errors import UserError
from kinesics.metrics.matching import common_clips
from kinesics.metrics.significance import compare, draws, holm, mcnemar
from kinesics.values import Scores
from tests.metrics.test_accuracy import scores_of


def two_runs(seed: int, num_videos: int = 60, num_classes: int = 4) -> tuple[Scores, Scores, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(num_classes, size=num_videos)
    truth = np.eye(num_classes)[labels]
    made = [scores_of(labels.tolist(), random.normal(size=truth.shape) + gain * truth) for gain in (0.8, 1.6)]
    return made[0], made[1], labels


@settings(max_examples=60)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_mcnemar_is_a_toss_of_coins(only_first: int, only_second: int, both: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * both, dtype=bool)
    second = np.array([False] * only_first + [True] * only_second + [True] * both, dtype=bool)
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(tosses, k) for k in range(fewer + 1)) / 2**tosses
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(first, second) == mcnemar(second, first)
    if tosses:
        assert mcnemar(first, second) == binomtest(fewer, tosses).pvalue


def test_mcnemar_nears_the_chi_square_of_many_clips() -> None:
    first = np.repeat([True, False], [1040, 960])
    corrected = (abs(1040 - 960) - 1) ** 2 / 2000
    assert mcnemar(first, ~first) == pytest.approx(chi2.sf(corrected, 1), rel=0.02)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_differences_equal_scikit_learn(seed: int) -> None:
    first, second, labels = two_runs(seed)
    pair = compare(first, second, num_bootstrap=0)
    a, b = first.logits.argmax(axis=1), second.logits.argmax(axis=1)
    present = np.unique(labels)
    assert pair.figures["top1"].value == pytest.approx(accuracy_score(labels, b) - accuracy_score(labels, a))
    balanced = balanced_accuracy_score(labels, b) - balanced_accuracy_score(labels, a)
    assert pair.figures["mean_class_accuracy"].value == pytest.approx(balanced)
    macro = [f1_score(labels, each, labels=present, average="macro", zero_division=0) for each in (b, a)]
    assert pair.figures["macro_f1"].value == pytest.approx(macro[0] - macro[1])
    recalls = [recall_score(labels, each, labels=present, average=None) for each in (b, a)]
    assert [pair.per_class[k].recall.value for k in present] == pytest.approx(recalls[0] - recalls[1])
    f1 = [f1_score(labels, each, labels=present, average=None, zero_division=0) for each in (b, a)]
    assert [pair.per_class[k].f1.value for k in present] == pytest.approx(f1[0] - f1[1])
    only_b = [name for name, x, y, truth in zip(first.ids, a, b, labels, strict=True) if y == truth != x]
    assert pair.only_second == tuple(only_b)
    assert pair.num_both + pair.num_neither + len(pair.only_first) + len(pair.only_second) == len(labels) == 60


def test_paired_intervals_are_narrower_and_the_same_again() -> None:
    first, _, labels = two_runs(1, num_videos=200)
    changed = first.logits.copy()
    wrong = np.flatnonzero(changed.argmax(axis=1) != labels)[:12]
    changed[wrong] = 9 * np.eye(4)[labels[wrong]]
    second = dataclasses.replace(first, logits=changed)
    gain = compare(first, second).figures["top1"]
    # Each draw's difference is a binomial count of the 12 clips among 200.
    spread = math.sqrt(0.06 * 0.94 / 200)
    assert gain.value == pytest.approx(0.06)
    assert gain.low == pytest.approx(0.06 - 1.96 * spread, abs=0.012)
    assert gain.high == pytest.approx(0.06 + 1.96 * spread, abs=0.012)
    assert gain == compare(first, second).figures["top1"]


def test_rows_may_stand_in_another_order() -> None:
    first, second, _ = two_runs(2)
    order = np.random.default_rng(0).permutation(60)
    shuffled = dataclasses.replace(
        second, ids=tuple(second.ids[i] for i in order), logits=second.logits[order], targets=second.targets[order]
    )
    assert compare(first, shuffled) == compare(first, second)


def test_a_run_is_as_good_as_itself_and_swapping_changes_signs() -> None:
    first, second, _ = two_runs(3)
    same = compare(first, first)
    assert (same.p_value, same.only_first, same.only_second) == (1.0, (), ())
    assert {(i.value, i.low, i.high) for i in same.figures.values()} == {(0.0, 0.0, 0.0)}
    forth, back = compare(first, second), compare(second, first)
    for name, interval in forth.figures.items():
        assert (interval.low, interval.high) == pytest.approx((-back.figures[name].high, -back.figures[name].low))


def test_clips_of_a_group_come_together() -> None:
    ids = [f"v{i}" for i in range(6)]
    counts, number = draws(ids, {"v0": "ann", "v1": "ann", "v2": "ann", "v3": "bob"}, 200, 0)
    assert number == 4  # ann, bob, and two clips that are alone
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, 4] != counts[:, 5]).any()
    for groups in ({}, dict.fromkeys(ids, "one"), {name: name for name in ids}):
        assert draws(ids, groups, 5, 0)[1] is None


def test_intervals_of_few_groups_are_wider() -> None:
    first, second, _ = two_runs(4, num_videos=200)
    truth = first.targets.argmax(1)
    gains = (second.logits.argmax(1) == truth) * 1 - (first.logits.argmax(1) == truth)
    order = np.argsort(gains, kind="stable")  # clips of a group fare alike
    groups = {first.ids[row]: f"g{place // 20}" for place, row in enumerate(order)}
    by_clip, by_group = compare(first, second), compare(first, second, groups=groups)
    assert (by_clip.num_groups, by_group.num_groups) == (None, 10)
    width = [each.figures["top1"].high - each.figures["top1"].low for each in (by_clip, by_group)]
    assert width[1] > 2 * width[0]
    assert by_clip.figures["top1"].value == by_group.figures["top1"].value


def test_other_clips_are_named_or_left_out_on_demand() -> None:
    first, second, _ = two_runs(5)
    fewer = dataclasses.replace(second, ids=second.ids[:58], logits=second.logits[:58], targets=second.targets[:58])
    with pytest.raises(UserError, match="tsn: scores of other videos than tsm's: it lacks v58, v59"):
        compare(first, fewer, names=("tsm", "tsn"))
    shared, left_out = common_clips({"tsm": first, "tsn": fewer})
    assert left_out == 2
    assert shared["tsm"].ids == shared["tsn"].ids == first.ids[:58]
    assert np.array_equal(shared["tsm"].logits, first.logits[:58])
    with pytest.raises(UserError, match="no clip was scored by all of tsm, tsn"):
        common_clips({"tsm": first, "tsn": dataclasses.replace(second, ids=tuple(f"w{i}" for i in range(60)))})
    with pytest.raises(UserError, match="other labels"):
        compare(first, dataclasses.replace(second, targets=np.roll(second.targets, 1, axis=1)))


def test_unknown_labels_are_left_out() -> None:
    first, second, _ = two_runs(6)
    targets = first.targets.copy()
    targets[:50] = False
    made = [dataclasses.replace(each, targets=targets) for each in (first, second)]
    assert compare(*made).num_videos == 10
    with pytest.raises(UserError, match="no video has a known label"):
        compare(*(dataclasses.replace(each, targets=np.zeros_like(targets)) for each in made))


def test_multi_label_counts_clips_with_all_labels_right() -> None:
    targets = np.array([[1, 1], [1, 0], [0, 1]], dtype=bool)
    right, wrong = np.where(targets, 2.0, -2.0), np.array([[2.0, -2], [2, -2], [2, 2]])
    made = [scores_of([0] * 3, logits, targets=targets, multi_label=True) for logits in (wrong, right)]
    pair = compare(*made, num_bootstrap=0)
    assert (pair.num_both, pair.only_first, pair.only_second) == (1, (), ("v0", "v2"))
    assert pair.figures["exact_match"].value == pytest.approx(2 / 3)
    before = f1_score(targets, wrong > 0, average="macro")
    assert pair.figures["macro_f1"].value == pytest.approx(1 - before)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
