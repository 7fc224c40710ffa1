"""The page of a report: one HTML document that contains its style and script, and makes no network requests."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from kinesics.analysis.compare import TITLES
from kinesics.metrics.accuracy import record_of_scores
from kinesics.metrics.bootstrap import Interval
from kinesics.reporting.figures import Pictures
from kinesics.reporting.previews import Preview
from kinesics.reporting.report_data import ReportData, ReportedRun
from kinesics.sizes import Size
from kinesics.version import __version__
from kinesics.video.view_plan import ViewPlan

MAX_MATRIX_CLASSES = 40
"""With more classes, the confusion matrix is a picture and a list instead of a table."""
MAX_CONFUSIONS = 12
GENERATOR = '<meta name="generator" content="kinesics '
"""Every page that `report` writes contains this text."""


@dataclass(frozen=True)
class Confusion:
    """How often clips of one class were predicted as another.

    true, answer: class indices. share: of the clips of the true class.
    """

    true: int
    answer: int
    count: int
    share: float


def render(report_data: ReportData, pictures: Pictures, previews: Mapping[str, Preview]) -> str:
    """The HTML of the page. The template engine escapes every value, so a name cannot add markup."""
    environment = Environment(
        loader=PackageLoader("kinesics.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        spread=spread,
        points=points,
        signed_spread=signed_spread,
        exact=exact,
        small=small,
        count=count,
    )
    script = read_packaged("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    comparison = report_data.comparison
    return environment.get_template("page.html").render(
        report=report_data,
        comparison=comparison,
        runs=report_data.runs,
        classes=report_data.classes,
        pictures=pictures,
        previews=previews,
        figures=comparison.figures,
        titles=TITLES,
        style=read_packaged("page.css"),
        script=script,
        script_digest=digest,
        version=__version__,
        tested_on=list(dict.fromkeys(filter(None, map(tested_on, report_data.runs)))),
        matrix=len(report_data.classes) <= MAX_MATRIX_CLASSES,
        confusions={run.name: confusions(run) for run in report_data.runs},
        gap={run.name: run.tested.metrics.calibration_error for run in report_data.runs},
        facts={run.name: facts(run) for run in report_data.runs},
        versions=versions(report_data.runs),
        numbers={run.name: number for number, run in enumerate(report_data.runs)},
        multi_label=comparison.runs[0].scores.multi_label,
    )


def read_packaged(name: str) -> str:
    """The text of a file of this package."""
    return importlib.resources.files("kinesics.reporting").joinpath(name).read_text(encoding="utf-8")


def confusions(run: ReportedRun) -> list[Confusion]:
    """The most frequent confusions of a run; among equal counts, the largest share of its class first."""
    matrix = run.tested.metrics.confusion
    if matrix is None:
        return []
    totals = matrix.sum(axis=1)
    pairs = [
        Confusion(true, answer, int(matrix[true, answer]), float(matrix[true, answer] / totals[true]))
        for true in range(len(matrix))
        for answer in range(len(matrix))
        if true != answer and matrix[true, answer]
    ]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.share))[:MAX_CONFUSIONS]


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """A system's arguments in words, which tell variants of one recipe apart: "regions 1, sets 4"."""
    return ", ".join(f"{name} {value}" for name, value in arguments.items())


def facts(run: ReportedRun) -> dict[str, str]:
    """How a run was trained and tested, by the name of the fact; missing facts are left out."""
    record, score_record = run.record, record_of_scores(run.tested.scores)
    pooled = run.tested.scores.record.get("pooled", ())
    videos = record.get("videos", {})
    recipe = run.recipe
    values = {
        "model": str(record.get("model") or score_record.get("model") or ""),
        "recipe": str(recipe.name if recipe else score_record.get("recipe") or ""),
        "the system's arguments": arguments_text(recipe.model.arguments) if recipe else "",
        "weights before training": (recipe.model.weights or "random") if recipe else "",
        "manifest": str(record.get("manifest", "")),
        "manifest's SHA-256": str(record.get("manifest_sha256") or score_record.get("manifest_sha256") or ""),
        "clips to train, to validate": f"{videos.get('train', '?')}, {videos.get('val', '?')}"
        if videos and not pooled
        else "",
        "epochs": f"{len(run.log)} of {recipe.optim.epochs}" if recipe and run.log else "",
        "seed": str(record.get("seed", score_record.get("seed", ""))),
        "folds": f"{len(pooled)}; each clip was scored by a model that was not trained on it" if pooled else "",
        "tested on": tested_on(run),
        "views per video": f"{run.tested.num_views}"
        + (view_text(score_record["plan"]) if "plan" in score_record else ""),
        "fused from": ", ".join(score_record.get("fused", ())),
        "folder": str(run.tested.folder),
    }
    return {name: value for name, value in values.items() if value not in ("", "None")}


def tested_on(run: ReportedRun) -> str:
    """The split and the views of a run's scores; empty if the scores do not say."""
    score_record = record_of_scores(run.tested.scores)
    split = (
        "all folds"
        if "pooled" in run.tested.scores.record
        else f"split {score_record['split']}"
        if "split" in score_record
        else ""
    )
    return ", ".join(filter(None, (split, f"views {score_record['views']}" if "views" in score_record else "")))


def view_text(plan: Mapping[str, Any]) -> str:
    """A view plan in words, with width × height: "; each 8 time steps of 224×224 pixels, centre crop"."""
    view_plan = ViewPlan.from_dict(plan)
    size = Size.of(view_plan.size)
    crops = {1: "centre crop", 3: "three crops", 10: "ten crops"}[view_plan.crops]
    frames = f", {view_plan.frames_per_segment} frames in each" if view_plan.frames_per_segment > 1 else ""
    steps = view_plan.num_segments * view_plan.steps_per_segment
    return f"; each {steps} time steps of {size.width}×{size.height} pixels{frames}, {crops}"


def versions(runs: Sequence[ReportedRun]) -> dict[str, list[str]]:
    """The versions of the software of each run, by name, one per run; empty if a run does not say."""
    of_runs = [
        dict(run.record.get("versions") or record_of_scores(run.tested.scores).get("versions") or {}) for run in runs
    ]
    names = list(dict.fromkeys(name for run_versions in of_runs for name in run_versions))
    return {name: [str(run_versions.get(name, "")) for run_versions in of_runs] for name in names}


def percent(value: float) -> str:
    """0.6743 → 67.4; NaN is a dash."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def spread(interval: Interval) -> str:
    """The ends of an interval: 59.6–75.0."""
    return "" if math.isnan(interval.low) else f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def points(value: float) -> str:
    """A difference in percentage points: 0.031 → +3.1."""
    return "–" if math.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")


def signed_spread(interval: Interval) -> str:
    """The ends of a difference's interval: −0.4 to +6.5."""
    return "" if math.isnan(interval.low) else f"{points(interval.low)} to {points(interval.high)}"


def exact(value: float | None) -> str:
    """A number in full, for sorting and for programs; empty for None and NaN."""
    return "" if value is None or math.isnan(value) else f"{value:.10g}"


def small(value: float) -> str:
    """A p value or a loss in three digits: 0.0046, 5.4e-11."""
    return f"{value:.3g}"


def count(number: int, one: str, many: str = "") -> str:
    """1, "clip" → 1 clip; 2 → 2 clips."""
    return f"{number} {one if number == 1 else many or one + 's'}"
