"""Whether probabilities are kept: of the answers given with 80 %, are eight in ten right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinesics.errors import UserError
from kinesics.metrics.accuracy import predictions
from kinesics.types import Scores


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies from `low` up to `high`: how many, their mean, and the share that is right.

    An empty bin has NaN for both.
    """

    low: float
    high: float
    num_answers: int
    confidence: float
    accuracy: float


def reliability(scores: Scores, bins: int = 15) -> tuple[Bin, ...]:
    """Bins of equal width from 0 to 1, each with the mean probability of its answers and the share that is right.

    Single labels: an answer a video, the most probable class. Multi-label: an answer a video and class. Videos whose
    label is unknown are left out.

    Raises:
        UserError: fewer than one bin, or no video with a known label.
    """
    if bins < 1:
        raise UserError(f"reliability: wanted a number of bins from 1 up, found {bins}")
    known = scores.targets.any(axis=1)
    if not known.any():
        raise UserError("no video has a known label; there is nothing to measure")
    probs, targets = scores.probs()[known].astype(np.float64), scores.targets[known]
    if scores.multi_label:
        confidence, right = probs.ravel(), np.asarray(targets.ravel())
    else:
        confidence = probs.max(axis=1)
        right = np.asarray((predictions(scores.logits[known], multi_label=False) & targets).any(axis=1))
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    made = []
    for k in range(bins):
        inside = place == k
        number = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if number else (np.nan, np.nan)
        made.append(Bin(k / bins, (k + 1) / bins, number, *means))
    return tuple(made)


def mean_gap(bins: tuple[Bin, ...]) -> float:
    """The mean distance of probability and share right over the answers, by bins: the expected calibration error.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    total = sum(each.num_answers for each in bins)
    return sum(each.num_answers * abs(each.confidence - each.accuracy) for each in bins if each.num_answers) / total
