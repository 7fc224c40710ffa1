"""Figures at two levels, fine classes and the coarse ones they belong to, such as actions and parts of the body.

The coarse answer is the parent of the fine answer, as in the Micro-Action Analysis Grand Challenge on MA-52, and not
the parent whose classes have the largest sum of probabilities. In multi-label scores a parent holds where a child does.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from kinesics.errors import UserError
from kinesics.files import read_text, write_text
from kinesics.metrics.accuracy import Metrics, evaluate, predictions
from kinesics.metrics.bootstrap import Array, Interval, draw_weights, effective_number, percentiles, units_of, wilson
from kinesics.metrics.class_means import Prior, class_means
from kinesics.values import Scores

SEPARATOR = "/"
SUBMITTED = 5
"""How many answers about a clip the challenge takes."""
MA52 = {
    "body": range(5),
    "head": range(5, 11),
    "upper limb": range(11, 24),
    "lower limb": range(24, 32),
    "body-hand": range(32, 38),
    "head-hand": range(38, 48),
    "leg-hand": range(48, 52),
}
"""The classes of Micro-Action-52 by the parts of the body that move (Guo et al., TCSVT 2024)."""
EXPECTED = "a CSV file with the columns class,parent or a JSON object of classes and their parents"


@dataclass(frozen=True)
class Hierarchy:
    """The parent of each class. Both are numbered, from 0, in the order in which they first occur."""

    parents: Mapping[str, str]

    @property
    def coarse(self) -> tuple[str, ...]:
        """The parents' names, in the order of their numbers."""
        return tuple(dict.fromkeys(self.parents.values()))

    def members(self, classes: Sequence[str]) -> npt.NDArray[np.bool_]:
        """(K, P) whether each of K classes belongs to each of P parents."""
        return np.array([[self.parents[name] == parent for parent in self.coarse] for name in classes])


def hierarchy_of_names(classes: Sequence[str]) -> Hierarchy | None:
    """What the names say: head/nod and head/shake belong to head. None where no two classes share a parent so.

    A name without a slash is its own parent.
    """
    parents = {name: name.split(SEPARATOR, 1)[0].strip() for name in classes}
    is_nested = any(SEPARATOR in name for name in classes) and len(set(parents.values())) < len(parents)
    return Hierarchy(parents) if is_nested else None


def find_hierarchy(source: Path | str | None, classes: Sequence[str]) -> Hierarchy | None:
    """The hierarchy in a CSV or JSON file, that of `ma52` (whose classes are 0 to 51), or for None what names say.

    Raises:
        UserError: the file is malformed, or lacks one of the classes.
    """
    if source is None:
        return hierarchy_of_names(classes)
    if str(source) == "ma52":
        parents = {str(number): parent for parent, numbers in MA52.items() for number in numbers}
    else:
        parents = read_parents(Path(source))
    if lacking := [name for name in classes if name not in parents]:
        known = f"it knows {', '.join(list(parents)[:3])} … {list(parents)[-1]}"
        raise UserError(f"{source}: has no parent for the class '{lacking[0]}'; {known}")
    return Hierarchy(parents)


def read_parents(path: Path) -> dict[str, str]:
    """The parent of each class in a CSV or JSON file, in the file's order. Raises UserError where it is malformed."""
    text = read_text(path, EXPECTED)
    if path.suffix.lower() == ".json":
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}: not JSON ({error}); expected {EXPECTED}") from None
        if (
            not isinstance(found, dict)
            or not found
            or not all(isinstance(name, str) and name for name in found.values())
        ):
            raise UserError(f"{path}: expected a JSON object such as {{'nod': 'head', 'shrug': 'body'}}")
        return found
    parents: dict[str, str] = {}
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    if not {"class", "parent"} <= set(reader.fieldnames or ()):
        raise UserError(f"{path}: its first line is '{','.join(reader.fieldnames or ())}'; expected {EXPECTED}")
    for row in reader:
        name, parent = ((row[column] or "").strip() for column in ("class", "parent"))
        if not name or not parent:
            raise UserError(f"{path}:{reader.line_num}: the {'parent' if name else 'class'} is empty; expected both")
        if parents.setdefault(name, parent) != parent:
            raise UserError(f"{path}:{reader.line_num}: '{name}' has the parent '{parents[name]}' already")
    if not parents:
        raise UserError(f"{path}: no classes below the column names; expected {EXPECTED}")
    return parents


