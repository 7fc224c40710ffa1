"""Plots are readable from 2 to 200 classes, and complete or not written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kinesics.metrics.bootstrap import Interval
from kinesics.metrics.calibration import Bin
from kinesics.plots.bars import plot_class_bars
from kinesics.plots.confusion import plot_confusion
from kinesics.plots.curves import plot_curves
from kinesics.plots.reliability import plot_reliability
from kinesics.plots.style import RUN_COLORS
from kinesics.plots.tradeoff import Point, plot_tradeoff

FORMULA = r"a $\x$ class"
"""A name that matplotlib would read as a formula, with an error in it."""


@pytest.mark.parametrize("num_classes", [2, 12, 40, 200])
def test_confusion_is_drawn_in_its_cells(tmp_path: Path, num_classes: int) -> None:
    confusion = np.diag(np.full(num_classes, 9))
    plot_confusion(confusion, [f"class {k}" for k in range(num_classes)], tmp_path / "diagonal.png")
    plot_confusion(np.fliplr(confusion), [f"class {k}" for k in range(num_classes)], tmp_path / "other.png")
    diagonal, other = (cv2.imread(str(tmp_path / name)) for name in ("diagonal.png", "other.png"))
    assert diagonal is not None
    assert other is not None
    assert diagonal.shape[0] > 250
    assert max(diagonal.shape) < 2600
    dark = diagonal.sum(axis=2) < 350
    rows, columns = np.nonzero(dark[:, : int(diagonal.shape[1] * 0.8)])
    rows_of_other, columns_of_other = np.nonzero((other.sum(axis=2) < 350)[:, : int(diagonal.shape[1] * 0.8)])
    assert np.corrcoef(rows, columns)[0, 1] > np.corrcoef(rows_of_other, columns_of_other)[0, 1] + 0.2


def test_curves_with_and_without_validation(tmp_path: Path) -> None:
    rows = [{"epoch": e, "train_loss": 1 / e, "val_loss": "", "val_macro_f1": "", "val_top1": ""} for e in (1, 2, 3)]
    plot_curves(rows, tmp_path / "plain.png")
    full = [{**row, "val_loss": 1.0, "val_macro_f1": 0.5, "val_top1": 0.6} for row in rows]
    plot_curves(full, tmp_path / "full.png")
    plain, both = (cv2.imread(str(tmp_path / name)) for name in ("plain.png", "full.png"))
    assert plain is not None
    assert both is not None
    assert both.shape[1] > 1.5 * plain.shape[1]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        plot_curves([{"epoch": 1}], tmp_path / "broken.png")
    assert not list(tmp_path.iterdir())


def coloured(path: Path, color: str) -> np.ndarray:
    """(H, W) bool: where a picture has exactly this colour, such as #2f6fb2."""
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray((picture == [int(color[at : at + 2], 16) for at in (5, 3, 1)]).all(axis=2))


def test_bars_are_as_long_as_their_values(tmp_path: Path) -> None:
    runs = {"a": [Interval(0.9, 0.8, 1.0), Interval(np.nan, np.nan, np.nan)], FORMULA: [Interval(0.3, 0.3, 0.3)] * 2}
    plot_class_bars(["nod", FORMULA], runs, "F1", tmp_path / "bars.png")
    picture = cv2.imread(str(tmp_path / "bars.png"))
    assert picture is not None
    blue = (picture[..., 0].astype(int) - picture[..., 2] > 60).sum(axis=1)
    orange = (picture[..., 2].astype(int) - picture[..., 0] > 60).sum(axis=1)
    assert blue.max() == pytest.approx(3 * orange.max(), rel=0.1)


@pytest.mark.parametrize("num_classes", [1, 200])
def test_bars_of_few_and_many_classes(tmp_path: Path, num_classes: int) -> None:
    plot_class_bars(["c"] * num_classes, {"a": [Interval(0.5, 0.4, 0.6)] * num_classes}, "F1", tmp_path / "bars.png")
    picture = cv2.imread(str(tmp_path / "bars.png"))
    assert picture is not None
    assert 150 < picture.shape[0] < 6000


def test_reliability_is_drawn_at_its_height(tmp_path: Path) -> None:
    empty = Bin(0.0, 0.5, 0, 0.0, 0.0)
    heights = []
    for name, accuracy in (("sure", 0.2), ("unsure", 0.8)):
        plot_reliability({FORMULA: [empty, Bin(0.5, 1.0, 8, 0.75, accuracy)]}, tmp_path / f"{name}.png")
        is_color = coloured(tmp_path / f"{name}.png", RUN_COLORS[0])
        rows, columns = np.nonzero(is_color[: int(0.7 * is_color.shape[0]), is_color.shape[1] // 2 :])  # the point only
        assert len(rows) > 20
        assert columns.std() < 10
        heights.append(rows.mean())
    assert heights[0] - heights[1] > 150


def test_cost_is_drawn_from_left_to_right(tmp_path: Path) -> None:
    low, high = Interval(0.5, 0.4, 0.6), Interval(0.6, 0.5, 0.7)
    points = [Point("cheap", 10**9, 10**6, low), Point(FORMULA, 10**11, 10**7, high)]
    plot_tradeoff(points, "accuracy", tmp_path / "cost.png")
    half = cv2.imread(str(tmp_path / "cost.png")).shape[1] // 2
    left, right = (np.nonzero(coloured(tmp_path / "cost.png", color)[60:, :half])[1].mean() for color in RUN_COLORS[:2])
    assert right - left > half / 3
    plot_tradeoff(points[:1] * 2, "accuracy", tmp_path / "same.png")
    assert (tmp_path / "same.png").is_file()


def test_a_class_name_that_looks_like_a_formula(tmp_path: Path) -> None:
    plot_confusion(np.eye(2, dtype=np.int64), [FORMULA, "b"], tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").is_file()
