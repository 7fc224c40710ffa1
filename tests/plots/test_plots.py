"""Pictures: readable from 2 to 200 classes, whole or not there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kinesics.plots.confusion import plot_confusion
from kinesics.plots.curves import plot_curves


@pytest.mark.parametrize("num_classes", [2, 12, 40, 200])
def test_confusion_is_drawn_in_its_place(tmp_path: Path, num_classes: int) -> None:
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
