"""Splits and folds without leakage: clips of one group, of one file or with the same content stay together.

Pure functions from rows to rows. The same seed and rows give the same result, in any order of the rows.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from kinesics.data.manifest import Row, class_names
from kinesics.errors import UserError
from kinesics.video.files import natural_key

LEAVE_ONE_GROUP_OUT = "leave-one-group-out"
Counts = npt.NDArray[np.float64]


def assign_split(
    rows: Sequence[Row],
    by: Literal["random", "group"] = "random",
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    *,
    keep: bool = False,
) -> list[Row]:
    """The rows with train, val or test: in each class, the shares are as close as whole groups allow.

    keep: rows that have a split keep it, and rows that must stay together with them get the same.
    Rows that are not usable get no split. With `by="group"` every usable row must have a group; with "random"
    rows without one are groups of one.

    Raises:
        UserError: the shares are invalid, there are fewer groups than splits, or a class would have no training clip.
    """
    if by not in ("random", "group"):
        raise UserError(f"expected a split by random or group, found '{by}'")
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise UserError(f"the shares val {val:g} and test {test:g} leave nothing to train on; expected a sum below 1")
    used = [index for index, row in enumerate(rows) if row.usable]
    if by == "group":
        _need_groups([rows[i] for i in used])
    shares_by_name = {"train": 1 - val - test, "val": val, "test": test}
    present = {rows[i].split for i in used} if keep else set()
    names = [name for name, share in shares_by_name.items() if share > 0 or name in present]
    shares = [shares_by_name[name] for name in names]
    units = _units([rows[i] for i in used])
    if len(units) < len(names):
        kind = "groups" if by == "group" else "clips that may be separated"
        text = f"{len(units)} {kind} cannot be divided into {', '.join(names)}"
        raise UserError(f"{text}; expected at least {len(names)}")
    fixed = _fixed([names.index(rows[i].split) if keep and rows[i].split else None for i in used], units)
    chosen = _distribute([rows[i] for i in used], units, shares, seed, trained=0, fixed=fixed)
    assigned = [dataclasses.replace(row, split="") for row in rows]
    for index, bucket in zip(used, chosen, strict=True):
        split = rows[index].split if keep and rows[index].split else names[bucket]
        assigned[index] = dataclasses.replace(rows[index], split=split)
    trained = {label for row in assigned if row.split == "train" for label in row.labels}
    if untrained := [name for name in class_names(rows[i] for i in used) if name not in trained]:
        raise UserError(f"no clip of the class '{untrained[0]}' would be in train; expected the class in more groups")
    return assigned


def assign_folds(rows: Sequence[Row], folds: int | str, seed: int = 0, *, keep: bool = False) -> list[Row]:
    """The rows with a fold from 0: `folds` folds with the classes spread evenly, or one fold per group.

    keep: rows that have a fold keep it, and rows that must stay together with them get the same.
    Rows that are not usable get none. Leave-one-group-out numbers the groups in natural order.

    Raises:
        UserError: there are fewer groups than folds, a row to leave out has no group, or a class is in only one fold (a
            model would be tested on it without training on it).
    """
    used = [index for index, row in enumerate(rows) if row.usable]
    clips = [rows[i] for i in used]
    units = _units(clips)
    if folds == LEAVE_ONE_GROUP_OUT:
        _need_groups(clips)
        if len(units) < 2:
            raise UserError(
                f"all clips belong to one group ('{clips[0].group if clips else ''}'); expected at least two"
            )
        chosen = _one_fold_each(clips, units, keep)
    elif isinstance(folds, int) and not isinstance(folds, bool):
        if folds < 2:
            raise UserError(f"{folds} folds; expected at least 2, or {LEAVE_ONE_GROUP_OUT}")
        if len(units) < folds:
            raise UserError(
                f"{len(units)} groups cannot be divided into {folds} folds; expected at least as many groups"
            )
        before = [row.fold if keep else None for row in clips]
        if too_high := [fold for fold in before if fold is not None and fold >= folds]:
            raise UserError(f"a clip is in fold {too_high[0]}, expected folds 0 to {folds - 1}; set reassign")
        chosen = _distribute(clips, units, [1 / folds] * folds, seed, fixed=_fixed(before, units))
    else:
        raise UserError(f"'{folds}' folds; expected a number or {LEAVE_ONE_GROUP_OUT}")
    seen: dict[str, set[int]] = defaultdict(set)
    for row, fold in zip(clips, chosen, strict=True):
        for label in row.labels:
            seen[label].add(fold)
    for label in class_names(clips):
        if len(seen[label]) < 2:
            raise UserError(
                f"all clips of the class '{label}' are in fold {min(seen[label])}, so no model that is tested on it"
                " would be trained on it; expected the class in more groups"
            )
    assigned = [dataclasses.replace(row, fold=None) for row in rows]
    for index, fold in zip(used, chosen, strict=True):
        before_fold = rows[index].fold if keep else None
        assigned[index] = dataclasses.replace(rows[index], fold=fold if before_fold is None else before_fold)
    return assigned


def _one_fold_each(clips: Sequence[Row], units: list[list[int]], keep: bool) -> list[int]:
    """A fold for each clip: that of its unit if it has one, else the next free number in natural order of groups."""
    chosen = [0] * len(clips)
    fixed = _fixed([row.fold if keep else None for row in clips], units)
    free = (fold for fold in itertools.count() if fold not in set(fixed.values()))
    for u in sorted(range(len(units)), key=lambda u: min(natural_key(clips[i].group) for i in units[u])):
        fold = fixed[u] if u in fixed else next(free)
        for i in units[u]:
            chosen[i] = fold
    return chosen


def _fixed(buckets: Sequence[int | None], units: list[list[int]]) -> dict[int, int]:
    """The bucket of each unit that holds a row with a bucket: that of its first such row."""
    first = {u: next((buckets[i] for i in unit if buckets[i] is not None), None) for u, unit in enumerate(units)}
    return {u: bucket for u, bucket in first.items() if bucket is not None}


def _need_groups(rows: Iterable[Row]) -> None:
    for row in rows:
        if not row.group:
            raise UserError(f"{row.path} has no group; expected a group column, or a group pattern on the path")


def _units(rows: Sequence[Row]) -> list[list[int]]:
    """The rows that must stay together, as lists of indices: linked by group, file or content, also through others.

    The order does not depend on the rows' order.
    """
    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for index, row in enumerate(rows):
        for kind, value in (("path", row.path), ("group", row.group), ("digest", row.digest)):
            if value:
                parent[root(index)] = root(first.setdefault((kind, value), index))
    units: dict[int, list[int]] = defaultdict(list)
    for index in range(len(rows)):
        units[root(index)].append(index)
    return sorted(units.values(), key=lambda unit: min(natural_key(rows[i].id) for i in unit))


def _distribute(
    rows: Sequence[Row],
    units: list[list[int]],
    shares: Sequence[float],
    seed: int,
    trained: int | None = None,
    fixed: Mapping[int, int] | None = None,
) -> list[int]:
    """A bucket for each row, with every class divided by `shares`, as closely as whole units allow.

    Greedy: units of rare classes first, then large ones. Each goes to the bucket where the sum of squared deviations
    (of classes and of sizes, each relative to its total) grows least. Then each empty bucket takes the unit that costs
    least. The bucket `trained` gives up no unit that holds the last clip of a class. fixed: units with a given bucket.
    """
    fixed = fixed or {}
    labels = {name: i for i, name in enumerate(class_names(rows))}
    counts: Counts = np.zeros((len(units), len(labels) + 1))  # the last column counts rows
    for u, unit in enumerate(units):
        for i in unit:
            for label in rows[i].labels:
                counts[u, labels[label]] += 1
        counts[u, -1] = len(unit)
    totals = counts.sum(0)
    weights = 1 / np.maximum(totals, 1)
    weights[-1] *= 0.1  # sizes decide between buckets that are equally good for the classes
    rarity = [totals[np.flatnonzero(row[:-1])].min(initial=np.inf) for row in counts]
    shuffled = np.random.default_rng(seed).permutation(len(units)).tolist()
    order = sorted(shuffled, key=lambda u: (rarity[u], -counts[u, -1]))
    need = np.outer(shares, totals)
    buckets = np.zeros(len(units), dtype=np.int64)
    for u in [*fixed, *(u for u in order if u not in fixed)]:
        columns = np.flatnonzero(counts[u])
        count, weight = counts[u, columns], weights[columns]
        growth = ((count**2 - 2 * count * need[:, columns]) * weight).sum(1)
        bucket = fixed[u] if u in fixed else int(np.argmin(growth.round(9)))
        need[bucket, columns] -= count
        buckets[u] = bucket
    for bucket in range(len(shares)):
        if shares[bucket] > 0 and not (buckets == bucket).any():
            _fill(bucket, buckets, counts, need, weights, trained, fixed)
    chosen = [0] * len(rows)
    for u, unit in enumerate(units):
        for i in unit:
            chosen[i] = int(buckets[u])
    return chosen


def _fill(
    bucket: int,
    buckets: npt.NDArray[np.int64],
    counts: Counts,
    need: Counts,
    weights: Counts,
    trained: int | None,
    fixed: Mapping[int, int],
) -> None:
    """Move the unit that costs least into an empty bucket; its old bucket keeps at least one unit."""
    best: tuple[float, int] | None = None
    for u, old in enumerate(buckets.tolist()):
        if u in fixed or (buckets == old).sum() < 2:
            continue
        if old == trained:
            left = counts[buckets == old].sum(0) - counts[u]
            if (left[counts[u] > 0] <= 0).any():
                continue
        before = (need[old] ** 2 + need[bucket] ** 2) @ weights
        after = ((need[old] + counts[u]) ** 2 + (need[bucket] - counts[u]) ** 2) @ weights
        if best is None or after - before < best[0]:
            best = (float(after - before), u)
    if best is None:
        raise UserError("too few clips or groups: a split or fold would stay empty, or a class untrained")
    u = best[1]
    need[buckets[u]] += counts[u]
    need[bucket] -= counts[u]
    buckets[u] = bucket
