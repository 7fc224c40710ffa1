"""What a model's arguments take from the recipe's input and from the task."""

from __future__ import annotations

from typing import Any

import pytest

from kinesics.errors import UserError
from kinesics.models.heads.pyramid import PyramidHead
from kinesics.settings import InputConfig, ModelConfig, Recipe
from kinesics.training.loop import Task
from kinesics.training.train import build, model_arguments
from tests.listeners import Heard


def recipe(system: str, arguments: dict[str, Any] | None = None, **settings: Any) -> Recipe:
    return Recipe(
        model=ModelConfig(system, "resnet18", weights=None, arguments=arguments or {}),
        input=InputConfig(resize=32, size=32, **settings),
    )


def task(*, multi_label: bool = False) -> Task:
    return Task(("nod", "shake"), (), multi_label=multi_label)


@pytest.mark.parametrize(("steps", "levels"), [(4, 3), (8, 4), (2, 2)])
def test_the_pyramid_has_the_parts_of_the_segments(steps: int, levels: int) -> None:
    model = build(recipe("stp", {"levels": levels}, num_segments=2, steps_per_segment=steps), task(), Heard())
    assert isinstance(model.head, PyramidHead)
    assert (model.head.parts, model.head.levels) == (steps, levels)
    assert model.arguments["parts"] == steps, "the model file says so too"


def test_parts_that_contradict_the_segments_are_refused() -> None:
    with pytest.raises(UserError, match=r"model\.arguments\.parts is 4 and input\.steps_per_segment is 8"):
        build(recipe("stp", {"parts": 4}, num_segments=2, steps_per_segment=8), task(), Heard())


def test_local_scores_of_several_labels_are_logits() -> None:
    heard = Heard()
    assert model_arguments(recipe("mlfe"), task(multi_label=True), heard)["scores"] == "logits"
    assert any("a softmax allows one label only" in line for line in heard.lines)
    assert "scores" not in model_arguments(recipe("mlfe"), task(), Heard())
    asked = recipe("mlfe", {"scores": "softmax"})
    assert model_arguments(asked, task(multi_label=True), Heard())["scores"] == "softmax"
    assert "scores" not in model_arguments(recipe("tsm"), task(multi_label=True), Heard())
