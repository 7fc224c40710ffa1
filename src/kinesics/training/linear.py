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
    return Scaled.of(x, each).fit(targets_NK, strength, multi_label)


def _choose(x: Array, targets: Targets, groups: npt.NDArray[np.str_], multi_label: bool) -> tuple[bool, float]:
    """The choice with the best accuracy on left-out groups, the first of equals or where nothing can be left out."""
    rarest = targets.argmax(axis=1) if not multi_label else (targets * (1 / targets.sum(axis=0).clip(1))).argmax(axis=1)
    num_folds = min(INNER_FOLDS, len(set(groups.tolist())), int(np.bincount(rarest)[np.unique(rarest)].min()))
    if num_folds < 2 or len(np.unique(rarest)) < 2:
        return CHOICES[0]
    found = {choice: np.empty(targets.shape) for choice in CHOICES}
    for learn, check in StratifiedGroupKFold(num_folds, shuffle=True, random_state=0).split(x, rarest, groups):
        scaled = {each: Scaled.of(x[learn], each) for each in (False, True)}
        for each, strength in CHOICES:
            found[each, strength][check] = scaled[each].fit(targets[learn], strength, multi_label)(x[check])

    def accuracy(logits: Array) -> float:
        if multi_label:
            return float(f1_score(targets, logits > 0, average="macro", zero_division=0))
        return float(balanced_accuracy_score(targets.argmax(axis=1), logits.argmax(axis=1)))

    return max(CHOICES, key=lambda choice: round(accuracy(found[choice]), 9))


@dataclass(frozen=True)
class Scaled:
    """Clips around zero on one scale, in as few dimensions as they span.

    Fewer clips than features lie in a subspace of as many dimensions as there are clips. The penalty does not mind a
    rotation, so the regression in it is the same regression, and many times quicker: z = (x − centre) / scale · basis.
    """

    z: Array
    basis: Array | None
    centre: Array
    scale: Array

    @staticmethod
    def of(x: Array, each: bool) -> Scaled:
        """x: (N, D) features. each: every feature on a scale of its own rather than all on one."""
        centre, variance = x.mean(axis=0), x.var(axis=0)
        scale = np.sqrt(np.maximum(variance if each else np.full_like(variance, variance.mean()), 1e-8))
        z = (x - centre) / scale
        if len(x) >= x.shape[1]:
            return Scaled(z, None, centre, scale)
        basis, triangle = np.linalg.qr(z.T)
        return Scaled(triangle.T, basis, centre, scale)

    def fit(self, targets: Targets, strength: float, multi_label: bool) -> Linear:
        """The classifier of these clips, for features as they came."""
        weight, bias = regressions(self.z, targets, strength, multi_label)
        weight = (weight if self.basis is None else weight @ self.basis.T) / self.scale
        return Linear(weight, bias - weight @ self.centre)


def regressions(z: Array, targets: Targets, strength: float, multi_label: bool) -> tuple[Array, Array]:
    """Weight (K, D) and bias (K,) of logistic regression; classes without a clip are never the answer."""
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
    weight, bias = np.zeros((targets.shape[1], z.shape[1])), np.full(targets.shape[1], NEVER)
    if multi_label:
        for k in range(targets.shape[1]):
            if targets[:, k].all():
                bias[k] = -NEVER
            elif targets[:, k].any():
                model.fit(z, targets[:, k])
                weight[k], bias[k] = model.coef_[0], model.intercept_[0]
        return weight, bias
    labels = targets.argmax(axis=1)
    seen = np.unique(labels)
    if len(seen) == 1:
        bias[seen] = 0.0
        return weight, bias
    model.fit(z, labels)
    one = len(model.coef_) == 1  # of two classes, scikit-learn gives the second's log odds
    weight[seen] = np.concatenate([-model.coef_ / 2, model.coef_ / 2]) if one else model.coef_
    bias[seen] = np.concatenate([-model.intercept_ / 2, model.intercept_ / 2]) if one else model.intercept_
    return weight, bias
