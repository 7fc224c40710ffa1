"""Test a trained run: scores, metrics with intervals, confusion matrix and per-class table, in files beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinesics.data.manifest import Manifest, Split, read_manifest
from kinesics.devices import make_fabric
from kinesics.errors import UserError, unknown
from kinesics.files import write_json
from kinesics.flow.flow_folder import FlowSettings
from kinesics.inference.scorer import score
from kinesics.metrics.accuracy import Metrics
from kinesics.metrics.hierarchy import (
    Hierarchy,
    evaluate_levels,
    find_hierarchy,
    hierarchy_of_names,
    write_submission,
)
from kinesics.metrics.tables import write_confusion_csv, write_per_class_csv
from kinesics.models.recognizer import Recognizer
from kinesics.plots.confusion import plot_confusion
from kinesics.progress import Listener
from kinesics.runs.log import versions
from kinesics.runs.model_file import Contract, find_model, load_model
from kinesics.runs.run import Run
from kinesics.settings import from_dict
from kinesics.training.checks import check_modality
from kinesics.values import Scores, VideoItem


@dataclass(frozen=True)
class TestResult:
    """What a test came to. folder: where it was written. num_seen: clips tested that the model had learned from."""

    metrics: Metrics
    folder: Path
    scores: Scores
    num_seen: int


TestResult.__test__ = False  # type: ignore[attr-defined]  # not a test case


def test(
    run: Path | str,
    data: Path | str | None = None,
    *,
    flow: Path | str | None = None,
    split: Split = "test",
    views: str = "one",
    hierarchy: Path | str | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    num_workers: int | None = None,
    listener: Listener | None = None,
) -> TestResult:
    """Test a trained run: scores, metrics with 95 % intervals, confusion matrix.

    Written are scores.npz, metrics.json, confusion.csv, confusion.png, per_class.csv and, with a hierarchy,
    prediction.csv.

    Args:
        run: The run, or a folder with a model.
        data: The manifest; by default the one that the run was trained on.
        flow: Folder of `kinesics flow`, for a model that takes flow; without data, by default the training's.
        split: Which videos.
        views: one, two-clip, ten-by-three, 25x10, 25x1, or whole-WIDTHxHEIGHT: the whole frame at this size, such as
            whole-256x224.
        hierarchy: CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none.
        out: Where to write; RUN/SPLIT-VIEWS by default.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: no run, no such split or views, labels that the model does not know, or no such hierarchy.
        VideoError: a video of the split cannot be decoded.
    """
    run, listener = Path(run), listener or Listener()
    model, contract, manifest = open_run(run, data, flow, listener)
    levels = find_hierarchy(hierarchy, contract.classes)
    items = known_items(manifest, contract, split)
    plan = contract.view_plan.named(views)
    num_seen = tell_seen(run, items, listener)
    record = {
        "model": contract.model,
        "run": str(run),
        "manifest_sha256": manifest.sha256,
        "split": split,
        "views": views,
        "clips_of_the_training": num_seen,
        "epochs": len(Run(home_of(run)).log) or None,
        "recipe": contract.record.get("recipe"),
        "seed": contract.record.get("seed"),
        "temperature": contract.temperature,
        "threshold": contract.threshold,
        "precision": "fp32",
        "versions": versions(),
    }
    scores = score(
        model,
        items,
        contract.classes,
        plan,
        multi_label=contract.multi_label,
        num_workers=num_workers,
        fabric=make_fabric("fp32", device),
        record=record,
        listener=listener,
    )
    target = Path(out) if out else home_of(run) / f"{split}-{views}"
    metrics = write_results(scores, target, levels, {item.id: item.group for item in items})
    return TestResult(metrics, target, scores, num_seen)


test.__test__ = False  # type: ignore[attr-defined]


def tell_seen(run: Path, items: Sequence[VideoItem], listener: Listener) -> int:
    """Say how many of the clips the run learned from, which make its figures too good; gives their number."""
    home = home_of(run)
    learned = Run(home).train_clips
    num_seen = sum((item.digest or item.id) in learned or item.id in learned for item in items)
    if num_seen:
        listener.say(
            f"{num_seen} of these {len(items)} clips are among those that the model learned from; figures about them "
            "say nothing about new clips (`kinesics cross-validate` scores every clip by a model that has not seen it)"
        )
    return num_seen


def write_results(
    scores: Scores, folder: Path, hierarchy: Hierarchy | None = None, groups: Mapping[str, str] | None = None
) -> Metrics:
    """Evaluate `scores` and write scores.npz, metrics.json, confusion.csv, confusion.png and per_class.csv.

    hierarchy: by default what the classes' names say; where there is one, prediction.csv is written too. groups: the
    group of each video by its id.
    """
    hierarchy = hierarchy or hierarchy_of_names(scores.classes)
    metrics = evaluate_levels(scores, hierarchy, groups=groups)
    scores.save(folder / "scores.npz")
    summary = {**metrics.to_dict(), "record": dict(scores.record)}
    write_json(folder / "metrics.json", summary)
    write_per_class_csv(metrics, folder / "per_class.csv")
    if metrics.confusion is not None:
        write_confusion_csv(metrics, folder / "confusion.csv")
        plot_confusion(metrics.confusion, scores.classes, folder / "confusion.png")
    if hierarchy is not None and not scores.multi_label:
        write_submission(scores, hierarchy, folder / "prediction.csv")
    return metrics


def open_run(
    run: Path, data: Path | str | None, flow: Path | str | None, listener: Listener
) -> tuple[Recognizer, Contract, Manifest]:
    """The model of a run, its contract, and a manifest for it: `data`, or the one that the run was trained on.

    flow: with the run's own manifest by default the folder that it was trained on.

    Raises:
        UserError: one of them is not there, or they do not fit.
    """
    model, contract = load_model(run)
    manifest = read_manifest(Path(data), flow) if data else read_manifest(Run(run).manifest, flow or Run(run).flow)
    check_flow(manifest, contract)
    if data is None and manifest.sha256 != contract.record.get("manifest_sha256"):
        listener.say(f"{manifest.path} has changed since the training; this is about what it says now")
    return model, contract, manifest


def home_of(run: Path) -> Path:
    """The folder in which what comes of a run's model is written: the run, or the folder of a model alone."""
    folder = find_model(run)
    return folder.parent if folder.name in ("best", "last") else folder


