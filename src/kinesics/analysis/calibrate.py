"""Calibrate a trained run: a temperature for its probabilities, and the threshold of "none of these"."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kinesics.analysis.evaluate import home_of, known_items, open_run
from kinesics.data.manifest import SPLITS, Manifest, Split, read_manifest
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.files import write_json
from kinesics.inference.scorer import score
from kinesics.metrics.calibration import NUM_BINS, TEMPERATURES, Calibration
from kinesics.metrics.calibration import calibrate as fit
from kinesics.progress import Listener
from kinesics.runs.ensemble_file import EnsembleFile, holds_ensemble, read_ensemble, write_ensemble
from kinesics.runs.log import versions
from kinesics.runs.model_file import (
    CONTRACT_NAME,
    ENSEMBLE_NAME,
    Contract,
    find_model,
    has_finished_final,
    read_contract,
    write_contract,
)
from kinesics.runs.run import SCORES_NAME
from kinesics.values import NONE_OF_THESE, Scores, VideoItem

REPORT_NAME = "calibration.json"
Calibrated = TypeVar("Calibrated", Contract, EnsembleFile)


@dataclass(frozen=True)
class CalibratedRun:
    """What a calibration found, and where it is stored. split: what it was fitted on, such as "split val"."""

    calibration: Calibration
    run: Path
    split: str
    contract_path: Path
    report_path: Path

    def lines(self) -> list[str]:
        """What the user should know."""
        found = self.calibration
        return [
            temperature_line(found, self.split),
            f"calibration error (ECE, {NUM_BINS} bins): {found.error_before:.3f} before, {found.error_after:.3f} after",
            threshold_line(found),
            f"rejected as {NONE_OF_THESE}: {found.num_rejected} of the {found.num_clips} clips of the classes in "
            f"{self.split}, {found.num_rejected_right} of which had the right answer",
            *none_lines(found),
            f"stored in {self.contract_path}, with bins in {self.report_path}; `kinesics predict {self.run}` uses it",
        ]


def calibrate(
    run: Path | str,
    data: Path | str | None = None,
    *,
    flow: Path | str | None = None,
    none: Path | str | None = None,
    false_alarms: float = 0.05,
    split: Split = "val",
    views: str = "one",
    device: str = "auto",
    num_workers: int | None = None,
    listener: Listener | None = None,
) -> CalibratedRun:
    """Make a run's probabilities believable, and let it answer "none of these".

    A temperature and a threshold are fitted on `split` of a manifest and stored in the contract of the run's model.
    Clips of `split` whose labels the model does not know show none of its classes, too. A cross-validation is
    calibrated by its folds' scores, without data, split and views.

    Args:
        run: The run, a folder with a model, or a cross-validation.
        data: The manifest; by default the one that the run was trained on.
        flow: Folder of `kinesics flow`, for a model that takes flow; without data, by default the training's.
        none: Clips that show none of the classes: another manifest, or a split of this one.
        false_alarms: The share of these that may be called a class; without any, the share of wrong answers.
        split: Which videos.
        views: one, two-clip, ten-by-three, 25x10, 25x1 or whole-256x224 (see `test`); as in the predictions to come.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: no run, no such split or views, a share out of range, or no clip of none of the classes in `none`.
        VideoError: a video cannot be decoded.
    """
    run, listener = Path(run), listener or Listener()
    if holds_ensemble(run):
        return calibrate_folds(run, false_alarms, {"data": data, "none": none})
    if not 0 <= false_alarms <= 1:
        raise UserError(f"false alarms: expected a share from 0 to 1, such as 0.05, found {false_alarms:g}")
    model, contract, manifest = open_run(run, data, flow, listener)
    items = list(known_items(manifest, contract, split, others=True))
    if unknown := sum(not item.labels for item in items):
        listener.say(
            f"{unknown} of the {len(items)} clips of split {split} show none of the model's classes, by their labels"
        )
    items += [] if none is None else other_items(str(none), manifest, contract, listener)
    plan = contract.view_plan.named(views)
    scores = score(
        model,
        items,
        contract.classes,
        plan,
        multi_label=contract.multi_label,
        num_workers=num_workers,
        fabric=make_fabric("fp32", device),
        listener=listener,
    )
    found = fit(scores, false_alarms)
    record = {
        "manifest_sha256": manifest.sha256,
        "split": split,
        "views": views,
        "none": None if none is None else str(none),
        "versions": versions(),
    }
    folder, report = find_model(run), home_of(run) / REPORT_NAME
    write_json(report, {**found.to_dict(), "record": record})
    store_calibration(folder, found, record)
    return CalibratedRun(found, run, f"split {split}", folder / CONTRACT_NAME, report)


def calibrate_folds(run: Path, false_alarms: float, given: Mapping[str, object]) -> CalibratedRun:
    """Fit temperature and threshold on a cross-validation's pooled scores, each of a model that had not seen the clip.

    They are stored for the ensemble of the folds' models, and for the final model where there is one.
    """
    if unused := [name for name, value in given.items() if value is not None]:
        raise UserError(f"{', '.join(unused)}: a cross-validation is calibrated by its own scores; leave this out")
    scores = Scores.load(run / SCORES_NAME)
    if "pooled" not in scores.record:
        raise UserError(f"{run}: holds scores of a test, not of folds; calibrate the models that it was fused from")
    found, record = fit(scores, false_alarms), {"scores": "the pooled scores of the folds", "versions": versions()}
    ensemble = read_ensemble(run)
    write_json(run / REPORT_NAME, {**found.to_dict(), "record": record})
    write_ensemble(run, calibrated_like(ensemble, found, record))
    stored = run / ENSEMBLE_NAME
    if has_finished_final(run):
        folder = find_model(run)
        store_calibration(folder, found, record)
        stored = folder / CONTRACT_NAME
    return CalibratedRun(found, run, "the folds", stored, run / REPORT_NAME)


def store_calibration(folder: Path, found: Calibration, record: Mapping[str, object]) -> None:
    """Write what was found into the contract of the model in `folder`."""
    write_contract(folder, calibrated_like(read_contract(folder), found, record))


def calibrated_like(what: Calibrated, found: Calibration, record: Mapping[str, object]) -> Calibrated:
    """A contract or an ensemble with the temperature and threshold that were found, and how."""
    figures = {
        name: value for name, value in found.to_dict().items() if name not in ("temperature", "threshold", "bins")
    }
    return dataclasses.replace(
        what, temperature=found.temperature, threshold=found.threshold, calibration={**figures, **record}
    )


def other_items(none: str, manifest: Manifest, contract: Contract, listener: Listener) -> Sequence[VideoItem]:
    """The clips of another manifest, or of a split of this one, that show none of the model's classes; named apart.

    Their flow, where the model takes flow, lies in the folder of this manifest's.
    """
    if none in SPLITS:
        items = known_items(manifest, contract, none, others=True)
        source = f"split {none} of {manifest.path}"
    else:
        flow = manifest.flow.path if manifest.flow else None
        items = known_items(read_manifest(Path(none), flow), contract, None, others=True)
        source = none
    others = [dataclasses.replace(item, id=f"{none}: {item.id}") for item in items if not item.labels]
    if not others:
        raise UserError(
            f"{source}: all of its {len(items)} clips are of the model's classes; expected clips of no class"
        )
    if len(others) < len(items):
        listener.say(f"{source}: {len(items) - len(others)} clips of the model's classes are left out")
    return others


def temperature_line(found: Calibration, split: str) -> str:
    """The temperature, and what it says of the model."""
    if found.temperature == 1.0:
        return f"temperature 1: every answer about {split} is right, so no other can be fitted"
    if found.temperature > 0.99 * TEMPERATURES[1]:
        why = "the highest that is tried: on these clips the model is no better than a guess"
    else:
        why = f"its probabilities were too {'high' if found.temperature > 1 else 'low'}"
    return f"temperature {found.temperature:.3g}, from {found.num_clips} clips of {split}: {why}"


def threshold_line(found: Calibration) -> str:
    """The threshold, and what it comes to beside its target."""
    threshold = f"threshold {found.threshold:.4g}" if found.threshold else "threshold 0, which rejects nothing"
    given, target = found.num_clips - found.num_rejected, f"the target was at most {100 * found.false_alarms:.3g} %"
    if found.num_none:
        met = f"{found.num_none_called} of {found.num_none} clips that show none of the classes would be called one"
        share = found.num_none_called / found.num_none
    elif given:
        met = f"it leaves {given} answers, {found.num_wrong} of them wrong"
        share = found.num_wrong / given
    else:
        return f"{threshold}: it leaves no answer, since no lower one meets the target ({target} of them wrong)"
    return f"{threshold}: {met} ({100 * share:.1f} %; {target})"


def none_lines(found: Calibration) -> list[str]:
    """What clips of none of the classes show, or that there are none."""
    if found.auroc is None:
        return [
            "there were no clips that show none of the classes, so the threshold is one on wrong answers; "
            "`none` names some"
        ]
    lines = [f"AUROC of the confidence, clips of the classes against others: {found.auroc:.3f}"]
    if found.false_alarms > 0 and found.num_none * found.false_alarms < 1:
        enough = math.ceil(1 / found.false_alarms)
        lines.append(
            f"{found.num_none} others are few for such a target: it allows not one of them; take {enough} or more"
        )
    return lines
