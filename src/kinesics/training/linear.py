"""A linear classifier fitted to few clips: logistic regression in as few dimensions as the clips span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

Array = npt.NDArray[np.float64]
Targets = npt.NDArray[np.bool_]
CHOICES = ((False, 1.0), (False, 0.1), (False, 0.01), (True, 1.0), (True, 0.1), (True, 0.01))
"""(whether each feature has its own scale, inverse strength of the penalty), the plainest first."""
INNER_FOLDS = 3
CHOICE_ROWS = 400
"""The choice of scale and penalty is made on at most so many rows: enough for a choice among six."""
UNSEEN_LOGIT = -10.0
"""The logit of a class without a clip to learn from."""
SMALLEST_VARIANCE = 1e-8
MAX_ITERATIONS = 200


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
    """Logistic regression in which all classes weigh the same; folds that keep groups whole choose scale and penalty.

    Either all features share one scale, or each has a variance of one. With the second, a feature that differs little
    between clips (a small movement) counts as much as one that differs a lot (the person).
    groups: one name per row. multi_label: one sigmoid per class.
    """
    x = np.asarray(x_ND, dtype=np.float64)
    with threadpool_limits(1, "blas"):  # threads take longer to meet than these small products take
        own_scale, strength = _choose(x, targets_NK, np.asarray(groups), multi_label)
        return Scaled.of(x, own_scale).fit(targets_NK, strength, multi_label)


def _choose(x: Array, targets: Targets, groups: npt.NDArray[np.str_], multi_label: bool) -> tuple[bool, float]:
    """The choice with the best accuracy on left-out groups; the first of equals, or where nothing can be left out."""
    from sklearn.metrics import balanced_accuracy_score, f1_score
    from sklearn.model_selection import StratifiedGroupKFold

    step = -(-len(x) // CHOICE_ROWS)
    kept = slice(step // 2, None, step)
    x, targets, groups = x[kept], targets[kept], groups[kept]
    rarest = targets.argmax(axis=1) if not multi_label else (targets * (1 / targets.sum(axis=0).clip(1))).argmax(axis=1)
    num_folds = min(INNER_FOLDS, len(set(groups.tolist())), int(np.bincount(rarest)[np.unique(rarest)].min()))
    if num_folds < 2 or len(np.unique(rarest)) < 2:
        return CHOICES[0]
    logits = {choice: np.empty(targets.shape) for choice in CHOICES}
    for train, held_out in StratifiedGroupKFold(num_folds, shuffle=True, random_state=0).split(x, rarest, groups):
        scaled = {own_scale: Scaled.of(x[train], own_scale) for own_scale in (False, True)}
        for own_scale, strength in CHOICES:
            # The penalty of all rows: a sum over fewer rows needs a larger factor to weigh the same against it.
            fitted = scaled[own_scale].fit(targets[train], strength * step, multi_label)
            logits[own_scale, strength][held_out] = fitted(x[held_out])

    def accuracy(found: Array) -> float:
        if multi_label:
            return float(f1_score(targets, found > 0, average="macro", zero_division=0))
        return float(balanced_accuracy_score(targets.argmax(axis=1), found.argmax(axis=1)))

    return max(CHOICES, key=lambda choice: round(accuracy(logits[choice]), 9))


@dataclass(frozen=True)
class Scaled:
    """Clips around zero on one scale, along their principal axes: z = (x − centre) / scale · axes.

    N clips of D features span at most min(N, D) dimensions. The penalty does not change under a rotation, so the
    regression along the R axes is the same regression as in all D features, with fewer numbers to fit.
    z: (N, R). axes: (D, R), orthonormal. variances: (R,) sums of squares of z.
    """

    z: Array
    axes: Array
    variances: Array
    centre: Array
    scale: Array

    @staticmethod
    def of(x: Array, own_scale: bool) -> Scaled:
        """x: (N, D) features. own_scale: each feature has a scale of its own, instead of one for all."""
        centre, variance = x.mean(axis=0), x.var(axis=0)
        variance = variance if own_scale else np.full_like(variance, variance.mean())
        scale = np.sqrt(np.maximum(variance, SMALLEST_VARIANCE))
        z = (x - centre) / scale
        wide = z.shape[1] > z.shape[0]
        values, vectors = np.linalg.eigh(z @ z.T if wide else z.T @ z)
        kept = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
        values, vectors = values[kept], vectors[:, kept]
        axes = z.T @ (vectors / np.sqrt(values)) if wide else vectors
        return Scaled(vectors * np.sqrt(values) if wide else z @ vectors, axes, values, centre, scale)

    def fit(self, targets: Targets, strength: float, multi_label: bool) -> Linear:
        """The classifier of these clips, for features that are not scaled."""
        weight, bias = _regression(self.z, self.variances, targets, strength, multi_label)
        weight = (weight @ self.axes.T) / self.scale
        return Linear(weight, bias - weight @ self.centre)


def _regression(
    z: Array, variances: Array, targets: Targets, strength: float, multi_label: bool
) -> tuple[Array, Array]:
    """Weight (K, R) and bias (K,) of logistic regression; classes without a clip are never the answer."""
    counts = targets.sum(axis=0)
    weight, bias = np.zeros((targets.shape[1], z.shape[1])), np.full(targets.shape[1], UNSEEN_LOGIT)
    if multi_label:
        bias[counts == len(targets)] = -UNSEEN_LOGIT
        fitted = (counts > 0) & (counts < len(targets))
    else:
        fitted = counts > 0
        if fitted.sum() == 1:
            bias[fitted] = 0.0
            return weight, bias
    if fitted.any() and z.shape[1]:
        weight[fitted], bias[fitted] = _minimise(z, variances, targets[:, fitted], strength, multi_label)
    elif fitted.any():
        bias[fitted] = 0.0
    return weight, bias


def _minimise(z: Array, variances: Array, targets: Targets, strength: float, multi_label: bool) -> tuple[Array, Array]:
    """Weight and bias with the least strength · Σ loss + ½ ‖weight‖², where each class has the same total weight.

    The unknowns are the weights times the root of a bound on the curvature along each axis (Böhning, Multinomial
    logistic regression algorithm, 1992). All directions are then about as steep, and a few dozen steps are enough.
    """
    num_rows, num_classes = targets.shape
    counts = targets.sum(axis=0)
    if multi_label:
        rows = np.where(targets, num_rows / (2 * counts), num_rows / (2 * (num_rows - counts)))
    else:
        rows = (num_rows / (num_classes * counts))[targets.argmax(axis=1)][:, None]
        # Two classes share one difference of weights: half the strength makes it the regression of one sigmoid.
        strength = strength / 2 if num_classes == 2 else strength
    steepness = np.sqrt(1.0 + 0.25 * strength * variances)
    bias_steepness = np.sqrt(0.25 * strength * num_rows)
    scaled_z = z / steepness

    def loss_and_gradient(flat: Array) -> tuple[float, Array]:
        unknowns = flat.reshape(num_classes, -1)
        weight = unknowns[:, :-1] / steepness
        logits = scaled_z @ unknowns[:, :-1].T + unknowns[:, -1] / bias_steepness
        if multi_label:
            losses = np.logaddexp(0.0, logits) - logits * targets
            probs = np.exp(-np.logaddexp(0.0, -logits))
        else:
            log_probs = logits - logits.max(axis=1, keepdims=True)
            log_probs -= np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
            losses, probs = -log_probs * targets, np.exp(log_probs)
        residual = strength * rows * (probs - targets)
        gradient = np.empty_like(unknowns)
        gradient[:, :-1] = residual.T @ scaled_z + weight / steepness
        gradient[:, -1] = residual.sum(axis=0) / bias_steepness
        return strength * float((rows * losses).sum()) + 0.5 * float((weight**2).sum()), gradient.ravel()

    found = minimize(
        loss_and_gradient,
        np.zeros(num_classes * (z.shape[1] + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": 1e-9, "gtol": 1e-4},
    )
    unknowns = found.x.reshape(num_classes, -1)
    weight, bias = unknowns[:, :-1] / steepness, unknowns[:, -1] / bias_steepness
    return weight, bias if multi_label else bias - bias.mean()
