"""How far probabilities can be believed: temperature, calibration error, and the threshold of "none of these".

The softmax of a network is too sure. One temperature, by which all logits are divided, corrects most of that and
changes no ranking (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2). The confidence of an
answer is the probability of its best class; below a threshold the answer is "none of these".

In the Scores here, rows without a target are clips that show none of the classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score

from kinesics.errors import UserError
from kinesics.metrics.bootstrap import Array
from kinesics.values import Scores

NUM_BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Between which a temperature is looked for."""
SLACK = 1e-9
"""What a share of a number of clips may lack to a whole clip, so that 0.05 · 40 are two."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies from `low` to below `high`: how many, how sure and how often right on average."""

    low: float
    high: float
    num_answers: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """What was fitted, and what it does to the clips that it was fitted on.

    num_clips: those of the classes; num_right of them are answered right, num_rejected are below the threshold, and
    num_rejected_right are both. num_none: clips of none of the classes; num_none_called of them are called one.
    error_before, error_after: the calibration error with and without the temperature; `bins` are after it.
    auroc: how well confidence separates the two kinds of clips; None without clips of none of the classes.
    """

    temperature: float
    threshold: float
    false_alarms: float
    error_before: float
    error_after: float
    num_clips: int
    num_right: int
    num_rejected: int
    num_rejected_right: int
    num_none: int
    num_none_called: int
    auroc: float | None
    bins: tuple[Bin, ...]

    @property
    def num_wrong(self) -> int:
        """How many of the answers that are not rejected are wrong."""
        return self.num_clips - self.num_right - (self.num_rejected - self.num_rejected_right)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self)


def calibrate(scores: Scores, false_alarms: float = 0.05) -> Calibration:
    """The temperature, and the threshold that meets a target of false alarms, fitted on `scores`.

    Where some rows have no target, at most the share `false_alarms` of them may be called one of the classes. Where
    all have one, at most that share of the answers given may be wrong.

    Raises:
        UserError: `false_alarms` is no share, or no row has a target.
    """
    if not 0 <= false_alarms <= 1:
        raise UserError(f"false alarms: expected a share from 0 to 1, found {false_alarms:g}")
    known = scores.targets.any(axis=1)
    if not known.any():
        raise UserError("no clip shows one of the classes; there is nothing to calibrate on")
    temperature = fit_temperature(scores)
    tempered = with_temperature(scores, temperature)
    confidence, right = confidences(tempered), answered_right(scores)
    if known.all():
        threshold = threshold_of_answers(confidence, right, false_alarms)
    else:
        threshold = threshold_of_others(confidence[~known], confidence[known], false_alarms)
    rejected = confidence < threshold
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        false_alarms=false_alarms,
        error_before=calibration_error(scores),
        error_after=calibration_error(tempered),
        num_clips=int(known.sum()),
        num_right=int(right[known].sum()),
        num_rejected=int(rejected[known].sum()),
        num_rejected_right=int((rejected & right)[known].sum()),
        num_none=int((~known).sum()),
        num_none_called=int((~known & ~rejected).sum()),
        auroc=None if known.all() else float(roc_auc_score(known, confidence)),
        bins=reliability(*judged(tempered)),
    )


def fit_temperature(scores: Scores) -> float:
    """The temperature with the least negative log-likelihood, between 1/20 and 20; rows without a target are left out.

    1 where every answer is right: the likelihood then grows without end as the temperature falls.
    """
    known = scores.targets.any(axis=1)
    logits, targets = scores.logits[known].astype(np.float64), scores.targets[known]
    right = ((logits > 0) == targets) if scores.multi_label else answered_right(scores)[known]
    if right.all():
        return 1.0
    low, high = (math.log(end) for end in TEMPERATURES)
    found = minimize_scalar(
        lambda exponent: negative_log_likelihood(logits / math.exp(exponent), targets, scores.multi_label),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return float(np.exp(found.x))


def negative_log_likelihood(logits: Array, targets: Flags, multi_label: bool) -> float:
    """Logits and targets (M, K) → the mean over the clips of the negative logarithm of the labels' probability."""
    if multi_label:
        return float((np.logaddexp(0.0, logits) - logits * targets).sum(axis=1).mean())
    return float((np.logaddexp.reduce(logits, axis=1) - logits[targets]).mean())


def probabilities(scores: Scores) -> Array:
    """(M, K) as `Scores.probs`, in double precision: near 1, float32 makes different confidences equal."""
    logits = scores.logits.astype(np.float64)
    if scores.multi_label:
        return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).clip(max=1.0))


