"""A linear classifier fitted outright to few clips, by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold

Array = npt.NDArray[np.float64]
Targets = npt.NDArray[np.bool_]
CHOICES = ((False, 1.0), (False, 0.1), (False, 0.01), (True, 1.0), (True, 0.1), (True, 0.01))
"""(every feature scaled for itself, inverse strength of the penalty), the plainest first."""
INNER_FOLDS = 3
NEVER = -10.0
"""The logit of a class without a clip to learn from."""


@dataclass(frozen=True)
class Linear:
    """logits = x · weightᵀ + bias; weight (K, D), bias (K,)."""

    weight: Array
    bias: Array

    def __call__(self, x_ND: npt.NDArray[np.floating]) -> Array:
        """(N, D) → (N, K) logits."""
        return np.asarray(x_ND @ self.weight.T + self.bias)


def fit_linear(
    x_ND: npt.NDArray[np.floating], targets_NK: Targets, groups: Sequence[str], *, multi_label: bool = False
) -> Linear:
    """Logistic regression with every class weighed alike; scale and penalty are chosen by folds that keep groups whole.

    Features are scaled all alike, or each to a variance of one: what differs little between clips (a small movement)
    counts as much as what differs a lot (who is seen) then. groups: one name a clip. multi_label: a sigmoid a class.
    """
    x = np.asarray(x_ND, dtype=np.float64)
    each, strength = _choose(x, targets_NK, np.asarray(groups), multi_label)
    return _fit(x, targets_NK, each, strength, multi_label)


def _choose(x: Array, targets: Targets, groups: npt.NDArray[np.str_], multi_label: bool) -> tuple[bool, float]:
    """The choice with the best accuracy on left-out groups, the first of equals or where nothing can be left out."""
    rarest = targets.argmax(axis=1) if not multi_label else (targets * (1 / targets.sum(axis=0).clip(1))).argmax(axis=1)
    num_folds = min(INNER_FOLDS, len(set(groups.tolist())), int(np.bincount(rarest)[np.unique(rarest)].min()))
    if num_folds < 2:
        return CHOICES[0]
    folds = list(StratifiedGroupKFold(num_folds, shuffle=True, random_state=0).split(x, rarest, groups))

    def accuracy(choice: tuple[bool, float]) -> float:
        found = np.empty(targets.shape)
        for learn, check in folds:
            found[check] = _fit(x[learn], targets[learn], *choice, multi_label)(x[check])
        if multi_label:
            return float(f1_score(targets, found > 0, average="macro", zero_division=0))
        return float(balanced_accuracy_score(targets.argmax(axis=1), found.argmax(axis=1)))

    values = [round(accuracy(choice), 9) for choice in CHOICES]
    return CHOICES[values.index(max(values))]


def _fit(x: Array, targets: Targets, each: bool, strength: float, multi_label: bool) -> Linear:
    centre, variance = x.mean(axis=0), x.var(axis=0)
    scale = np.sqrt(np.maximum(variance if each else np.full_like(variance, variance.mean()), 1e-8))
    scaled = (x - centre) / scale
    weight, bias = np.zeros((targets.shape[1], x.shape[1])), np.full(targets.shape[1], NEVER)
    if multi_label:
        for k in range(targets.shape[1]):
            if targets[:, k].all():
                bias[k] = -NEVER
            elif targets[:, k].any():
                model = _regression(strength).fit(scaled, targets[:, k])
                weight[k], bias[k] = model.coef_[0], model.intercept_[0]
    else:
        labels = targets.argmax(axis=1)
        seen = np.unique(labels)
        if len(seen) == 1:
            bias[seen] = 0.0
        else:
            model = _regression(strength).fit(scaled, labels)
            one = len(model.coef_) == 1  # of two classes, scikit-learn gives the second's log odds
            weight[seen] = np.concatenate([-model.coef_ / 2, model.coef_ / 2]) if one else model.coef_
            bias[seen] = np.concatenate([-model.intercept_ / 2, model.intercept_ / 2]) if one else model.intercept_
    weight = weight / scale
    return Linear(weight, bias - weight @ centre)


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
