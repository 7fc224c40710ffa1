"""Fusing runs from their folders."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from kinesics.analysis.fuse import fuse as fuse_runs
from kinesics.cli.commands import COMMANDS
from kinesics.errors import UserError
from kinesics.values import Scores
from tests.metrics.test_fusion import scores


def run_folder(folder: Path, seed: int) -> Path:
    scores(seed, 12).save(folder / "test-one" / "scores.npz")
    return folder


def test_two_runs_and_a_file(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path / "rgb", 1), run_folder(tmp_path / "flow", 2) / "test-one" / "scores.npz"]
    metrics = fuse_runs(runs, tmp_path / "both", weights=(1, 1.5))
    found = Scores.load(tmp_path / "both" / "scores.npz")
    assert np.allclose(found.probs(), (scores(1, 12).probs() + 1.5 * scores(2, 12).probs()) / 2.5, atol=1e-6)
    written = json.loads((tmp_path / "both" / "metrics.json").read_text())
    assert written["record"]["fused"][str(tmp_path / "rgb")]["weight"] == 1
    assert (tmp_path / "both" / "confusion.png").is_file()
    assert 0 <= metrics.value("top1") <= 1


def test_streams_of_a_paper_weigh_what_it_says(tmp_path: Path) -> None:
    for seed, name in enumerate(("stp_rgb", "stp_flow-few", "stp_warped")):
        made = dataclasses.replace(scores(seed, 12), record={"recipe": name})
        made.save(tmp_path / name / "test-one" / "scores.npz")
    runs = [tmp_path / name for name in ("stp_rgb", "stp_flow-few", "stp_warped")]
    fuse_runs(runs, tmp_path / "all")
    fused = json.loads((tmp_path / "all" / "metrics.json").read_text())["record"]["fused"]
    assert [fused[str(run)]["weight"] for run in runs] == [1, 1.5, 1]
    pooled = dataclasses.replace(scores(4, 12), record={"pooled": [{"recipe": "stp_flow", "fold": 0}]})
    pooled.save(tmp_path / "folds" / "scores.npz")  # as a cross-validation writes them
    fuse_runs([runs[0], tmp_path / "folds"], tmp_path / "validated")
    fused = json.loads((tmp_path / "validated" / "metrics.json").read_text())["record"]["fused"]
    assert [stream["weight"] for stream in fused.values()] == [1, 1.5]
    fuse_runs([runs[0], run_folder(tmp_path / "other", 5)], tmp_path / "alike")
    fused = json.loads((tmp_path / "alike" / "metrics.json").read_text())["record"]["fused"]
    assert {stream["weight"] for stream in fused.values()} == {1}


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(run_folder(tmp_path / name, seed)) for seed, name in enumerate(("rgb", "flow"))]
    COMMANDS["fuse"].run([*runs, "--out", str(tmp_path / "both"), "--weights", "1", "1.5", "--json"])
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "both")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    rgb = run_folder(tmp_path / "rgb", 1)
    (tmp_path / "flow").mkdir()
    with pytest.raises(UserError, match=r"flow: no scores of split test with views one; `kinesics"):
        fuse_runs([rgb, tmp_path / "flow"], tmp_path / "both")
    with pytest.raises(UserError, match="a weight for each of 2 runs, found 3"):
        fuse_runs([rgb, tmp_path / "flow"], tmp_path / "both", weights=(1, 1, 1))
    with pytest.raises(UserError, match="twice"):
        fuse_runs([rgb, rgb], tmp_path / "both")
    assert not (tmp_path / "both").exists()
