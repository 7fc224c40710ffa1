"""Cross-validation: a second call with other views or epochs, what is refused early, clips with several labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinesics.analysis.cross_validate import cross_validate
from kinesics.data.manifest import Manifest, read_manifest, write_manifest
from kinesics.errors import UserError
from kinesics.settings import Recipe
from kinesics.values import Scores
from tests.listeners import Heard
from tests.tiny import make_set, tiny_recipe

CPU: dict[str, Any] = {"device": "cpu", "num_workers": 0}


def tiny(epochs: int = 1) -> Recipe:
    return tiny_recipe("tsn").with_changes({"optim.epochs": epochs})


def test_finished_folds_are_scored_again_for_other_views_and_trained_on_for_more_epochs(
    tiny_set: Path, tmp_path: Path
) -> None:
    out = tmp_path / "cv"
    weights = out / "fold-0" / "best" / "model.safetensors"
    cross_validate(tiny(), tiny_set, out, **CPU)
    before = weights.read_bytes()
    cross_validate(tiny(), tiny_set, out, views="two-clip", **CPU)
    scores = Scores.load(out / "scores.npz")
    assert [record["views"] for record in scores.record["pooled"]] == ["two-clip", "two-clip"]
    assert weights.read_bytes() == before
    cross_validate(tiny(epochs=2), tiny_set, out, views="two-clip", **CPU)
    assert weights.read_bytes() != before
    assert not np.array_equal(Scores.load(out / "scores.npz").logits, scores.logits)


def test_unknown_views_are_named_before_the_first_training(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown view plan '25x11'"):
        cross_validate(tiny(), tiny_set, tmp_path / "cv", views="25x11", **CPU)
    assert not (tmp_path / "cv").exists()


def test_clips_with_several_labels(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=4, val=0, test=0, folds=2)
    rows = read_manifest(data).rows
    both = tuple(dataclasses.replace(row, labels=("left", "right")) if row.group == "g3" else row for row in rows)
    write_manifest(Manifest(data, both), data)
    heard = Heard()
    found = cross_validate(tiny(), data, tmp_path / "cv", listener=heard, **CPU)
    assert "mean_average_precision" in found.pooled.names
    assert any(line.startswith("fold 0: mean average precision") for line in heard.lines)
