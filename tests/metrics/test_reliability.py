"""Reliability bins and losses against torchmetrics, PyTorch and counts by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

from kinesics.errors import UserError
from kinesics.metrics.losses import video_losses
from kinesics.metrics.reliability import mean_gap, reliability
from tests.metrics.test_accuracy import scores_of


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(2, 6), st.integers(1, 20), st.integers(0, 10_000))
def test_the_mean_gap_equals_torchmetrics(num_videos: int, num_classes: int, bins: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(num_classes, size=num_videos)
    scores = scores_of(labels.tolist(), 2 * random.normal(size=(num_videos, num_classes)))
    made = reliability(scores, bins)
    metric = MulticlassCalibrationError(num_classes, n_bins=bins)
    want = float(metric(torch.from_numpy(scores.probs()), torch.from_numpy(labels)))
    assert mean_gap(made) == pytest.approx(want, abs=1e-5)
    assert sum(each.num_answers for each in made) == num_videos
    assert all(each.low - 1e-9 <= each.confidence <= each.high + 1e-9 for each in made if each.num_answers)


def test_multi_label_counts_every_class() -> None:
    random = np.random.default_rng(0)
    targets = random.random((30, 3)) < 0.5
    targets[:, 0] |= ~targets.any(axis=1)
    scores = scores_of([0] * 30, random.normal(size=(30, 3)), targets=targets, multi_label=True)
    probs, truth = torch.from_numpy(scores.probs()).ravel(), torch.from_numpy(targets).ravel()
    want = BinaryCalibrationError(n_bins=10)(probs, truth)
    assert mean_gap(reliability(scores, 10)) == pytest.approx(float(want), abs=1e-5)


def test_bins_by_hand() -> None:
    sure, unsure = np.log([0.9, 0.1]), np.log([0.6, 0.4])
    made = reliability(scores_of([0, 1, 0, -1], np.stack([sure, sure, unsure, unsure])), bins=2)
    assert (made[0].num_answers, made[1].num_answers) == (0, 3)
    assert np.isnan(made[0].accuracy)
    assert (made[1].confidence, made[1].accuracy) == (pytest.approx(0.8), pytest.approx(2 / 3))
    assert mean_gap(made) == pytest.approx(0.8 - 2 / 3)


def test_a_certain_answer_lies_in_the_last_bin() -> None:
    made = reliability(scores_of([0], np.array([[500.0, 0.0]])), bins=15)
    assert made[-1].num_answers == 1


def test_nothing_to_measure_is_said() -> None:
    scores = scores_of([-1], np.eye(2)[:1])
    with pytest.raises(UserError, match="no video has a known label"):
        reliability(scores)
    with pytest.raises(UserError, match="from 1 up, found 0"):
        reliability(scores_of([0], np.eye(2)[:1]), 0)


@settings(max_examples=30)
@given(st.integers(1, 20), st.integers(2, 6), st.integers(0, 10_000))
def test_losses_equal_pytorch(num_videos: int, num_classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(num_classes, size=num_videos)
    scores = scores_of(labels.tolist(), 30 * random.normal(size=(num_videos, num_classes)))
    logits = torch.from_numpy(scores.logits).double()
    want = cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    assert video_losses(scores) == pytest.approx(want.numpy())
    targets = np.eye(num_classes, dtype=bool)[labels] | (random.random((num_videos, num_classes)) < 0.3)
    multi = dataclasses.replace(scores, targets=targets, multi_label=True)
    want = binary_cross_entropy_with_logits(logits, torch.from_numpy(targets).double(), reduction="none").mean(dim=1)
    assert video_losses(multi) == pytest.approx(want.numpy())


def test_a_loss_without_a_label_is_none() -> None:
    losses = video_losses(scores_of([-1, 0], np.eye(2)))
    assert np.isnan(losses[0])
    assert np.isfinite(losses[1])
