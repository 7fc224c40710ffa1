"""From a recipe with rectangles to a tested run, by the command line, on landscape and portrait videos together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kinesics.cli import main
from kinesics.data.manifest import Manifest, Row, write_manifest
from kinesics.runs.model_file import load_model
from kinesics.runs.run import Run
from kinesics.values import Scores
from kinesics.video.write import write_video
from tests.tiny import moving_square


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of two classes, `left` and `right`; every second clip is portrait."""
    folder, rows = tmp_path_factory.mktemp("shapes"), []
    for label in ("left", "right"):
        for index, split in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 2):
            frames = np.stack(moving_square(label, index, size=64))
            path = folder / f"{label}_{index}.mp4"
            write_video(path, frames[:, 8:56] if index % 2 else frames[:, :, 8:56], fps=12)
            rows.append(Row(path.name, (label,), split=split))
    write_manifest(Manifest(folder / "set.csv", tuple(rows)), folder / "set.csv")
    return folder / "set.csv"


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--device", "cpu", "--num-workers", "0"])
    return int(stop.value.code or 0)


def train(recipe: str, data: Path, out: Path, *words: str) -> int:
    small = ["--backbone", "resnet18", "--weights", "None", "--num-segments", "3", "--epochs", "1", "--batch-size", "4"]
    return call("train", recipe, "--data", str(data), "--out", str(out), *small, *words)


def scored_plan(run: Path, views: str) -> tuple[object, object]:
    plan = Scores.load(run / f"test-{views}" / "scores.npz").record["plan"]
    return plan["resize"], plan["size"]


def test_random_crops_of_a_range_and_a_test_on_the_whole_frame(shapes: Path, tmp_path: Path) -> None:
    """As TEFE's paper has it, in small."""
    run = tmp_path / "run"
    assert train("tefe", shapes, run, "--resize", "40-48", "--size", "32", "--crop", "random") == 0
    assert json.loads((run / "recipe.json").read_text())["input"]["resize"] == "40-48"
    assert Run(run).recipe.input.resize == "40-48"
    assert load_model(run)[1].view_plan.resize == 40, "tests take the lowest"
    for views in ("one", "whole-48x40", "ten-by-three"):
        assert call("test", str(run), "--views", views) == 0
    assert scored_plan(run, "one") == (40, 32)
    assert scored_plan(run, "whole-48x40") == ("48x40", "48x40")
    assert scored_plan(run, "ten-by-three") == (40, 40)
    assert call("calibrate", str(run), "--views", "whole-48x40") == 0


def test_frames_resized_whatever_their_shape(shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As STP's paper has it, in small; the crops are rectangles here."""
    run, videos = tmp_path / "run", str(shapes.parent)
    assert train("tsm", shapes, run, "--resize", "48x40", "--size", "40x32") == 0
    for views in ("one", "25x10"):
        assert call("test", str(run), "--views", views) == 0
    assert scored_plan(run, "25x10") == ("48x40", "40x32")
    capsys.readouterr()
    assert call("predict", str(run), videos, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 16
    with np.load(run / "test-one" / "scores.npz") as scores:
        assert np.isfinite(scores["logits"]).all()
    assert call("test", str(run), "--views", "whole-48x") == 2
    assert "view plan 'whole-48x' has no size; expected whole-WIDTHxHEIGHT" in capsys.readouterr().err
