"""Fusion: the weighted mean by video, whatever the order, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinesics.errors import UserError
from kinesics.metrics.fusion import fuse
from kinesics.values import Scores


def scores(seed: int = 0, num_videos: int = 6, multi_label: bool = False) -> Scores:
    random = np.random.default_rng(seed)
    targets = np.eye(3, dtype=bool)[np.arange(num_videos) % 3]
    logits = random.normal(size=(num_videos, 3)).astype(np.float32)
    return Scores(tuple(f"v{i}" for i in range(num_videos)), logits, targets, ("a", "b", "c"), multi_label)


@pytest.mark.parametrize("multi_label", [False, True])
def test_it_is_the_weighted_mean_of_probabilities(multi_label: bool) -> None:
    rgb, flow = scores(1, multi_label=multi_label), scores(2, multi_label=multi_label)
    found = fuse({"rgb": rgb, "flow": flow}, {"rgb": 1, "flow": 1.5})
    assert np.allclose(found.probs(), (rgb.probs() + 1.5 * flow.probs()) / 2.5, atol=1e-6)
    assert found.record["fused"]["flow"]["weight"] == 1.5


def test_videos_meet_by_their_names() -> None:
    rgb, flow = scores(1), scores(2)
    turn = np.random.default_rng(0).permutation(6)
    other = replace(flow, ids=tuple(flow.ids[i] for i in turn), logits=flow.logits[turn], targets=flow.targets[turn])
    weights = {"rgb": 1.0, "flow": 1.0}
    assert np.allclose(
        fuse({"rgb": rgb, "flow": other}, weights).logits, fuse({"rgb": rgb, "flow": flow}, weights).logits
    )


def test_a_stream_without_weight_changes_nothing_and_one_alone_stays_itself() -> None:
    rgb, flow = scores(1), scores(2)
    found = fuse({"rgb": rgb, "flow": flow}, {"rgb": 2.0, "flow": 0.0})
    assert np.allclose(found.probs(), rgb.probs(), atol=1e-6)


def test_certain_answers_stay_numbers() -> None:
    sure = replace(scores(), logits=np.array([[500.0, 0, -500]] * 6, dtype=np.float32))
    assert np.isfinite(fuse({"a": sure, "b": sure}, {"a": 1.0, "b": 1.0}).logits).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ("w0", "v1", "v2", "v3", "v4", "v5")}, "flow: .*it lacks v0; it also has w0"),
        ({"classes": ("a", "b", "d")}, "flow: its classes are a, b, d"),
        ({"targets": np.zeros((6, 3), dtype=bool)}, "flow: other labels than in rgb for v0, v1, v2, v3, v4 and 1 more"),
    ],
)
def test_streams_of_something_else_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fuse({"rgb": scores(), "flow": replace(scores(1), **change)}, {"rgb": 1.0, "flow": 1.0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "weights", [{"rgb": 1.0}, {"rgb": 0.0, "flow": 0.0}, {"rgb": -1.0, "flow": 1.0}, {"rgb": float("nan"), "flow": 1.0}]
)
def test_weights_have_to_fit(weights: dict[str, float]) -> None:
    with pytest.raises(UserError, match="weights"):
        fuse({"rgb": scores(), "flow": scores(1)}, weights)
