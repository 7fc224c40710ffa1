"""The demo's figures and words. `make demo` runs the whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kinesics import demonstration as demo_file
from kinesics.data.puppets import PAIRS
from kinesics.demonstration import PUPPETS, DemoResult, demo, demo_recipe, example, pair_accuracy
from kinesics.errors import UserError
from kinesics.values import Prediction, Scores

CLASSES = tuple(sorted(name for pair in PAIRS for name in pair))


def scores(logits: np.ndarray) -> Scores:
    """Two clips of each class."""
    targets = np.eye(6, dtype=bool).repeat(2, axis=0)
    return Scores(tuple(f"clip{i}" for i in range(12)), logits.astype(np.float32), targets, CLASSES)


def test_pairs_are_told_whatever_else_scores_high() -> None:
    right = np.eye(6).repeat(2, axis=0)
    assert set(pair_accuracy(scores(right)).values()) == {1.0}
    assert set(pair_accuracy(scores(-right)).values()) == {0.0}
    other = right.copy()
    other[CLASSES.index("lean_in") * 2, CLASSES.index("turn_left")] = 9.0  # of another pair: not asked
    other[CLASSES.index("lean_in") * 2 + 1, CLASSES.index("lean_out")] = 9.0
    found = pair_accuracy(scores(other))
    assert found == {"raise hand / lower hand": 1.0, "turn left / turn right": 1.0, "lean in / lean out": 0.75}


def test_both_systems_are_trained_alike() -> None:
    tsn, tsm = demo_recipe("tsn", 0), demo_recipe("tsm", 0)
    assert (tsn.input, tsn.optim, tsn.seed) == (tsm.input, tsm.optim, tsm.seed)
    assert dataclasses.replace(tsn.model, system="tsm", arguments=tsm.model.arguments) == tsm.model
    assert set(PUPPETS.classes) == set(CLASSES)


def test_what_it_tells() -> None:
    pairs = {"tsn": {"a / b": 0.5, "c / d": 0.52}, "tsm": {"a / b": 0.9, "c / d": 1.0}}
    prediction = Prediction("x/nod_1.mp4", ("nod", "wave"), (0.9, 0.1), (1, 2), (0.1, 0.2))
    lines = DemoResult(pairs, 40, prediction, (("the puppets", Path("p.png")),)).lines()
    assert any(line.split() == ["TSM", "95.0%", "90.0%", "100.0%"] for line in lines)
    assert any("+44 points" in line for line in lines)
    assert "nod_1.mp4: nod (90%)" in lines
    assert lines[-1].split()[-1] == "p.png"


def test_the_clip_that_is_shown_is_one_that_the_model_is_right_about(tiny_set: Path) -> None:
    ids = ("clips/left_6.mp4", "clips/right_7.mp4")
    found = Scores(ids, np.array([[9.0, 0], [1, 2]], dtype=np.float32), np.eye(2, dtype=bool)[::-1], ("left", "right"))
    assert example(tiny_set, found).name in ("left_6.mp4", "right_7.mp4")
    right = Scores(ids, np.array([[1.0, 0], [9, 2]], dtype=np.float32), np.eye(2, dtype=bool), ("left", "right"))
    assert example(tiny_set, right).name == "left_6.mp4"


def test_it_says_what_is_missing_before_it_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'kinesics\[lite0\]'"):
        demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
