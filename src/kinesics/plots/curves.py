"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kinesics.files import atomic_path


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a PNG of a run's log: losses on the left, validation metrics on the right, the best epoch marked.

    rows: of log.csv, one mapping per epoch, with `epoch`, `train_loss` and, where there was a validation split,
    `val_loss`, `val_macro_f1`, `val_top1`, `best`.
    """
    epochs = [int(row["epoch"]) for row in rows]
    has_validation = rows[0].get("val_loss", "") != ""
    figure = Figure(figsize=(9 if has_validation else 5, 3.2), layout="constrained")
    axes = figure.add_subplot(1, 2 if has_validation else 1, 1)
    axes.plot(epochs, [float(row["train_loss"]) for row in rows], color="#2f6fb2", label="training")
    axes.set_title("loss", loc="left", fontsize=10)
    all_axes = [axes]
    if has_validation:
        axes.plot(epochs, [float(row["val_loss"]) for row in rows], color="#d9822b", label="validation")
        metrics = figure.add_subplot(1, 2, 2)
        metrics.plot(epochs, [float(row["val_macro_f1"]) for row in rows], color="#d9822b", label="macro F1")
        metrics.plot(epochs, [float(row["val_top1"]) for row in rows], color="#8a9aa9", label="top-1", linestyle="--")
        best = max(rows, key=lambda row: float(row["val_macro_f1"]))
        metrics.plot([int(best["epoch"])], [float(best["val_macro_f1"])], "o", color="#d9822b", label="best")
        metrics.set_ylim(0, 1.02)
        metrics.set_title("validation", loc="left", fontsize=10)
        all_axes.append(metrics)
    for axes in all_axes:
        axes.set_xlabel("epoch")
        axes.grid(color="#e6ebf0")
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
