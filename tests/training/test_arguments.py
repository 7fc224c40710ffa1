"""What a model's arguments take from the recipe's input and from the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kinesics.analysis.cross_validate import cross_validate
from kinesics.errors import UserError
from kinesics.models.heads.pyramid import PyramidHead
from kinesics.settings import InputConfig, ModelConfig, Recipe
from kinesics.training.loop import Task
from kinesics.training.train import build, model_arguments, train
from tests.listeners import Heard
from tests.tiny import random_weights, tiny_recipe


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


@pytest.mark.parametrize("arguments", [{"weights": None}, {"weights": ""}])
def test_without_weights_all_norms_learn(arguments: dict[str, Any], tiny_set: Path, tmp_path: Path) -> None:
    settings = tiny_recipe("tsm").with_changes({"optim.batch_norm": "partial", "optim.epochs": 1, "model": arguments})
    heard = Heard()
    run = train(settings, tiny_set, tmp_path / "run", device="cpu", num_workers=0, listener=heard)
    assert run.recipe.optim.batch_norm == "train"
    assert run.record["batch_norm"] == "no weights are loaded, so all BatchNorms learn"
    assert "no weights are loaded, so all BatchNorms learn" in heard.lines
    state = load_file(run.model_file)
    means = [name for name in state if name.endswith("running_mean")]
    assert len(means) > 15
    assert all(state[name].abs().max() > 0 for name in means)
    train(settings.with_changes({"optim.epochs": 2}), tiny_set, run, resume=True, device="cpu", num_workers=0)


def test_a_run_s_folder_gives_its_weights(tiny_set: Path, tmp_path: Path) -> None:
    settings = tiny_recipe("tsm").with_changes({"optim.epochs": 1})
    first = train(settings, tiny_set, tmp_path / "tsm", device="cpu", num_workers=0)
    star = settings.with_changes({"model": {"system": "mlfe", "weights": str(first), "arguments": {"tsm_loss": False}}})
    heard = Heard()
    state = load_file(first.model_file)
    classes = tuple(str(k) for k in range(len(state["head.fc.bias"])))
    model = build(star, Task(classes, (), multi_label=False), heard)
    for name in ("head.fc.weight", "head.fc.bias"):
        assert torch.equal(model.get_parameter(name), state[name]), "the places of the patches are the trained TSM's"
    assert any("best/model.safetensors" in line for line in heard.lines)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: holds no model"):
        build(star.with_changes({"model.weights": str(tmp_path / "empty")}), task(), Heard())


@pytest.mark.parametrize("weights", [None, ""])
@pytest.mark.parametrize(
    ("optim", "message"),
    [
        ({"batch_norm": "frozen"}, r"model\.weights is None and optim\.batch_norm is frozen: what is kept would stay"),
        ({"frozen_stages": 2}, r"model\.weights is None and optim\.frozen_stages is 2: what is kept would stay random"),
        (
            {"batch_norm": "frozen", "frozen_stages": 5},
            r"is frozen and optim\.frozen_stages is 5: .*; expected",
        ),
    ],
)
def test_random_weights_are_never_kept(
    weights: str | None, optim: dict[str, Any], message: str, tiny_set: Path, tmp_path: Path
) -> None:
    settings = tiny_recipe("tsm").with_changes({"model.weights": weights, "optim": optim})
    for function in (train, cross_validate):
        with pytest.raises(UserError, match=message):
            function(settings, tiny_set, tmp_path / "out", device="cpu", num_workers=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("batch_norm", ["partial", "frozen"])
def test_with_weights_norms_may_be_kept(batch_norm: str, tiny_set: Path, tmp_path: Path) -> None:
    weights = random_weights(tmp_path, "tsm_resnet18")
    settings = tiny_recipe("tsm").with_changes(
        {"model.weights": weights, "optim": {"batch_norm": batch_norm, "frozen_stages": 1, "epochs": 1}}
    )
    run = train(settings, tiny_set, tmp_path / "run", device="cpu", num_workers=0)
    assert run.recipe.optim.batch_norm == batch_norm
    assert "batch_norm" not in run.record
