"""Metrics as CSV files: one line per class, and the confusion matrix."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

from kinesics.files import write_text
from kinesics.metrics.accuracy import Metrics


def write_per_class_csv(metrics: Metrics, path: Path) -> None:
    """Write one line per class: videos, precision, recall, F1 with their intervals, and average precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kinds = ("precision", "recall", "f1")
    header = [column for kind in kinds for column in (kind, f"{kind}_low", f"{kind}_high")]
    writer.writerow(["class", "videos", *header, "average_precision"])
    for row in metrics.per_class:
        cells = [number for kind in kinds for number in asdict(getattr(row, kind)).values()]
        writer.writerow([row.name, row.num_videos, *(f"{c:.6g}" for c in cells), f"{row.average_precision:.6g}"])
    write_text(path, text.getvalue())


def write_confusion_csv(metrics: Metrics, path: Path) -> None:
    """Write the confusion matrix: one line per true class, one column per predicted class."""
    if metrics.confusion is None:
        raise ValueError("multi-label scores have no confusion matrix")
    names = [row.name for row in metrics.per_class]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *names])
    writer.writerows([name, *counts] for name, counts in zip(names, metrics.confusion.tolist(), strict=True))
    write_text(path, text.getvalue())
