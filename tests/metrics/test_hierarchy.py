"""Two levels of classes: figures against scikit-learn, where the levels come from, and the challenge's file."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from kinesics.analysis.evaluate import write_results
from kinesics.errors import UserError
from kinesics.metrics.accuracy import evaluate
from kinesics.metrics.hierarchy import (
    Hierarchy,
    evaluate_levels,
    find_hierarchy,
    hierarchy_of_names,
    read_parents,
    write_submission,
)
from kinesics.values import Scores

NAMES = ("head/nod", "head/shake", "arm/wave", "arm/stop", "arm/point", "still")
PARENTS = np.array([0, 0, 1, 1, 1, 2])


def drawn(seed: int, num: int = 80, *, multi_label: bool = False) -> Scores:
    """Scores of six classes of which all occur, right in about half."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(6), random.integers(6, size=num - 6)])
    targets = np.eye(6, dtype=bool)[labels]
    if multi_label:
        targets |= random.random(targets.shape) < 0.2
    logits = (random.normal(size=targets.shape) + 1.5 * targets - 0.5 * multi_label).astype(np.float32)
    return Scores(tuple(f"clips/v{i}.mp4" for i in range(num)), logits, targets, NAMES, multi_label)


@given(st.integers(0, 10_000))
def test_both_levels_equal_scikit_learn(seed: int) -> None:
    scores = drawn(seed)
    metrics = evaluate_levels(scores, num_bootstrap=0)
    fine = scores.targets.argmax(axis=1), scores.logits.argmax(axis=1)
    coarse = PARENTS[fine[0]], PARENTS[fine[1]]
    assert metrics.value("coarse_top1") == pytest.approx(accuracy_score(*coarse))
    wanted = [f1_score(*level, average=average) for level in (coarse, fine) for average in ("macro", "micro")]
    names = ("coarse_macro_f1", "coarse_micro_f1", "macro_f1", "micro_f1")
    assert [metrics.value(name) for name in names] == pytest.approx(wanted)
    assert metrics.value("f1_mean") == pytest.approx(np.mean(wanted))


@given(st.integers(0, 10_000))
def test_a_parent_of_many_labels_holds_where_a_child_does(seed: int) -> None:
    scores = drawn(seed, multi_label=True)
    metrics = evaluate_levels(scores, num_bootstrap=0)

    def lifted(fine: np.ndarray) -> np.ndarray:
        return np.stack([fine[:, parent == PARENTS].any(axis=1) for parent in range(3)], axis=1)

    coarse = lifted(scores.targets), lifted(scores.logits > 0)
    assert metrics.value("coarse_exact_match") == pytest.approx(accuracy_score(*coarse))
    for average in ("macro", "micro"):
        assert metrics.value(f"coarse_{average}_f1") == pytest.approx(f1_score(*coarse, average=average))


def test_the_fine_level_stays_and_intervals_hold_their_figure() -> None:
    scores = drawn(1)
    plain, both = evaluate(scores), evaluate_levels(scores)
    assert {name: both.figures[name] for name in plain.figures} == plain.figures
    for name in both.figures:
        assert both.interval(name).low <= both.value(name) <= both.interval(name).high
    assert both.value("coarse_top1") > both.value("top1")
    unknown = dataclasses.replace(scores, targets=scores.targets & (np.arange(80) < 50)[:, None])
    assert evaluate_levels(unknown, num_bootstrap=0).num_unknown == 30


def test_published_figures_make_the_published_mean() -> None:
    """MANet on MA-52: body F1 72.87 and 78.95, action F1 49.22 and 61.33; their mean is given as 65.59."""
    assert np.mean([72.87, 78.95, 49.22, 61.33]) == pytest.approx(65.59, abs=0.005)


# Where the levels come from


def test_names_tell_the_levels() -> None:
    found = hierarchy_of_names(NAMES)
    assert found is not None
    assert found.coarse == ("head", "arm", "still")
    assert found.members(NAMES).argmax(axis=1).tolist() == PARENTS.tolist()
    assert hierarchy_of_names(("nod", "shake")) is None
    assert hierarchy_of_names(("on/off", "nod")) is None, "no two classes share a parent"
    assert evaluate_levels(dataclasses.replace(drawn(0), classes=tuple("abcdef"))).names == evaluate(drawn(0)).names


