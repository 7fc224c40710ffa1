"""Several streams' scores of the same videos made one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kinesics.errors import UserError
from kinesics.values import Scores

SHOWN = 5
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
    )


def rows_like(first: Scores, other: Scores, name: str, other_name: str) -> list[int]:
    """Where the videos of `first` stand in `other`. Raises UserError where the two are not of the same videos."""
    if first.classes != other.classes or first.multi_label != other.multi_label:
        raise UserError(
            f"{other_name}: its classes are {', '.join(other.classes)}; those of {name} are {', '.join(first.classes)}"
        )
    place = {video: row for row, video in enumerate(other.ids)}
    known = set(first.ids)
    lacks, more = [i for i in first.ids if i not in place], [i for i in other.ids if i not in known]
    if lacks or more:
        said = [f"{what} {shown(ids)}" for what, ids in (("it lacks", lacks), ("it also has", more)) if ids]
        raise UserError(f"{other_name}: scores of other videos than {name}'s: {'; '.join(said)}")
    rows = [place[video] for video in first.ids]
    changed = [
        i for i, same in zip(first.ids, (other.targets[rows] == first.targets).all(axis=1), strict=True) if not same
    ]
    if changed:
        raise UserError(f"{other_name}: other labels than in {name} for {shown(changed)}")
    return rows


def shown(ids: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return f"{', '.join(ids[:SHOWN])}{more}"
