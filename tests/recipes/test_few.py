"""The preset for few clips, trained for real: it keeps what the probe knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kinesics.analysis.evaluate import test as run_test
from kinesics.errors import UserError
from kinesics.models.registry import list_models
from kinesics.recipes import RECIPES, recipe
from kinesics.training.train import train


def test_few_clips_are_enough_for_order(tiny_set: Path, tmp_path: Path) -> None:
    made = recipe("tsm", preset="few")
    small = dataclasses.replace(
        made,
        input=dataclasses.replace(made.input, num_segments=6, resize=72, size=64),
        optim=dataclasses.replace(made.optim, epochs=2),
    )
    run = train(small, tiny_set, tmp_path / "run", num_workers=0, device="cpu")
    metrics = run_test(run, tiny_set, num_workers=0).metrics
    assert metrics.value("top1") == 1.0


def test_few_changes_how_not_what() -> None:
    plain, few = recipe("tsm"), recipe("tsm", preset="few")
    assert few.name == "tsm-few"
    assert few.model.system == plain.model.system
    assert few.optim.batch_norm == "frozen"
    assert few.optim.head_start == "probe"
    assert few.optim.balance == "sampler"
    assert np.isclose(plain.optim.learning_rate, 0.0025)


def test_few_keeps_the_backbone_of_those_that_have_no_other() -> None:
    models = {name: recipe(name, preset="few").model.name for name in RECIPES if recipe(name).model.weights}
    assert set(models.values()) <= set(list_models())
    assert models["tea"] == "tea_res2net50"
    assert models["mfnet"] == "plain_mfnet"
    assert models["mdt"] == "mdt_efficientnet_lite0"
    assert models["tefe"] == "tefe_efficientnet_lite0"


def test_few_needs_weights() -> None:
    random = [name for name in RECIPES if not recipe(name).model.weights]
    assert "c3d" in random
    for name in random:
        with pytest.raises(UserError, match=r"model\.weights is None and .*frozen_stages is 4: .* would stay random"):
            recipe(name, preset="few").check_kept()
        recipe(name, preset="few", model={"weights": "own.pt"}).check_kept()
        recipe(name, preset="few", optim={"frozen_stages": 0, "batch_norm": "train"}).check_kept()
