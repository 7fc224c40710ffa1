"""The printed command gives the same recipe."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from kinesics.cli.training import RECIPE, recipe_flags
from kinesics.recipes import RECIPES, recipe
from kinesics.reporting.reproduce import nearest_recipe, test_command, train_command
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.training.train import train
from tests.tiny import tiny_recipe

UNUSUAL = Recipe(
    name="a name with spaces",
    model=ModelConfig(system="tsm", weights=None, arguments={"direction": "past", "fold_div": 4}),
    input=InputConfig(flip=False, crop="centre", resize="256-320", size="256x224"),
    optim=OptimConfig(milestones=(), clip_norm=None, learning_rate=1e-5, epochs=3),
    seed=7,
)
OTHER_SYSTEM = replace(
    recipe("tsn", preset="few"), name="mdt", model=ModelConfig("mdt", "efficientnet_lite0"), input=InputConfig(size=96)
)
"""A recipe that needs fewer flags from another system's recipe than from its own."""


@pytest.mark.parametrize(
    "expected", [tiny_recipe("tsm"), recipe("stp_flow"), recipe("tsn", preset="few"), UNUSUAL, OTHER_SYSTEM]
)
def test_the_command_gives_the_recipe_back(expected: Recipe) -> None:
    words = shlex.split(train_command(expected, "a set.csv", "run"))
    assert words[:2] == ["kinesics", "train"]
    assert recipe(words[2]).model.system == expected.model.system
    flags = recipe_flags(train, {"recipe": RECIPE}, words[2:], "train")
    assert flags["recipe"] == expected
    assert (str(flags["data"]), str(flags["out"])) == ("a set.csv", "run")
    assert (flags["flow"] is not None) == (expected.input.modality == "flow")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_as_it_is_needs_no_flags(name: str) -> None:
    assert nearest_recipe(recipe(name)) == (name, None)
    if recipe(name).model.weights:  # the preset keeps these weights
        assert nearest_recipe(recipe(name, preset="few")) == (name, "few")
    assert (
        train_command(recipe(name), "s.csv", "r").removesuffix(" --flow FLOW").endswith(f"{name} --data s.csv --out r")
    )


def test_the_test_command_has_the_split_and_views_of_the_scores() -> None:
    assert (
        test_command("my run", {"split": "val", "views": "25x1"}) == "kinesics test 'my run' --split val --views 25x1"
    )
