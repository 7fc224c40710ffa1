"""`kinesics test` of a run: what it writes of two levels of classes and of calibration."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kinesics.analysis.calibrate import calibrate
from kinesics.analysis.evaluate import test as run_test
from kinesics.cli.commands import COMMANDS
from kinesics.errors import UserError
from kinesics.values import Scores
from tests.inference.test_predictor import make_run

QUICK = ("--device", "cpu", "--num-workers", "0")


def test_two_levels_by_a_file(tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, parents = make_run(tmp_path / "run"), tmp_path / "parents.csv"
    parents.write_text("class,parent\nnicken – ja,head\nleft,sideways\nright,sideways\n", encoding="utf-8")
    COMMANDS["test"].run([str(run), "--data", str(tiny_set), "--hierarchy", str(parents), *QUICK])
    told = capsys.readouterr().out
    assert "coarse_top1" in told
    assert "f1_mean" in told
    folder = run / "test-one"
    scores = Scores.load(folder / "scores.npz")
    rows = list(csv.DictReader((folder / "prediction.csv").open()))
    assert [row["vid"] for row in rows] == [Path(video).name for video in scores.ids]
    number = {"nicken – ja": "0", "left": "1", "right": "2"}
    assert [row["action_pred_1"] for row in rows] == [number[scores.classes[k]] for k in scores.logits.argmax(axis=1)]
    assert all(row["body_pred_1"] == ("0" if row["action_pred_1"] == "0" else "1") for row in rows)
    COMMANDS["fuse"].run(
        [str(run), str(folder / "scores.npz"), "--out", str(tmp_path / "both"), "--hierarchy", str(parents)]
    )
    assert (tmp_path / "both/prediction.csv").read_text() == (folder / "prediction.csv").read_text()


def test_a_wrong_hierarchy_is_told_before_any_video_is_scored(tiny_set: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(UserError, match="ma52: has no parent for the class 'left'"):
        run_test(run, tiny_set, hierarchy="ma52", device="cpu", num_workers=0)
    assert not (run / "test-one").exists()


def test_calibration_changes_the_error_and_not_the_logits(tiny_set: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    tested = run_test(run, tiny_set, split="train", device="cpu", num_workers=0)
    before, folder = tested.metrics, tested.folder
    logits = Scores.load(folder / "scores.npz").logits
    found = calibrate(run, tiny_set, split="train", device="cpu", num_workers=0).calibration
    after = run_test(run, tiny_set, split="train", device="cpu", num_workers=0).metrics
    assert np.allclose(Scores.load(folder / "scores.npz").logits, logits, atol=1e-5)
    assert before.calibration_error == pytest.approx(found.error_before, abs=1e-4)
    assert after.calibration_error == pytest.approx(found.error_after, abs=1e-4)
    assert before.calibration_error != pytest.approx(after.calibration_error, abs=1e-3)
    written = json.loads((folder / "metrics.json").read_text())
    assert written["calibration_error"] == after.calibration_error
    assert written["record"]["temperature"] == found.temperature
