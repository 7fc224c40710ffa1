"""Runs side by side, from their folders."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from kinesics.analysis.compare import compare
from kinesics.analysis.tested_runs import read_tested, run_names
from kinesics.cli.commands import COMMANDS
from kinesics.data.manifest import Manifest, Row, write_manifest
from kinesics.errors import UserError
from kinesics.metrics.cost import cost
from kinesics.models.build import create_model
from kinesics.values import Scores
from tests.metrics.test_significance import two_runs


def folders(tmp_path: Path, names: tuple[str, ...] = ("a", "b")) -> list[Path]:
    """Runs of which nothing but the scores is left."""
    for seed, name in enumerate(names):
        first, second, _ = two_runs(7)
        kept = second if seed == 0 else dataclasses.replace(first, logits=first.logits * (1 + seed) / 2)
        kept.save(tmp_path / name / "test-one" / "scores.npz")
    return [tmp_path / name for name in names]


def test_trained_runs_are_told_with_their_cost(
    tiny_runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found = compare(tiny_runs)
    assert [run.name for run in found.runs] == ["tsn", "tsm"]
    want = cost(create_model("tsn_resnet18", 2), (1, 3, 3, 32, 32))
    assert found.runs[0].cost == want
    assert found.runs[0].macs == want.macs
    assert found.matches[0].pair.num_videos == 4
    COMMANDS["compare"].run([str(run) for run in tiny_runs])
    shown = capsys.readouterr().out
    assert f"{want.parameters / 1e6:.2f} M" in shown
    assert "McNemar" in shown
    assert "2 groups of clips" in shown  # tiny clips of one index are of one group


def test_views_cost_what_they_are_many(tiny_runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(tiny_runs[0], tmp_path / "tsn")
    scores = Scores.load(run / "test-one" / "scores.npz")
    plan = {**scores.record["plan"], "num_clips": 2, "crops": 3}
    dataclasses.replace(scores, record={**scores.record, "plan": plan}).save(run / "test-many" / "scores.npz")
    one, many = (read_tested([run], views=views)[0] for views in ("one", "many"))
    assert one.macs is not None
    assert many.macs == 6 * one.macs


def test_against_the_first_or_the_best(tmp_path: Path) -> None:
    runs = folders(tmp_path)[::-1]  # b, the worse one, first
    first, best = compare(runs), compare(runs, against="best")
    assert [(match.first, match.second) for match in first.matches] == [("b", "a")]
    assert [(match.first, match.second) for match in best.matches] == [("a", "b")]
    assert first.matches[0].pair.figures["top1"].value == -best.matches[0].pair.figures["top1"].value > 0
    assert first.matches[0].adjusted_p == first.matches[0].pair.p_value
    assert first.runs[0].cost is None  # nothing but scores is there


def test_groups_come_from_the_manifest_that_is_named(tmp_path: Path) -> None:
    runs = folders(tmp_path)
    ids = Scores.load(runs[0] / "test-one/scores.npz").ids
    rows = tuple(Row(name, (f"c{i % 4}",), group=f"p{i // 6}") for i, name in enumerate(ids))
    write_manifest(Manifest(tmp_path / "set.csv", rows), tmp_path / "set.csv")
    assert compare(runs).unit == "clips"
    assert compare(runs, data=tmp_path / "set.csv").unit == "10 groups of clips"
    with pytest.raises(UserError, match=r"gone\.csv: no such file"):
        compare(runs, data=tmp_path / "gone.csv")


def test_the_command_prints_clips_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(run) for run in folders(tmp_path, ("a", "b", "c"))]
    COMMANDS["compare"].run([*words, "--clips"])
    shown = capsys.readouterr().out
    pair = compare(words).matches[0].pair
    assert all(f"  {name}" in shown for name in (*pair.only_first, *pair.only_second))
    assert "Holm corrects it for 2 comparisons" in shown
    COMMANDS["compare"].run([*words, "--json"])
    written = json.loads(capsys.readouterr().out)
    assert written["pairs"][0]["p_value"] == pair.p_value
    assert written["pairs"][0]["only_first"] == list(pair.only_first)
    assert written["runs"][0]["parameters"] is None


def test_clips_that_differ_are_named_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = folders(tmp_path)
    scores = Scores.load(b / "test-one/scores.npz")
    fewer = dataclasses.replace(scores, ids=scores.ids[3:], logits=scores.logits[3:], targets=scores.targets[3:])
    fewer.save(b / "test-one/scores.npz")
    with pytest.raises(UserError, match="b: scores of other videos than a's: it lacks v0, v1, v2"):
        compare([a, b])
    found = compare([a, b], common=True)
    assert (found.num_left_out, found.runs[0].metrics.num_videos, found.matches[0].pair.num_videos) == (3, 57, 57)
    COMMANDS["compare"].run([str(a), str(b), "--common"])
    assert "left out 3 clips" in capsys.readouterr().out


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    a, b = folders(tmp_path)
    with pytest.raises(UserError, match="two runs or more, found 1"):
        compare([a])
    with pytest.raises(UserError, match="is named twice"):
        compare([a, a])
    with pytest.raises(UserError, match=r"no scores of split test with views 25x10; `kinesics test"):
        compare([a, b], views="25x10")


def test_names_tell_runs_apart() -> None:
    assert run_names([Path("x/tsm"), Path("x/tsn")]) == ["tsm", "tsn"]
    assert run_names([Path("x/tsm"), Path("y/tsm")]) == ["x/tsm", "y/tsm"]
    assert len(set(run_names([Path("x/tsm"), Path("x/tsm")]))) == 1
