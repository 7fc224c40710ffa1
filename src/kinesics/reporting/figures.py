"""The pictures of a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinesics.analysis.compare import FIGURES, TITLES
from kinesics.plots.bars import plot_class_bars
from kinesics.plots.confusion import plot_confusion
from kinesics.plots.curves import plot_curves
from kinesics.plots.reliability import plot_reliability
from kinesics.plots.tradeoff import Point, plot_tradeoff
from kinesics.reporting.report_data import ReportData, ReportedRun

FOLDER = "figures"


@dataclass(frozen=True)
class Picture:
    """A picture of the page. file: its path from the page. alt: what it shows, in words."""

    file: str
    alt: str


@dataclass(frozen=True)
class Pictures:
    """The pictures of a report. curves, confusion: by the name of the run; a run with nothing to draw is left out."""

    curves: dict[str, Picture]
    confusion: dict[str, Picture]
    classes: Picture
    reliability: Picture
    tradeoff: Picture | None


def draw_pictures(report_data: ReportData, out: Path) -> Pictures:
    """Draw all pictures into `out`/figures."""
    folder = out / FOLDER
    curves, confusion = {}, {}
    for number, run in enumerate(report_data.runs, start=1):
        if run.log:
            plot_curves(run.log, folder / f"curves-{number}.png")
            curves[run.name] = Picture(f"{FOLDER}/curves-{number}.png", describe_curves(run))
        matrix = run.tested.metrics.confusion
        if matrix is not None:
            plot_confusion(matrix, report_data.classes, folder / f"confusion-{number}.png")
            alt = f"Confusion matrix of {run.name}; the table beside it has the same counts."
            confusion[run.name] = Picture(f"{FOLDER}/confusion-{number}.png", alt)
    names = ", ".join(run.name for run in report_data.runs)
    bars = {run.name: [row.f1 for row in run.tested.metrics.per_class] for run in report_data.runs}
    plot_class_bars(report_data.classes, bars, "F1 of each class, with its 95 % interval", folder / "classes.png")
    plot_reliability({run.name: run.bins for run in report_data.runs}, folder / "reliability.png")
    return Pictures(
        curves=curves,
        confusion=confusion,
        classes=Picture(f"{FOLDER}/classes.png", f"F1 of each class as bars, of {names}; the tables have the numbers."),
        reliability=Picture(
            f"{FOLDER}/reliability.png",
            f"Share of correct answers over their probability, of {names}; the tables have the numbers.",
        ),
        tradeoff=draw_tradeoff(report_data, folder),
    )


def describe_curves(run: ReportedRun) -> str:
    """The learning curves in words: the first and the last loss, and the number of epochs."""
    first, last = run.log[0]["train_loss"], run.log[-1]["train_loss"]
    text = f"Learning curves of {run.name}: training loss from {float(first):.2f} to {float(last):.2f}"
    return f"{text} in {len(run.log)} epochs."


def draw_tradeoff(report_data: ReportData, folder: Path) -> Picture | None:
    """Accuracy over cost, for the runs that have a model; None for fewer than two."""
    name = next(figure for figure in FIGURES if figure in report_data.comparison.figures)
    points = [
        Point(run.name, run.tested.macs, run.tested.cost.parameters, run.tested.metrics.interval(name))
        for run in report_data.runs
        if run.tested.cost is not None and run.tested.macs is not None
    ]
    if len(points) < 2:
        return None
    plot_tradeoff(points, TITLES[name], folder / "tradeoff.png")
    values = "; ".join(f"{point.name} {point.metric.value:.0%} at {point.macs / 1e9:.2f} GMACs" for point in points)
    return Picture(f"{FOLDER}/tradeoff.png", f"{TITLES[name].capitalize()} over cost: {values}.")