def test_a_file_tells_them(tmp_path: Path) -> None:
    wanted = {"nod": "head", "shake": "head", "wave": "arm"}
    (tmp_path / "h.csv").write_text("class,parent\nnod,head\nshake, head\nwave,arm\n")
    (tmp_path / "h.json").write_text(json.dumps(wanted))
    assert read_parents(tmp_path / "h.csv") == read_parents(tmp_path / "h.json") == wanted
    found = find_hierarchy(tmp_path / "h.csv", ("wave", "nod"))
    assert found is not None
    assert found.coarse == ("head", "arm"), "numbered as in the file, whatever the model knows of it"
    assert found.members(("wave", "nod")).tolist() == [[False, True], [True, False]]


def test_ma52_is_known() -> None:
    classes = tuple(str(number) for number in range(52))
    found = find_hierarchy("ma52", classes)
    assert found is not None
    assert tuple(found.parents) == classes
    assert [int(found.members(classes)[:, part].sum()) for part in range(7)] == [5, 6, 13, 8, 6, 10, 4]
    assert [found.parents[name] for name in ("9", "19", "42", "51")] == ["head", "upper limb", "head-hand", "leg-hand"]
    with pytest.raises(UserError, match="ma52: has no parent for the class 'nod'; it knows 0, 1, 2 … 51"):
        find_hierarchy("ma52", ("nod",))


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "h.csv",
            "name,parent\nnod,head\n",
            r"h\.csv: its first line is 'name,parent'; expected a CSV file with the columns",
        ),
        ("h.csv", "class,parent\nnod,\n", r"h\.csv:2: the parent is empty"),
        ("h.csv", "class,parent\nnod,head\nnod,arm\n", r"h\.csv:3: 'nod' has the parent 'head' already"),
        ("h.csv", "class,parent\n", r"h\.csv: no classes"),
        ("h.csv", "class,parent\nwave,arm\n", r"h\.csv: has no parent for the class 'nod'"),
        ("h.json", "[1]", r"h\.json: expected a JSON object"),
        ("h.json", "{", r"h\.json: not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=wanted):
        find_hierarchy(tmp_path / name, ("nod",))


# What is written


def test_the_challenges_file_by_hand(tmp_path: Path) -> None:
    classes = tuple(str(number) for number in range(52))
    logits = np.zeros((2, 52), dtype=np.float32)
    logits[0, [9, 10, 8, 51, 6]] = [5, 4, 3, 2, 1]
    scores = Scores(("test/0003_01_0005.mp4", "test/b.mp4"), logits, np.zeros((2, 52), dtype=bool), classes)
    hierarchy = find_hierarchy("ma52", classes)
    assert hierarchy is not None
    write_submission(scores, hierarchy, tmp_path / "prediction.csv")
    assert (tmp_path / "prediction.csv").read_text().splitlines() == [
        "vid,action_pred_1,action_pred_2,action_pred_3,action_pred_4,action_pred_5,"
        "body_pred_1,body_pred_2,body_pred_3,body_pred_4,body_pred_5",
        "0003_01_0005.mp4,9,10,8,51,6,1,1,1,6,1",
        "b.mp4,0,1,2,3,4,0,0,0,0,0",
    ]


def test_numbers_are_the_files_and_names_tell_videos_apart(tmp_path: Path) -> None:
    logits = np.array([[3, 2, 1], [1, 2, 3]], dtype=np.float32)
    scores = Scores(("a/x.mp4", "b/x.mp4"), logits, np.eye(3, dtype=bool)[:2], ("nod", "shake", "wave"))
    hierarchy = Hierarchy({"wave": "arm", "bow": "body", "nod": "head", "shake": "head"})
    write_submission(scores, hierarchy, tmp_path / "prediction.csv")
    rows = list(csv.reader((tmp_path / "prediction.csv").open()))
    assert rows[1:] == [["a/x.mp4", "2", "3", "0", "2", "2", "0"], ["b/x.mp4", "0", "3", "2", "0", "2", "2"]]


def test_it_stands_with_the_other_results(tmp_path: Path) -> None:
    metrics = write_results(drawn(0), tmp_path / "named")
    written = json.loads((tmp_path / "named/metrics.json").read_text())
    assert written["f1_mean"]["value"] == metrics.value("f1_mean")
    assert len((tmp_path / "named/prediction.csv").read_text().splitlines()) == 81
    write_results(dataclasses.replace(drawn(0), classes=tuple("abcdef")), tmp_path / "flat")
    assert not (tmp_path / "flat/prediction.csv").exists()
    write_results(drawn(0, multi_label=True), tmp_path / "multi")
    assert not (tmp_path / "multi/prediction.csv").exists(), "the challenge has one label a clip"
