"""What can be learned from a folder of clips, before training: how much one frame shows, and what order adds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinesics.data.manifest import Manifest, Row, read_manifest
from kinesics.data.splits import assign_folds
from kinesics.errors import UserError, unknown
from kinesics.inference.scorer import apply
from kinesics.metrics.accuracy import evaluate
from kinesics.metrics.bootstrap import Interval
from kinesics.models.build import create_model
from kinesics.models.heads.ordered import cosine_moments
from kinesics.models.registry import list_models
from kinesics.progress import Listener
from kinesics.settings import InputConfig
from kinesics.training.linear import fit_linear
from kinesics.values import Scores, VideoItem, one_hot
from kinesics.video.view_plan import view_plan

Array = npt.NDArray[np.float32]
MOMENTS = 4
FOLDS = 5
WAYS = {
    "one_frame": "one frame (the middle one)",
    "unordered": "all frames, without their order",
    "ordered": "all frames in order",
    "reversed": "the same, test clips reversed",
}


@dataclass(frozen=True)
class ProbeResult:
    """What a linear classifier on frozen features reaches, for each of `WAYS`, on clips that it was not fitted to.

    metric: mean_class_accuracy, or mean_average_precision where clips have several labels. chance: what guessing gives.
    grouped: whether the manifest says who or what is in a clip, so that no person was on both sides.
    """

    metric: str
    chance: float
    accuracy: dict[str, Interval]
    num_clips: int
    num_classes: int
    num_folds: int
    grouped: bool
    left_out: int
    backbone: str
    seconds: float

    def lines(self) -> list[str]:
        """The result as text: one line per way, then what follows from it."""
        width = max(map(len, WAYS.values()))
        rows = [
            f"  {title:<{width}}  {found.value:6.1%}   {found.low:.1%} to {found.high:.1%}"
            for title, found in ((title, self.accuracy[way]) for way, title in WAYS.items())
        ]
        test = f"; {self.left_out} clips of the split test were not looked at" if self.left_out else ""
        return [
            f"{self.num_clips} clips, {self.num_classes} classes, {self.num_folds} folds, frozen {self.backbone}{test}",
            f"{self.metric.replace('_', ' ')} and its 95 % interval (a guess: {self.chance:.1%})",
            *rows,
            *self.findings(),
        ]

    def findings(self) -> list[str]:
        """What the figures mean for a training on these clips."""
        one, unordered = self.accuracy["one_frame"].value, self.accuracy["unordered"].value
        ordered, backwards = self.accuracy["ordered"].value, self.accuracy["reversed"].value
        best = max(one, unordered, ordered)
        found = []
        if not self.grouped:
            found.append("no groups: a person may be in training and test clips, and the figures too good; add a group")
        if best < self.chance + 0.1:
            found.append("frozen features show almost nothing here: train the backbone, or add more clips")
            return found
        if one - self.chance > 0.9 * (best - self.chance):
            found.append(
                "one frame is nearly enough: a model that is good here may have learned the scene, not the motion"
            )
        gain, lost = ordered - unordered, ordered - backwards
        if gain > 0.02:
            found.append(f"the order of the frames adds {100 * gain:.0f} points: use a model that sees it, such as tsm")
        elif lost > 0.1:
            found.append(
                f"order is used (reversed clips lose {100 * lost:.0f} points), but the frames without it give as much"
            )
        else:
            found.append("the order of the frames adds nothing that these features show")
        found.append(f"what you train should reach {best:.1%} at least; --preset few starts from there")
        return found


def probe(
    data: Path | str,
    *,
    backbone: str = "efficientnet_lite0",
    weights: str = "imagenet",
    num_segments: int = 8,
    seed: int = 0,
    num_workers: int | None = None,
    listener: Listener | None = None,
) -> ProbeResult:
    """Tell in about a minute what a manifest's clips allow, before anything is trained.

    Linear probes are fitted to frozen features of the clips, and each is tested on clips that it was not fitted to.
    The folds are the manifest's where it has some, else five that keep groups whole. Clips of the split `test` stay
    unseen where there is one, unless they have a fold. One frame: fitted to every frame by itself. Unordered: mean and
    standard deviation over the frames. Ordered: cosine moments of the frames' course, as the head `ordered` has.

    Args:
        data: The manifest.
        backbone: The backbone whose frozen features are probed.
        weights: Its weights: imagenet or a file.
        num_segments: Frames looked at in each video.
        seed: Decides the folds where the manifest has none.
        num_workers: Decoding processes; as many as cores by default.
        listener: Hears what is said and how far the work is.

    Raises:
        UserError: the manifest has one class only, too few clips for folds, or the weights are not available.
        VideoError: a video cannot be decoded.
    """
    started = time.monotonic()
    backbones = [model.partition("_")[2] for model in list_models("tsn_*")]
    if backbone not in backbones:
        raise unknown("backbone", backbone, backbones)
    manifest = read_manifest(Path(data))
    if len(manifest.classes) < 2:
        raise UserError(f"{manifest.path}: has one class; expected two or more")
    rows, left_out = in_folds(manifest, seed)
    folds = np.array([row.fold for row in rows])
    items = Manifest(manifest.path, tuple(rows), manifest.classes).items()
    features_NTD = frame_features(manifest, items, backbone, weights, num_segments, num_workers, listener)
    logits = left_out_logits(features_NTD, items, folds, manifest)
    targets = np.array([one_hot(item.labels, len(manifest.classes)) for item in items])
    metric = "mean_average_precision" if manifest.multi_label else "mean_class_accuracy"
    accuracy = {
        way: evaluate(
            Scores(tuple(item.id for item in items), found, targets, manifest.classes, manifest.multi_label),
            groups={item.id: item.group for item in items},
        ).interval(metric)
        for way, found in logits.items()
    }
    return ProbeResult(
        metric=metric,
        chance=float(targets.mean(axis=0).mean()) if manifest.multi_label else 1 / len(manifest.classes),
        accuracy=accuracy,
        num_clips=len(items),
        num_classes=len(manifest.classes),
        num_folds=len(set(folds.tolist())),
        grouped=all(item.group for item in items),
        left_out=left_out,
        backbone=backbone,
        seconds=time.monotonic() - started,
    )


def in_folds(manifest: Manifest, seed: int) -> tuple[list[Row], int]:
    """The rows to probe, each with a fold, and how many were left out as test clips."""
    usable = [row for row in manifest.rows if row.usable]
    if any(row.fold is not None for row in usable):
        return [row for row in usable if row.fold is not None], 0
    seen = [row for row in usable if row.split != "test"] or usable
    units = len({row.group or row.id for row in seen})
    made = assign_folds(seen, max(2, min(FOLDS, units)), seed)
    return made, len(usable) - len(seen)


def frame_features(
    manifest: Manifest,
    items: list[VideoItem],
    backbone: str,
    weights: str,
    num_segments: int,
    num_workers: int | None,
    listener: Listener | None,
) -> Array:
    """(N, T, D) features of the frames, each seen for itself by the frozen backbone."""
    model = create_model(f"tsn_{backbone}", len(manifest.classes), weights=weights)
    model.channels_last()
    plan = view_plan("one", InputConfig(num_segments=num_segments))
    return apply(
        model,
        lambda views: model.frame_features(model.input_norm(views[:, 0])),
        items,
        plan,
        num_workers=num_workers,
        listener=listener,
    )


def left_out_logits(
    features_NTD: Array, items: list[VideoItem], folds: npt.NDArray[np.int64], manifest: Manifest
) -> dict[str, Array]:
    """For each of `WAYS` (N, K) logits of every clip by a probe that was fitted to the other folds."""
    targets = np.array([one_hot(item.labels, len(manifest.classes)) for item in items])
    groups = np.array([item.group or item.id for item in items])
    steps = features_NTD.shape[1]
    summaries = {
        "unordered": np.concatenate([features_NTD.mean(axis=1), features_NTD.std(axis=1)], axis=1),
        "ordered": moments(features_NTD),
    }
    backwards = moments(features_NTD[:, ::-1])
    logits = {way: np.zeros(targets.shape, dtype=np.float32) for way in WAYS}
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        frames = features_NTD[train].reshape(-1, features_NTD.shape[2])
        one = fit_linear(
            frames,
            targets[train].repeat(steps, axis=0),
            groups[train].repeat(steps),
            multi_label=manifest.multi_label,
        )
        logits["one_frame"][test] = one(features_NTD[test, steps // 2])
        for way, summary in summaries.items():
            fitted = fit_linear(summary[train], targets[train], groups[train], multi_label=manifest.multi_label)
            logits[way][test] = fitted(summary[test])
            if way == "ordered":
                logits["reversed"][test] = fitted(backwards[test])
    return logits


def moments(features_NTD: Array) -> Array:
    """(N, T, D) → (N, M·D), what the head `ordered` sees."""
    basis_MT = cosine_moments(MOMENTS, features_NTD.shape[1]).numpy()
    return np.asarray(np.einsum("mt,ntd->nmd", basis_MT, features_NTD).reshape(len(features_NTD), -1))
