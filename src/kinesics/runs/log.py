"""What a run writes down about itself: versions, settings, log.csv, curves.png and TensorBoard."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from kinesics.files import write_json, write_text
from kinesics.plots.curves import plot_curves
from kinesics.version import __version__

PACKAGES = ("torch", "lightning-fabric", "av", "numpy", "safetensors", "opencv-contrib-python-headless")
COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_top1",
    "val_macro_f1",
    "learning_rate",
    "clips_per_second",
    "data_wait",
    "best",
)


def versions() -> dict[str, str]:
    """Names and versions of the parts that decide a result."""
    found = {"kinesics": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


def machine() -> dict[str, Any]:
    """What the run was computed on."""
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"platform": platform.platform(), "threads": torch.get_num_threads(), "cuda": cuda}


def write_record(run: Path, record: Mapping[str, Any]) -> None:
    """Write run.json: what was trained on what, where and with which versions."""
    write_json(run / "run.json", record)


class RunLog:
    """log.csv, curves.png and TensorBoard of one run; silent on all devices but the first."""

    def __init__(self, run: Path, *, enabled: bool = True, tensorboard: bool = True) -> None:
        self.run = run
        self.enabled = enabled
        self.facts: Mapping[str, float] = {}
        self._writer: Any = None
        self._tensorboard = tensorboard and enabled

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write all rows to log.csv, whole or not at all, and the last one to TensorBoard."""
        if not self.enabled:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        write_text(self.run / "log.csv", text.getvalue())
        if not self._tensorboard:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and only the first device writes

            self._writer = SummaryWriter(str(self.run / "tensorboard"), purge_step=rows[-1]["epoch"])
        for name, value in rows[-1].items():
            if isinstance(value, float):
                self._writer.add_scalar(name, value, rows[-1]["epoch"])
        self._writer.flush()

    def finish(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw curves.png and free the TensorBoard writer."""
        if self.enabled and rows:
            plot_curves(rows, self.run / "curves.png")
        if self._writer is not None:
            self._writer.close()
