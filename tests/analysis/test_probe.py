"""The probe: it says rightly what clips allow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from kinesics.analysis.probe import ProbeResult, left_out_logits, probe
from kinesics.cli import main
from kinesics.data.manifest import Manifest, read_manifest, write_manifest
from kinesics.errors import UserError
from kinesics.metrics.bootstrap import Interval
from kinesics.values import VideoItem
from tests.listeners import Heard
from tests.tiny import random_weights


@pytest.fixture(scope="module")
def result(tiny_set: Path) -> ProbeResult:
    return probe(tiny_set, num_segments=6, num_workers=0)


def test_frames_in_order_tell_left_from_right(result: ProbeResult) -> None:
    value = {way: found.value for way, found in result.accuracy.items()}
    assert value["ordered"] == 1.0
    assert value["reversed"] < 0.5  # a guess
    assert any("order" in line for line in result.findings())
    assert (result.num_clips, result.num_classes, result.num_folds, result.grouped) == (16, 2, 2, True)


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("middle frame", {"one_frame": 1, "unordered": 1, "ordered": 1, "reversed": 1}),
        ("spread", {"unordered": 1}),
        ("order", {"ordered": 1, "reversed": 0}),
    ],
)
def test_each_way_sees_what_it_can(tiny_set: Path, what: str, wanted: dict[str, float]) -> None:
    """Features that tell the class by one thing only, in folds that are even."""
    random, manifest = np.random.default_rng(0), read_manifest(tiny_set)
    items = [VideoItem(f"clip{i}", Path(f"clip{i}.mp4"), (i % 2,)) for i in range(80)]
    sign_N = np.array([item.labels[0] for item in items]) * 2 - 1
    course_NT = random.normal(size=(80, 7)) * 0.1
    if what == "middle frame":
        course_NT += sign_N[:, None] * 2
    elif what == "spread":
        course_NT += (np.arange(7) % 2 * 2 - 1) * (sign_N[:, None] + 2)
    else:
        course_NT += np.linspace(-1, 1, 7) * sign_N[:, None]
    noise = random.normal(size=(80, 7, 3)) * 0.1
    features = np.concatenate([course_NT[..., None], noise], axis=2).astype(np.float32)
    logits = left_out_logits(features, items, np.arange(80) // 2 % 4, manifest)
    accuracy = {way: float((found.argmax(1) == (sign_N > 0)).mean()) for way, found in logits.items()}
    assert {way: round(accuracy[way], 1) for way in wanted} == wanted
    if what != "middle frame":
        assert accuracy["one_frame"] < 0.7
    if what == "order":
        assert accuracy["unordered"] < 0.7


def test_clips_of_the_test_split_stay_unseen(tiny_set: Path, tmp_path: Path) -> None:
    manifest = read_manifest(tiny_set)
    rows = [
        dataclasses.replace(row, fold=None, group="", path=str(tiny_set.parent / row.path)) for row in manifest.rows
    ]
    write_manifest(Manifest(tmp_path / "set.csv", tuple(rows)), tmp_path / "set.csv")
    heard = Heard()
    found = probe(
        tmp_path / "set.csv",
        backbone="resnet18",
        weights=random_weights(tmp_path, "tsn_resnet18"),
        num_segments=2,
        num_workers=0,
        listener=heard,
    )
    assert (found.num_clips, found.left_out, found.grouped, found.num_folds) == (12, 4, False, 5)
    assert heard.progress[-1] == (12, 12)
    assert any(line.startswith("no groups") for line in found.lines())


def made(one: float, unordered: float, ordered: float, backwards: float) -> ProbeResult:
    ways = zip(("one_frame", "unordered", "ordered", "reversed"), (one, unordered, ordered, backwards), strict=True)
    accuracy = {way: Interval(value, value, value) for way, value in ways}
    return ProbeResult("mean_class_accuracy", 0.25, accuracy, 40, 4, 5, True, 0, "efficientnet_lite0", 1.0)


@pytest.mark.parametrize(
    ("figures", "wanted"),
    [
        ((0.9, 0.95, 0.95, 0.95), "one frame is nearly enough"),
        ((0.3, 0.5, 0.9, 0.2), "the order of the frames adds 40 points"),
        ((0.3, 0.9, 0.9, 0.5), "order is used"),
        ((0.3, 0.9, 0.9, 0.9), "adds nothing"),
        ((0.25, 0.26, 0.3, 0.2), "show almost nothing"),
    ],
)
def test_findings_follow_from_the_figures(figures: tuple[float, float, float, float], wanted: str) -> None:
    assert any(wanted in line for line in made(*figures).findings())


def test_one_class_or_an_unknown_backbone_is_refused(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="efficientnet_lite0"):
        probe(tiny_set, backbone="efficientnet_lite")
    manifest = read_manifest(tiny_set)
    write_manifest(Manifest(tmp_path / "one.csv", manifest.rows[:4]), tmp_path / "one.csv")
    with pytest.raises(UserError, match="one class"):
        probe(tmp_path / "one.csv")


def test_the_command_prints_a_table_or_json(tiny_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["probe", str(tiny_set), "--num-segments", "4", "--json"])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_clips"] == 16
    assert found["accuracy"]["ordered"]["value"] > 0.9