def known_items(
    manifest: Manifest, contract: Contract, split: str | None, *, others: bool = False
) -> Sequence[VideoItem]:
    """The usable videos of a split (of all for None) with their labels as the model counts them.

    others: a video with none of the model's classes among its labels is kept, without a label.

    Raises:
        UserError: there are no videos, or a label is none of the model's classes.
    """
    items = manifest.items(split)
    if not items:
        there = sorted({row.split or "(empty)" for row in manifest.rows})
        problem = f"no usable rows with split '{split}'; there are {', '.join(there)}" if split else "no usable rows"
        raise UserError(f"{manifest.path}: {problem}")
    index = {name: k for k, name in enumerate(contract.classes)}
    mapped = []
    for item in items:
        names = [manifest.classes[label] for label in item.labels]
        if others and not index.keys() & set(names):
            mapped.append(dataclasses.replace(item, labels=()))
            continue
        for name in names:
            if name not in index:
                raise UserError(f"{manifest.path}: {item.id}: {unknown('label', name, contract.classes)}")
        mapped.append(dataclasses.replace(item, labels=tuple(index[name] for name in names)))
    return mapped


def check_flow(manifest: Manifest, contract: Contract) -> None:
    """Raise UserError where the model takes flow and gets none or another kind, or gets flow and takes none."""
    check_modality(contract.modality, manifest)
    if manifest.flow and "flow" in contract.record:
        learned = from_dict(FlowSettings, contract.record["flow"], f"the record of {contract.model}")
        if other := learned.differences(manifest.flow.settings):
            raise UserError(f"{manifest.flow.path}: holds flow of {other}; the model learned from {learned}")
