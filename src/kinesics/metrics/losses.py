"""The loss of each video: high for hard clips, low for easy ones."""

from __future__ import annotations

import numpy as np

from kinesics.metrics.bootstrap import Array
from kinesics.values import Scores


def video_losses(scores: Scores) -> Array:
    """(M,) the loss of each video: −log of its label's probability; NaN where the label is unknown.

    Of multi-label scores the binary cross-entropy, the mean over the classes. Natural logarithms.
    """
    logits = scores.logits.astype(np.float64)
    if scores.multi_label:
        losses = np.logaddexp(0.0, np.where(scores.targets, -logits, logits)).mean(axis=1)
    else:
        log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        losses = -np.where(scores.targets, log_probs, 0.0).sum(axis=1)
    return np.where(scores.targets.any(axis=1), losses, np.nan)
