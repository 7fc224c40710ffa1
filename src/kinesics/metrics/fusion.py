"""Several streams' scores of the same videos made one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kinesics.errors import UserError
from kinesics.metrics.matching import rows_like
from kinesics.values import Scores

SMALLEST = 1e-12
"""What a probability of zero counts as, so that its logarithm is a number."""


def fuse(streams: Mapping[str, Scores], weights: Mapping[str, float]) -> Scores:
    """The weighted mean of the streams' probabilities, as logits; rows in the order of the first stream.

    streams, weights: by the same names. Nothing is learned: the weights are given.

    Source: TSN (Wang et al., ECCV 2016), section 4.2, a weighted average of the streams' softmax scores; RGB : flow
    are 1 : 1.5 there, and in MLFE's and STP's papers.

    Raises:
        UserError: fewer than two streams, weights that do not fit them, or streams of other classes, videos or labels.
    """
    if len(streams) < 2:
        raise UserError(f"fusion takes two streams or more, found {len(streams)}")
    if weights.keys() != streams.keys():
        raise UserError(f"streams are {', '.join(streams)}; weights are for {', '.join(weights)}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()) or not any(weights.values()):
        raise UserError(
            f"weights are 0 or more and one is above 0, found {', '.join(f'{weight:g}' for weight in weights.values())}"
        )
    (name, first), *others = streams.items()
    total = sum(weights.values())
    probs = first.probs().astype(np.float64) * (weights[name] / total)
    for other, scores in others:
        rows = rows_like(first, scores, name, other)
        probs += scores.probs()[rows].astype(np.float64) * (weights[other] / total)
    probs = probs.clip(SMALLEST, 1.0)
    logits = np.log(probs) - np.log((1 - probs).clip(SMALLEST)) if first.multi_label else np.log(probs)
    return Scores(
        ids=first.ids,
        logits=logits.astype(np.float32),
        targets=first.targets,
        classes=first.classes,
        multi_label=first.multi_label,
        record={
            "fused": {stream: {"weight": weights[stream], **dict(scores.record)} for stream, scores in streams.items()}
        },
        digests=first.digests,
    )
