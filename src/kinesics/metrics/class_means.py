"""Figures that are means over classes, of weighted clips: for one weight per clip, or for draws of a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinesics.metrics.bootstrap import Array


@dataclass(frozen=True)
class Prior:
    """Made-up clips in each bootstrap draw: for each class that occurs, (B, K) weights of right and of wrong ones.

    Half a clip of each on average (Jeffreys); of the size of a group where clips come in groups.
    """

    right: Array
    wrong: Array

    @staticmethod
    def draw(targets: npt.NDArray[np.bool_], units: npt.NDArray[np.int64], num_draws: int, seed: int) -> Prior:
        """The weights for some targets (M, K) whose clips come in units (M,)."""
        generator = np.random.default_rng([seed, 1])
        sizes = np.array([len(units[row]) / max(1, len(set(units[row].tolist()))) for row in targets.T])
        shape = (num_draws, targets.shape[1])
        occurs = targets.any(axis=0) * sizes
        return Prior(generator.gamma(0.5, size=shape) * occurs, generator.gamma(0.5, size=shape) * occurs)

    def claimed(self) -> Array:
        """(B, K) how much of them is taken for each class: the wrong ones are spread over the other classes."""
        others = max(1, self.wrong.shape[1] - 1)
        return np.asarray(self.right + (self.wrong.sum(axis=1, keepdims=True) - self.wrong) / others)


def class_means(
    weights: Array,
    targets: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.bool_],
    multi_label: bool,
    prior: Prior | None = None,
) -> dict[str, Array]:
    """(B, M) weights → figures (B,) that are means over the classes that occur, and micro F1."""
    hits, actual, claimed = class_counts(weights, targets, predicted, prior)
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


def class_counts(
    weights: Array, targets: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_], prior: Prior | None = None
) -> tuple[Array, Array, Array]:
    """(B, M) weights → (B, K) of each class: clips that are right, that have its label, and that are taken for it."""
    hits, actual, claimed = weights @ (targets & predicted), weights @ targets, weights @ predicted
    if prior is None:
        return hits, actual, claimed
    return hits + prior.right, actual + prior.right + prior.wrong, claimed + prior.claimed()
