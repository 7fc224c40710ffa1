"""The page of a report: one HTML document with its style and its script inside, that asks the network for nothing."""

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
from kinesics.analysis.tested_runs import record_of_scores
from kinesics.metrics.bootstrap import Interval
from kinesics.reporting.figures import Pictures
from kinesics.reporting.gather import Gathered, Run
from kinesics.reporting.previews import Preview
from kinesics.version import __version__
from kinesics.video.view_plan import ViewPlan

MOST_CELLS = 40
"""Classes up to which the confusion matrix is a table; beyond, it is a picture and a list."""
MOST_CONFUSIONS = 12
GENERATOR = '<meta name="generator" content="kinesics '
"""The mark of a page that `report` wrote."""


@dataclass(frozen=True)
class Confusion:
    """How often clips of one class were taken for another, by class indices."""

    true: int
    answer: int
    count: int
    share: float


def render(gathered: Gathered, pictures: Pictures, previews: Mapping[str, Preview]) -> str:
    """The HTML of the page. Names are text in it: every value is escaped by the template engine."""
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
    script = packaged("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    comparison = gathered.comparison
    return environment.get_template("page.html").render(
        gathered=gathered,
        comparison=comparison,
        runs=gathered.runs,
        classes=gathered.classes,
        pictures=pictures,
        previews=previews,
        figures=comparison.figures,
        titles=TITLES,
        style=packaged("page.css"),
        script=script,
        script_digest=digest,
        version=__version__,
        tested_on=list(dict.fromkeys(filter(None, map(tested_on, gathered.runs)))),
        matrix=len(gathered.classes) <= MOST_CELLS,
        confusions={run.name: confusions(run) for run in gathered.runs},
        gap={run.name: run.tested.metrics.calibration_error for run in gathered.runs},
        facts={run.name: facts(run) for run in gathered.runs},
        versions=versions(gathered.runs),
        numbers={run.name: number for number, run in enumerate(gathered.runs)},
        multi_label=comparison.runs[0].scores.multi_label,
    )


def packaged(name: str) -> str:
    """The text of a file that comes with the package."""
    return importlib.resources.files("kinesics.reporting").joinpath(name).read_text(encoding="utf-8")


def confusions(run: Run) -> list[Confusion]:
    """The most frequent confusions of a run, those of the largest share of their class first among equals."""
    matrix = run.tested.metrics.confusion
    if matrix is None:
        return []
    totals = matrix.sum(axis=1)
    found = [
        Confusion(true, answer, int(matrix[true, answer]), float(matrix[true, answer] / totals[true]))
        for true in range(len(matrix))
        for answer in range(len(matrix))
        if true != answer and matrix[true, answer]
    ]
    return sorted(found, key=lambda each: (-each.count, -each.share))[:MOST_CONFUSIONS]


def facts(run: Run) -> dict[str, str]:
    """What a run was trained on and tested on, by name; what is not known is left out."""
    record, scored = run.record, record_of_scores(run.tested.scores)
    pooled = run.tested.scores.record.get("pooled", ())
    videos = record.get("videos", {})
    recipe = run.recipe
    made = {
        "model": str(record.get("model") or scored.get("model") or ""),
        "recipe": str(recipe.name if recipe else scored.get("recipe") or ""),
        "weights before training": (recipe.model.weights or "random") if recipe else "",
        "manifest": str(record.get("manifest", "")),
        "manifest's SHA-256": str(record.get("manifest_sha256") or scored.get("manifest_sha256") or ""),
        "clips to train, to validate": f"{videos.get('train', '?')}, {videos.get('val', '?')}"
        if videos and not pooled
        else "",
        "epochs": f"{len(run.log)} of {recipe.optim.epochs}" if recipe and run.log else "",
        "seed": str(record.get("seed", scored.get("seed", ""))),
        "folds": f"{len(pooled)}; each clip was scored by a model that never saw it" if pooled else "",
        "tested on": tested_on(run),
        "views of a video": f"{run.tested.num_views}" + (view_text(scored["plan"]) if "plan" in scored else ""),
        "fused from": ", ".join(scored.get("fused", ())),
        "folder": str(run.tested.folder),
    }
    return {name: value for name, value in made.items() if value not in ("", "None")}


def tested_on(run: Run) -> str:
    """Which clips a run's scores are of, and under which views; empty where the scores do not say."""
    scored = record_of_scores(run.tested.scores)
    split = (
        "all folds" if "pooled" in run.tested.scores.record else f"split {scored['split']}" if "split" in scored else ""
    )
    return ", ".join(filter(None, (split, f"views {scored['views']}" if "views" in scored else "")))


def view_text(plan: Mapping[str, Any]) -> str:
    """A view plan in words: "; each 8 time steps of 224×224 pixels, centre crop"."""
    view_plan = ViewPlan.from_dict(plan)
    crops = {1: "centre crop", 3: "three crops", 10: "ten crops"}[view_plan.crops]
    stack = f", {view_plan.frames_per_segment} frames in each" if view_plan.frames_per_segment > 1 else ""
    steps = view_plan.num_segments * view_plan.steps_per_segment
    return f"; each {steps} time steps of {view_plan.size}×{view_plan.size} pixels{stack}, {crops}"


def versions(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The versions of the parts that decide a result, by part, one per run; empty where a run does not say."""
    found = [
        dict(run.record.get("versions") or record_of_scores(run.tested.scores).get("versions") or {}) for run in runs
    ]
    parts = list(dict.fromkeys(part for each in found for part in each))
    return {part: [str(each.get(part, "")) for each in found] for part in parts}


def percent(value: float) -> str:
    """0.6743 → 67.4; what is not defined is a dash."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def spread(interval: Interval) -> str:
    """The ends of an interval: 59.6–75.0."""
    return "" if math.isnan(interval.low) else f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def points(value: float) -> str:
    """A difference in points of a hundred: 0.031 → +3.1."""
    return "–" if math.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")


def signed_spread(interval: Interval) -> str:
    """The ends of a difference's interval: −0.4 to +6.5."""
    return "" if math.isnan(interval.low) else f"{points(interval.low)} to {points(interval.high)}"


def exact(value: float | None) -> str:
    """A number as scripts read it, for sorting and for programs; empty where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:.10g}"


def small(value: float) -> str:
    """A p value or a loss in three digits: 0.0046, 5.4e-11."""
    return f"{value:.3g}"


def count(number: int, one: str, many: str = "") -> str:
    """1, "clip" → 1 clip; 2 → 2 clips."""
    return f"{number} {one if number == 1 else many or one + 's'}"
