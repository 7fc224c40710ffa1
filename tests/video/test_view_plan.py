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


@pytest.mark.parametrize(
    ("name", "resize", "size", "expected"),
    [
        ("one", "340x256", 224, ("340x256", 224)),
        ("25x10", "340x256", 224, ("340x256", 224)),
        ("two-clip", "340x256", 224, ("340x256", 256)),
        ("one", "256-320", 224, (256, 224)),  # tests take the lowest
        ("ten-by-three", "256-320", 224, (256, 256)),
        ("ten-by-three", 256, "224x112", (256, "256x128")),  # the largest crop of its shape
        ("two-clip", "256x224", "256x224", ("256x224", "256x224")),
        ("whole-256x224", "256-320", 224, ("256x224", "256x224")),
        ("whole-256x224", 96, 64, ("256x224", "256x224")),
        ("whole-224x224", 256, 192, ("224x224", 224)),
    ],
)
def test_plans_of_frames_of_any_shape(
    name: str, resize: int | str, size: int | str, expected: tuple[int | str, int | str]
) -> None:
    plan = view_plan(name, InputConfig(resize=resize, size=size))
    assert (plan.resize, plan.size) == expected
    assert ViewPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    whole = plan.named("whole-64x48")
    assert (whole.resize, whole.size, whole.num_segments) == ("64x48", "64x48", plan.num_segments)


def test_the_whole_frame_is_one_clip_and_one_crop() -> None:
    plan = view_plan("whole-256x224", INPUT)
    assert (plan.num_views, plan.average, tuple(plan.frame_indices(100).shape)) == (1, "logits", (1, 8, 1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "whole-256x",
            "view plan 'whole-256x' has no size; expected whole-WIDTHxHEIGHT in pixels, such as whole-256x224",
        ),
        ("whole-", "view plan 'whole-' has no size; expected"),
        ("whole-0x224", "view plan 'whole-0x224' has no size; expected"),
        ("whole-256", "view plan 'whole-256' has no size; expected"),
        ("whole-256-320", "view plan 'whole-256-320' has no size; expected"),
        ("256x224", "unknown view plan '256x224'; did you mean 'whole-256x224'"),
        ("25x3", "unknown view plan '25x3'; did you mean '25x1"),
    ],
)
def test_a_wrong_name_of_a_size_is_named(name: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        view_plan(name, INPUT)


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
        (
            {"resize": 256, "size": "340x256"},
            "340x256 pixels do not fit .* 256; expected at most 256 wide and 256 high",
        ),
        ({"resize": "340x256", "size": "256x340"}, "expected at most 340 wide and 256 high"),
        ({"resize": "256-320"}, "resize is '256-320'; expected .* or WIDTHxHEIGHT such as 340x256"),
        ({"resize": "340x"}, "resize is '340x'; expected"),
        ({"size": "0x256"}, "size is '0x256'; expected"),
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
