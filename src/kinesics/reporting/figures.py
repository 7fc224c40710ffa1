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
from kinesics.reporting.gather import Gathered, Run

FOLDER = "figures"


@dataclass(frozen=True)
class Picture:
    """A picture from the page, and what it shows in words."""

    file: str
    alt: str


@dataclass(frozen=True)
class Pictures:
    """The pictures of a report; those of single runs by name, missing where there is nothing to draw."""

    curves: dict[str, Picture]
    confusion: dict[str, Picture]
    classes: Picture
    reliability: Picture
    tradeoff: Picture | None


def draw(gathered: Gathered, out: Path) -> Pictures:
    """Draw all pictures into `out`/figures."""
    folder = out / FOLDER
    curves, confusion = {}, {}
    for number, run in enumerate(gathered.runs, start=1):
        if run.log:
            plot_curves(run.log, folder / f"curves-{number}.png")
            curves[run.name] = Picture(f"{FOLDER}/curves-{number}.png", curves_in_words(run))
        matrix = run.tested.metrics.confusion
        if matrix is not None:
            plot_confusion(matrix, gathered.classes, folder / f"confusion-{number}.png")
            alt = f"Confusion matrix of {run.name}; the table beside it holds the same counts."
            confusion[run.name] = Picture(f"{FOLDER}/confusion-{number}.png", alt)
    names = ", ".join(run.name for run in gathered.runs)
    bars = {run.name: [row.f1 for row in run.tested.metrics.per_class] for run in gathered.runs}
    plot_class_bars(gathered.classes, bars, "F1 of each class, with its 95 % interval", folder / "classes.png")
    plot_reliability({run.name: run.bins for run in gathered.runs}, folder / "reliability.png")
    return Pictures(
        curves=curves,
        confusion=confusion,
        classes=Picture(f"{FOLDER}/classes.png", f"F1 of each class as bars, of {names}; the tables hold the numbers."),
        reliability=Picture(
            f"{FOLDER}/reliability.png",
            f"Share of right answers over their probability, of {names}; the tables hold the numbers.",
        ),
        tradeoff=draw_tradeoff(gathered, folder),
    )


def curves_in_words(run: Run) -> str:
    """What the learning curves show: from which loss to which, over how many epochs."""
    first, last = run.log[0]["train_loss"], run.log[-1]["train_loss"]
    said = f"Learning curves of {run.name}: training loss from {float(first):.2f} to {float(last):.2f}"
    return f"{said} in {len(run.log)} epochs."


def draw_tradeoff(gathered: Gathered, folder: Path) -> Picture | None:
    """Accuracy over cost, of the runs that have a model; None where they are fewer than two."""
    name = next(each for each in FIGURES if each in gathered.comparison.figures)
    points = [
        Point(run.name, run.tested.macs, run.tested.cost.parameters, run.tested.metrics.interval(name))
        for run in gathered.runs
        if run.tested.cost is not None and run.tested.macs is not None
    ]
    if len(points) < 2:
        return None
    plot_tradeoff(points, TITLES[name], folder / "tradeoff.png")
    places = "; ".join(f"{point.name} {point.metric.value:.0%} at {point.macs / 1e9:.2f} GMACs" for point in points)
    return Picture(f"{FOLDER}/tradeoff.png", f"{TITLES[name].capitalize()} over cost: {places}.")
