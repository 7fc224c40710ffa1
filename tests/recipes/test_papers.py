"""The recipes of the papers: their settings, and that they train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kinesics.analysis.evaluate import test as evaluate
from kinesics.recipes import RECIPES, recipe
from kinesics.training.train import train
from kinesics.video.view_plan import view_plan
from tests.tiny import random_weights


def test_stp_looks_at_twelve_frames_and_tests_a_hundred() -> None:
    made = recipe("stp_rgb")
    assert view_plan("one", made.input).frame_indices(100).shape == (1, 12, 1)
    assert view_plan("25x10", made.input).frame_indices(100).shape == (1, 100, 1)
    assert made.model.name == "stp_bninception"


BACKBONES = {"tea": "res2net50", "kpsem": "mfnet", "mfnet": "mfnet", "kpsem_r3d": "r3d50"}
"""Those that are not tried on EfficientNet-Lite0."""


@pytest.mark.parametrize("name", ["mlfe", "stp_rgb", "tefe", "tefe16", "tea", "mdt", "kpsem", "kpsem_r3d", "mfnet"])
@pytest.mark.parametrize("preset", [None, "few"])
def test_they_train_and_test(name: str, preset: str | None, tiny_set: Path, tmp_path: Path) -> None:
    made = recipe(name, preset=preset)
    backbone = BACKBONES.get(name, "efficientnet_lite0")
    alone = f"plain_{backbone}" if backbone in ("mfnet", "r3d50") else f"tsn_{backbone}"
    made = replace(
        made,
        model=replace(made.model, backbone=backbone, weights=random_weights(tmp_path, alone) if preset else None),
        input=replace(made.input, resize=32, size=32, stride=2),
        optim=replace(made.optim, epochs=1, batch_size=4),
    )
    run = train(made, tiny_set, tmp_path / "run", num_workers=0, device="cpu")
    metrics = evaluate(run, num_workers=0, device="cpu").metrics
    assert 0 <= metrics.value("macro_f1") <= 1


def test_every_recipe_says_what_its_paper_found() -> None:
    for name, data in (
        ("mlfe", "PEV"),
        ("stp_rgb", "PEV"),
        ("tefe", "Jester"),
        ("tefe16", "Something"),
        ("tea", "HMDB51"),
        ("mdt", "Kinetics"),
        ("kpsem", "Mini-Kinetics"),
        ("kpsem_r3d", "HMDB51"),
        ("c3d", "UCF101"),
        ("r2plus1d", "HMDB51"),
        ("i3d", "Something"),
    ):
        assert data in (RECIPES[name].__doc__ or "")


def test_norms_learn_but_where_a_paper_keeps_them() -> None:
    kept = {name for name in RECIPES if recipe(name).optim.batch_norm == "partial"}
    assert kept == {name for name in RECIPES if name.startswith(("stp_", "mlfe"))}


def test_every_recipe_has_its_name_and_says_what_it_is() -> None:
    for name, made in RECIPES.items():
        assert made().name == name == made.__name__
        assert len(made.__doc__ or "") > 10


def test_rows_of_the_papers_tables() -> None:
    assert recipe("mlfe_tsm").model.name == "tsm_resnet50"
    assert recipe("mlfe_tsm").optim == recipe("mlfe").optim
    assert recipe("mlfe_bninception").model.name == "mlfe_bninception"
    assert [recipe(f"mlfe_lambda{tenths:02d}").model.arguments["weight"] for tenths in (2, 10)] == [0.2, 1.0]
    for stream in ("stp_rgb", "stp_flow", "stp_warped"):
        baseline, four = recipe(f"{stream}_baseline"), recipe(f"{stream}_levels4")
        assert (baseline.model.name, baseline.optim) == ("tsn_bninception", recipe(stream).optim)
        assert view_plan("one", baseline.input).frame_indices(100).shape[1] == 3
        assert view_plan("one", four.input).frame_indices(100).shape[1] == 24
    assert [recipe(f"kpsem_batch{size}").optim.batch_size for size in (64, 80, 128)] == [64, 80, 128]
    assert recipe("tsn16").input.num_segments == recipe("mdt_plain16").input.num_segments == 16
    assert recipe("mdt_plain16").model.arguments == {"scale": 1 / 3, "salience": False}
    for name in ("mfnet", "kpsem"):  # as MFNet's authors train: backbone 0.001, head 0.005
        optim = recipe(name).optim
        assert (optim.learning_rate, optim.learning_rate * optim.head_rate, optim.nesterov) == (0.001, 0.005, True)
    for name in ("mlfe_flow", "stp_flow", "stp_warped", "mlfe_bninception_flow"):
        assert (recipe(name).optim.first_conv_rate, recipe(name).optim.bias_rate) == (5, 2)


def test_frames_of_the_papers_that_name_them() -> None:
    assert {str(recipe(name).input.resize) for name in RECIPES if name.startswith("stp_")} == {"340x256"}
    assert (str(recipe("tefe").input.resize), recipe("tefe16").input.crop) == ("256-320", "random")


def test_tea_has_its_paper_s_settings() -> None:
    made = recipe("tea")
    assert made.model.name == "tea_res2net50"
    assert made.optim.learning_rate / made.optim.batch_size == pytest.approx(0.01 / 64)
    assert [share * made.optim.epochs for share in made.optim.milestones] == pytest.approx([30, 40, 45])
    assert (made.optim.weight_decay, made.model.dropout, made.optim.batch_norm) == (5e-4, 0.5, "train")


def test_networks_of_3d_convolutions_see_their_papers_clips() -> None:
    for name, model, shape in (
        ("c3d", "plain_c3d", (1, 16, 1)),
        ("r2plus1d", "plain_r2plus1d18", (1, 16, 1)),
        ("i3d", "plain_i3d50", (1, 32, 1)),
    ):
        made = recipe(name)
        assert made.model.name == model
        assert view_plan("one", made.input).frame_indices(100).shape == shape
    made = recipe("r2plus1d")
    assert [round(share * made.optim.epochs) for share in made.optim.milestones] == [20, 30, 40]


@pytest.mark.parametrize("name", ["r2plus1d", "i3d"])  # C3D takes too long to write
def test_networks_of_3d_convolutions_train_and_test(name: str, tiny_set: Path, tmp_path: Path) -> None:
    made = recipe(name)
    made = replace(
        made,
        model=replace(made.model, weights=None),
        input=replace(made.input, num_segments=4, resize=32, size=32, stride=1),
        optim=replace(made.optim, epochs=1, warmup_epochs=0, batch_size=8),
    )
    run = train(made, tiny_set, tmp_path / "run", num_workers=0, device="cpu")
    metrics = evaluate(run, num_workers=0, device="cpu").metrics
    assert 0 <= metrics.value("macro_f1") <= 1
