"""View plans: the named protocols, their checks, and JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinesics.errors import UserError
from kinesics.settings import InputConfig
from kinesics.video.view_plan import VIEWS, ViewPlan, view_plan

INPUT = InputConfig(num_segments=8, resize=256, size=224)


@pytest.mark.parametrize(
    ("name", "shape", "num_views", "size", "average"),
    [
        ("one", (1, 8, 1), 1, 224, "logits"),
        ("two-clip", (2, 8, 1), 2, 256, "logits"),
        ("ten-by-three", (10, 8, 1), 30, 256, "probs"),
        ("25x10", (1, 25, 1), 10, 224, "logits"),
    ],
)
def test_named_plans(name: str, shape: tuple[int, ...], num_views: int, size: int, average: str) -> None:
    plan = view_plan(name, INPUT)
    assert tuple(plan.frame_indices(100).shape) == shape
    assert (plan.num_views, plan.size, plan.resize, plan.average) == (num_views, size, 256, average)


def test_plans_follow_the_input() -> None:
    dense = InputConfig(num_segments=3, frames_per_segment=2, sampling="dense", stride=4, resize=64, size=56)
    plan = view_plan("one", dense)
    assert plan.frame_indices(10).tolist() == [[[0, 1], [4, 5], [8, 9]]]
    assert (plan.resize, plan.size) == (64, 56)
    assert view_plan("25x10", dense).sampling == "segments"


@pytest.mark.parametrize("name", VIEWS)
def test_a_plan_survives_json(name: str) -> None:
    plan = view_plan(name, INPUT)
    assert ViewPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown view plan 'two-clips'; did you mean 'two-clip'"):
        view_plan("two-clips", INPUT)


def test_an_unknown_field_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown setting of a view plan 'num_clip'; did you mean 'num_clips'"):
        ViewPlan.from_dict({"num_clip": 2})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"crops": 5}, "crops is 5; expected 1, 3 or 10"),
        ({"sampling": "random"}, "sampling is .random.; expected segments or dense"),
        ({"average": "votes"}, "average is .votes.; expected logits or probs"),
        ({"num_clips": 0}, "num_clips is 0; expected a whole number from 1"),
        ({"num_segments": 2.5}, "num_segments is 2.5; expected a whole number"),
        ({"stride": "8"}, "stride is .8.; expected a whole number"),
        ({"resize": 128, "size": 224}, "crops of 224 pixels do not fit frames resized to 128"),
    ],
)
def test_a_plan_checks_itself(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        ViewPlan.from_dict(values)


def test_a_protocol_by_name_keeps_what_the_model_learned_with() -> None:
    own = ViewPlan(modality="flow", num_segments=3, steps_per_segment=4, stride=5, frames_per_segment=5, size=160)
    assert own.named("one") is own
    plan = own.named("25x10")
    assert (plan.num_segments, plan.crops, plan.size) == (25, 10, 160)
    assert (plan.modality, plan.steps_per_segment, plan.stride, plan.frames_per_segment) == ("flow", 4, 5, 5)
