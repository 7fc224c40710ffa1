"""Calibration: known temperatures come back, errors are torchmetrics', thresholds meet their targets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from kinesics.errors import UserError
from kinesics.metrics.calibration import (
    calibrate,
    calibration_error,
    confidences,
    fit_temperature,
    judged,
    negative_log_likelihood,
    probabilities,
    reliability,
    threshold_of_answers,
    threshold_of_others,
)
from kinesics.values import Scores


def drawn(temperature: float, *, num: int = 4000, classes: int = 5, multi_label: bool = False, seed: int = 0) -> Scores:
    """Scores whose labels are drawn from the probabilities of logits / temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=4.0, size=(num, classes)).astype(np.float32)
    names = tuple(f"c{k}" for k in range(classes))
    empty = np.zeros((num, classes), dtype=bool)
    scores = Scores(tuple(f"v{i}" for i in range(num)), logits / np.float32(temperature), empty, names, multi_label)
    probs = probabilities(scores)
    if multi_label:
        targets = random.random(probs.shape) < probs
        targets[~targets.any(axis=1), 0] = True
    else:
        targets = np.eye(classes, dtype=bool)[(random.random((num, 1)) > probs.cumsum(axis=1)[:, :-1]).sum(axis=1)]
    return dataclasses.replace(scores, logits=logits, targets=targets)


def with_others(scores: Scores, logits: np.ndarray) -> Scores:
    """The scores with more rows, of clips that show none of the classes."""
    return dataclasses.replace(
        scores,
        ids=(*scores.ids, *(f"none{i}" for i in range(len(logits)))),
        logits=np.concatenate([scores.logits, logits.astype(np.float32)]),
        targets=np.concatenate([scores.targets, np.zeros(logits.shape, dtype=bool)]),
    )


# Temperature


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7, 6.0])
def test_a_known_temperature_comes_back(temperature: float) -> None:
    scores = drawn(temperature)
    assert fit_temperature(scores) == pytest.approx(temperature, rel=0.05)
    found = calibrate(scores)
    assert found.error_after < 0.03
    if temperature > 1:
        assert found.error_before > 0.05
    others = with_others(scores, np.full((500, 5), 7.0))
    assert fit_temperature(others) == pytest.approx(fit_temperature(scores)), "clips of no class say nothing of it"


def test_a_known_temperature_of_many_labels_comes_back() -> None:
    scores = drawn(2.5, classes=12, multi_label=True)
    assert fit_temperature(scores) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_other_temperature_is_likelier(multi_label: bool) -> None:
    scores = drawn(1.6, num=60, multi_label=multi_label)
    best = fit_temperature(scores)

    def loss(temperature: float) -> float:
        return negative_log_likelihood(scores.logits.astype(np.float64) / temperature, scores.targets, multi_label)

    assert all(loss(best) <= loss(best * factor) + 1e-12 for factor in (0.5, 0.9, 0.999, 1.001, 1.1, 2.0))
    torch_loss = torch.nn.functional.multilabel_soft_margin_loss if multi_label else torch.nn.functional.cross_entropy
    wanted = torch_loss(torch.from_numpy(scores.logits).double(), torch.from_numpy(scores.targets).double())
    assert loss(1.0) == pytest.approx(float(wanted) * (5 if multi_label else 1))


@pytest.mark.parametrize("multi_label", [False, True])
def test_where_all_is_right_the_temperature_stays(multi_label: bool) -> None:
    targets = np.eye(3, dtype=bool)[[0, 1, 2, 0]]
    scores = Scores(tuple("abcd"), np.where(targets, 2.0, -2.0).astype(np.float32), targets, tuple("xyz"), multi_label)
    assert fit_temperature(scores) == 1.0


def test_scores_worse_than_a_guess_get_the_highest_temperature() -> None:
    targets = np.eye(3, dtype=bool)[[0, 1, 2]]
    scores = Scores(tuple("abc"), np.where(targets, -3.0, 3.0).astype(np.float32), targets, tuple("xyz"))
    assert fit_temperature(scores) == pytest.approx(20.0, rel=1e-3)


# Calibration error


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(2, 6), st.sampled_from([1, 10, 15]))
def test_the_error_is_that_of_torchmetrics(seed: int, num: int, classes: int, num_bins: int) -> None:
    scores = drawn(3.0, num=num, classes=classes, seed=seed)
    probs, labels = torch.from_numpy(probabilities(scores)), torch.from_numpy(scores.targets.argmax(axis=1))
    wanted = multiclass_calibration_error(probs, labels, classes, n_bins=num_bins)
    assert calibration_error(scores, num_bins) == pytest.approx(float(wanted), abs=1e-6)


def test_the_error_of_many_labels_is_that_of_torchmetrics() -> None:
    scores = drawn(3.0, num=200, multi_label=True)
    probs, targets = torch.from_numpy(probabilities(scores)), torch.from_numpy(scores.targets)
    wanted = binary_calibration_error(probs.flatten(), targets.flatten().int(), n_bins=15)
    assert calibration_error(scores) == pytest.approx(float(wanted), abs=1e-6)