def confidences(scores: Scores) -> Array:
    """(M,) the probability of each clip's best class."""
    return np.asarray(probabilities(scores).max(axis=1))


def answered_right(scores: Scores) -> Flags:
    """(M,) whether each clip's best class is its label, or one of its labels; false where it has none."""
    return np.asarray(scores.targets[np.arange(len(scores.ids)), scores.logits.argmax(axis=1)])


def judged(scores: Scores) -> tuple[Array, Flags]:
    """The confidence of every answer about clips with a target, and whether it holds: what calibration is judged by.

    An answer is a clip's best class. Where multi_label, it is every class of every clip, with its probability.
    """
    known = scores.targets.any(axis=1)
    if scores.multi_label:
        return probabilities(scores)[known].ravel(), scores.targets[known].ravel()
    return confidences(scores)[known], answered_right(scores)[known]


def reliability(confidence: Array, right: Flags, num_bins: int = NUM_BINS) -> tuple[Bin, ...]:
    """Confidences and whether they held, both (M,) → bins of equal width; those that are exactly 1 are one more bin."""
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    place = np.digitize(confidence, edges) - 1
    count = np.bincount(place, minlength=num_bins)
    divisor = np.maximum(count, 1)
    sure = np.bincount(place, weights=confidence, minlength=num_bins) / divisor
    held = np.bincount(place, weights=right.astype(np.float64), minlength=num_bins) / divisor
    highs = [*edges[1:].tolist(), 1.0]
    return tuple(
        Bin(float(edges[k]), highs[k], int(count[k]), float(sure[k]), float(held[k])) for k in range(len(count))
    )


def with_temperature(scores: Scores, temperature: float) -> Scores:
    """The scores with their logits divided by a temperature."""
    return replace(scores, logits=scores.logits / np.float32(temperature))


def believed(scores: Scores) -> Scores:
    """The scores with the temperature that their record names, if it names one."""
    return with_temperature(scores, scores.record.get("temperature", 1.0))


def calibration_error(scores: Scores, num_bins: int = NUM_BINS) -> float:
    """The expected calibration error: by how much confidence and accuracy differ in a bin, averaged over the answers.

    The same as torchmetrics' CalibrationError with the norm l1 (of the classes' own yes and no, where multi_label).
    """
    bins = reliability(*judged(scores), num_bins)
    total = sum(one.num_answers for one in bins)
    return sum(one.num_answers * abs(one.accuracy - one.confidence) for one in bins) / total


def threshold_of_others(others: Array, known: Array, share: float) -> float:
    """The smallest threshold that at most `share` of the confidences `others` reach; 0 rejects nothing.

    It is put halfway to the next higher confidence, of `others` or of `known`, so that rounding decides nothing.
    """
    allowed = math.floor(share * len(others) + SLACK)
    if allowed >= len(others):
        return 0.0
    return above(float(np.sort(others)[-1 - allowed]), np.concatenate([others, known]))


def threshold_of_answers(confidence: Array, right: Flags, share: float) -> float:
    """The smallest threshold at which at most `share` of the answers given, those that reach it, are wrong.

    0 where that holds of all answers; above all confidences where it holds of none. Halfway as `threshold_of_others`.
    """
    values, place = np.unique(confidence, return_inverse=True)
    given = np.bincount(place)[::-1].cumsum()[::-1]
    wrong = np.bincount(place, weights=~right)[::-1].cumsum()[::-1]
    good = np.flatnonzero(wrong <= share * given + SLACK)
    if len(good) and good[0] == 0:
        return 0.0
    return above(float(values[good[0] - 1] if len(good) else values[-1]), confidence)


def above(confidence: float, confidences: Array) -> float:
    """A threshold that `confidence` does not reach and the next of `confidences` does."""
    least = math.nextafter(confidence, math.inf)
    higher = confidences[confidences > confidence]
    return max(least, (confidence + float(higher.min())) / 2) if len(higher) else least