def evaluate_levels(
    scores: Scores,
    hierarchy: Hierarchy | None = None,
    *,
    groups: Mapping[str, str] | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> Metrics:
    """`evaluate`, with coarse_top1, coarse_macro_f1, coarse_micro_f1 and f1_mean where there are two levels.

    f1_mean is the mean of macro and micro F1 at both levels, by which the challenge ranks. Multi-label scores have
    coarse_exact_match instead of coarse_top1. hierarchy: by default what the classes' names say, if anything. groups:
    as `evaluate` takes them.

    Raises:
        UserError: no video has a known label.
    """
    metrics = evaluate(scores, groups=groups, num_bootstrap=num_bootstrap, seed=seed)
    hierarchy = hierarchy or hierarchy_of_names(scores.classes)
    if hierarchy is None:
        return metrics
    coarse = level_figures(scores, hierarchy, groups or {}, num_bootstrap, seed)
    return replace(metrics, figures={**metrics.figures, **coarse})


def level_figures(
    scores: Scores, hierarchy: Hierarchy, groups: Mapping[str, str], num_bootstrap: int, seed: int
) -> dict[str, Interval]:
    """The figures of the coarse level, and the mean of the F1s of both, with their intervals."""
    known = scores.targets.any(axis=1)
    members = hierarchy.members(scores.classes)
    fine = scores.targets[known], predictions(scores.logits[known], scores.multi_label)
    coarse = fine[0] @ members, fine[1] @ members
    hits = (coarse[0] == coarse[1]).all(axis=1).astype(np.float64)

    units = units_of([groups.get(scores.ids[index], "") for index in np.flatnonzero(known).tolist()])
    weights = draw_weights(units, num_bootstrap, seed)
    share = float(hits.mean())
    exact = wilson(share, effective_number(hits, units)) if num_bootstrap else Interval(share, share, share)

    def f1s(weights: Array, priors: Sequence[Prior | None]) -> Array:
        pairs = zip((fine, coarse), priors, strict=True)
        fine_f1, coarse_f1 = (class_means(weights, *level, True, prior) for level, prior in pairs)
        means = [*coarse_f1.values(), *fine_f1.values()]
        return np.stack([*coarse_f1.values(), np.mean(means, axis=0)], axis=1)

    values = f1s(np.ones((1, len(hits))), (None, None))[0]
    priors = [Prior.draw(level[0], units, num_bootstrap, seed) for level in (fine, coarse)]
    names = ("coarse_macro_f1", "coarse_micro_f1", "f1_mean")
    found = dict(zip(names, percentiles(values, f1s(weights, priors)), strict=True))
    return {"coarse_exact_match" if scores.multi_label else "coarse_top1": exact, **found}


def write_submission(scores: Scores, hierarchy: Hierarchy, path: Path) -> None:
    """Write prediction.csv as the challenge takes it: each video's five best classes, and the parent of each.

        vid,action_pred_1,…,action_pred_5,body_pred_1,…,body_pred_5
        0003_01_0005.mp4,9,10,8,51,6,1,1,1,6,1

    Classes and parents are the hierarchy's numbers. vid is the file's name, or the id where two files share a name.

    Source: the submission format of the Micro-Action Analysis Grand Challenge 2025, track 1, and its starter kit.
    """
    number = {name: k for k, name in enumerate(hierarchy.parents)}
    fine = np.array([number[name] for name in scores.classes])
    coarse = hierarchy.members(scores.classes).argmax(axis=1)
    best = np.argsort(-scores.logits, axis=1, kind="stable")[:, :SUBMITTED]
    names = [PurePosixPath(video).name for video in scores.ids]
    videos = names if len(set(names)) == len(names) else scores.ids
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranks = range(1, best.shape[1] + 1)
    writer.writerow(["vid", *(f"action_pred_{k}" for k in ranks), *(f"body_pred_{k}" for k in ranks)])
    writer.writerows([video, *fine[row], *coarse[row]] for video, row in zip(videos, best, strict=True))
    write_text(path, text.getvalue())
