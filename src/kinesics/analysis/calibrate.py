"""Calibrate a trained run: a temperature for its probabilities, and the threshold of "none of these"."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinesics.analysis.evaluate import home_of, known_items, open_run
from kinesics.data.manifest import SPLITS, Manifest, read_manifest
from kinesics.devices import make_fabric
from kinesics.errors import UserError
from kinesics.files import write_json
from kinesics.inference.scorer import score
from kinesics.metrics.calibration import NUM_BINS, TEMPERATURES, Calibration
from kinesics.metrics.calibration import calibrate as fit
from kinesics.progress import Watch
from kinesics.runs.log import versions
from kinesics.runs.model_file import CONTRACT_NAME, Contract, find_model, write_contract
from kinesics.values import NONE_OF_THESE, VideoItem

REPORT_NAME = "calibration.json"


@dataclass(frozen=True)
class CalibratedRun:
    """What a calibration found, and where it is stored."""

    calibration: Calibration
    run: Path
    split: str
    contract_path: Path
    report_path: Path

    def lines(self) -> list[str]:
        """What to tell the user."""
        found = self.calibration
        return [
            temperature_line(found, self.split),
            f"calibration error (ECE, {NUM_BINS} bins): {found.error_before:.3f} before, {found.error_after:.3f} after",
            threshold_line(found),
            f"rejected as {NONE_OF_THESE}: {found.num_rejected} of the {found.num_clips} clips of the classes in split "
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
    split: str = "val",
    views: str = "one",
    device: str = "auto",
    num_workers: int | None = None,
    watch: Watch | None = None,
) -> CalibratedRun:
    """Fit temperature and threshold on `split` of a manifest, and store both in the contract of the run's model.

    data: the manifest, by default the one that the run was trained on. none: clips that show none of the classes, in
    another manifest or in another split of this one; clips of `split` whose labels the model does not know are such
    too. false_alarms: the share of these that may be called one of the classes; without any, the share of the answers
    about `split` that may be wrong. views: as in a test; predictions with other views are less well calibrated.

    Raises:
        UserError: no run, no such split or views, a share out of range, or no clip of none of the classes in `none`.
        VideoError: a video cannot be decoded.
    """
    run, watch = Path(run), watch or Watch()
    if not 0 <= false_alarms <= 1:
        raise UserError(f"false alarms: wanted a share from 0 to 1, such as 0.05, found {false_alarms:g}")
    model, contract, manifest = open_run(run, data, flow, watch)
    items = list(known_items(manifest, contract, split, others=True))
    if unknown := sum(not item.labels for item in items):
        watch.say(
            f"{unknown} of the {len(items)} clips of split {split} show none of the model's classes, by their labels"
        )
    items += [] if none is None else other_items(str(none), manifest, contract, watch)
    plan = contract.view_plan.named(views)
    scores = score(
        model,
        items,
        contract.classes,
        plan,
        multi_label=contract.multi_label,
        num_workers=num_workers,
        fabric=make_fabric("fp32", device),
        watch=watch,
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
    figures = {
        name: value for name, value in found.to_dict().items() if name not in ("temperature", "threshold", "bins")
    }
    calibrated = dataclasses.replace(
        contract, temperature=found.temperature, threshold=found.threshold, calibration={**figures, **record}
    )
    write_contract(folder, calibrated)
    return CalibratedRun(found, run, split, folder / CONTRACT_NAME, report)


def other_items(none: str, manifest: Manifest, contract: Contract, watch: Watch) -> Sequence[VideoItem]:
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
            f"{source}: all of its {len(items)} clips are labelled with classes of the model; wanted others"
        )
    if len(others) < len(items):
        watch.say(f"{source}: {len(items) - len(others)} clips of the model's classes are left out")
    return others


def temperature_line(found: Calibration, split: str) -> str:
    """The temperature, and what it says of the model."""
    if found.temperature == 1.0:
        return f"temperature 1: every answer about split {split} is right, which tells no other"
    if found.temperature > 0.99 * TEMPERATURES[1]:
        why = "the highest that is tried: on these clips the model is no better than a guess"
    else:
        why = f"its probabilities were too {'high' if found.temperature > 1 else 'low'}"
    return f"temperature {found.temperature:.3g}, from {found.num_clips} clips of split {split}: {why}"


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
    """What clips of none of the classes tell, or that there are none."""
    if found.auroc is None:
        return [
            "there were no clips that show none of the classes, so the threshold is one on wrong answers; "
            "--none names some"
        ]
    lines = [f"AUROC of the confidence, clips of the classes against others: {found.auroc:.3f}"]
    if found.false_alarms > 0 and found.num_none * found.false_alarms < 1:
        enough = math.ceil(1 / found.false_alarms)
        lines.append(
            f"{found.num_none} others are few for such a target: it allows not one of them; take {enough} or more"
        )
    return lines