def test_answers_that_are_quite_sure_are_a_bin_of_their_own() -> None:
    logits = np.array([[90, 0], [90, 0], [3, 0], [0, 90]], dtype=np.float32)
    scores = Scores(tuple("abcd"), logits, np.eye(2, dtype=bool)[[0, 1, 0, 1]], ("x", "y"))
    probs, labels = torch.from_numpy(probabilities(scores)), torch.tensor([0, 1, 0, 1])
    assert calibration_error(scores) == pytest.approx(float(multiclass_calibration_error(probs, labels, 2)), abs=1e-6)
    bins = reliability(*judged(scores))
    assert [(round(one.low, 3), one.high, one.num_answers) for one in bins if one.num_answers] == [
        (0.933, 1.0, 1),
        (1.0, 1.0, 3),
    ]


def test_bins_by_hand() -> None:
    bins = reliability(np.array([0.1, 0.3, 0.45, 0.5]), np.array([True, False, True, True]), 2)
    assert [one.num_answers for one in bins] == [3, 1]
    assert [one.confidence for one in bins] == pytest.approx([0.85 / 3, 0.5])
    assert [one.accuracy for one in bins] == pytest.approx([2 / 3, 1.0])


# Thresholds


def test_a_threshold_against_others_by_hand() -> None:
    others, known = np.array([0.2, 0.8, 0.4, 0.6]), np.array([0.5, 0.7, 0.9])
    for share, wanted in ((1.0, 0.0), (0.75, 0.3), (0.5, 0.45), (0.25, 0.65), (0.24, 0.85), (0.0, 0.85)):
        assert threshold_of_others(others, known, share) == pytest.approx(wanted)
    assert 0.8 < threshold_of_others(others, np.array([0.1]), 0.0) < 0.8 + 1e-9, "just above, where none is surer"


def test_a_threshold_of_answers_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, False])
    for share, wanted in ((0.4, 0.0), (0.3, 0.55), (0.2, 0.75), (0.0, 0.75)):
        assert threshold_of_answers(confidence, right, share) == pytest.approx(wanted)
    assert 0.9 < threshold_of_answers(confidence, np.zeros(5, dtype=bool), 0.1) < 0.9 + 1e-9
    assert threshold_of_answers(np.array([0.5, 0.5]), np.array([True, False]), 0.1) > 0.5, "equal ones go together"


LEVELS = st.integers(0, 20).map(lambda number: number / 20)


@given(st.lists(LEVELS, min_size=1, max_size=30), st.lists(LEVELS, max_size=30), st.floats(0, 1))
def test_the_threshold_meets_its_target_and_is_the_smallest(
    others: list[float], known: list[float], share: float
) -> None:
    values = np.array(others)
    threshold = threshold_of_others(values, np.array(known), share)
    assert (values >= threshold).sum() <= share * len(values) + 1e-6
    lower = [value for value in others if value < threshold]
    assert not lower or (values >= max(lower)).sum() > share * len(values) - 1e-6


@given(st.lists(st.tuples(LEVELS, st.booleans()), min_size=1, max_size=30), st.floats(0, 1))
def test_the_answers_given_meet_their_target(answers: list[tuple[float, bool]], share: float) -> None:
    confidence, right = (np.array(column) for column in zip(*answers, strict=True))
    threshold = threshold_of_answers(confidence, right, share)
    given_ = confidence >= threshold
    assert (~right & given_).sum() <= share * given_.sum() + 1e-6
    for lower in {value for value, _ in answers if value < threshold}:
        given_ = confidence >= lower
        assert (~right & given_).sum() > share * given_.sum() - 1e-6, "no smaller one would do"


# All together


def test_of_clips_that_show_none_a_share_is_called_one() -> None:
    random = np.random.default_rng(3)
    scores = with_others(drawn(2.0, num=300), random.normal(scale=1.5, size=(200, 5)))
    found = calibrate(scores, 0.05)
    tempered = confidences(dataclasses.replace(scores, logits=scores.logits / found.temperature))
    assert (tempered[300:] >= found.threshold).sum() == found.num_none_called == 10
    assert (found.num_clips, found.num_none) == (300, 200)
    assert (tempered[:300] < found.threshold).sum() == found.num_rejected > 0
    assert found.auroc is not None
    pairs = (tempered[:300, None] > tempered[None, 300:]).mean()
    assert found.auroc == pytest.approx(pairs, abs=1e-9)
    assert calibrate(scores, 0.5).threshold < found.threshold


def test_without_such_clips_a_share_of_the_answers_is_wrong() -> None:
    scores = drawn(2.0, num=500)
    found = calibrate(scores, 0.1)
    given_ = found.num_clips - found.num_rejected
    assert found.auroc is None
    assert found.num_none == 0
    assert found.num_wrong <= 0.1 * given_
    assert found.num_wrong / given_ > 0.05, "it gives as many answers as it may"
    assert found.num_right == (scores.logits.argmax(axis=1) == scores.targets.argmax(axis=1)).sum()
    assert found.to_dict()["threshold"] == found.threshold


def test_what_cannot_be_is_said() -> None:
    scores = drawn(2.0, num=10)
    with pytest.raises(UserError, match="a share from 0 to 1, found 5"):
        calibrate(scores, 5)
    with pytest.raises(UserError, match="no clip shows one of the classes"):
        calibrate(dataclasses.replace(scores, targets=np.zeros_like(scores.targets)))
