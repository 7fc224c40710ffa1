"""The splits and folds of clips: those of the source, new ones, or those of an earlier manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinesics.data.manifest import Row
from kinesics.data.problems import Problem
from kinesics.data.splits import assign_folds, assign_split
from kinesics.errors import UserError, unknown

SPLITS = ("keep", "none", "random", "group")
SHARE = 0.15
"""Default share of the validation split and of the test split."""


@dataclass(frozen=True)
class SplitAssignment:
    """How splits and folds are assigned.

    split: `keep` uses the source's splits, and assigns some where it has none and no folds are requested; `random` and
    `group` assign them; `none` leaves them empty. val, test: shares, only for splits that are assigned. keep: rows that
    have a split or a fold keep it.

    Raises:
        UserError: the split is unknown, or there are shares where no splits are assigned.
    """

    split: str = "keep"
    val: float | None = None
    test: float | None = None
    folds: int | str | None = None
    seed: int = 0
    keep: bool = True

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise unknown("split", self.split, SPLITS)
        if self.split == "none" and (self.val is not None or self.test is not None):
            raise UserError("val and test are shares of splits that are assigned; leave them out with split 'none'")

    def assign(self, rows: Sequence[Row], source_folds: int | None, out: Path) -> tuple[list[Row], list[Problem]]:
        """The rows with splits and folds, and notes. source_folds: how many folds the source's protocol has."""
        rows, problems = self.with_splits(rows, source_folds, out)
        folds = source_folds if self.folds is None else self.folds
        if folds is None and self.keep and any(row.fold is not None for row in rows if row.usable):
            folds = 1 + max(row.fold for row in rows if row.fold is not None)
        if folds is not None:
            rows = assign_folds(rows, folds, self.seed, keep=self.keep)
        return rows, problems

    def with_splits(self, rows: Sequence[Row], source_folds: int | None, out: Path) -> tuple[list[Row], list[Problem]]:
        """The rows with splits, and notes."""
        rows = list(rows)
        usable = [row for row in rows if row.usable]
        if self.split == "none":
            return [row if self.keep and row.split else dataclasses.replace(row, split="") for row in rows], []
        if self.split in ("random", "group"):
            by: Literal["random", "group"] = "group" if self.split == "group" else "random"
            return assign_split(rows, by, *self.shares, self.seed, keep=self.keep), []
        folded = self.folds is not None or source_folds is not None or any(row.fold is not None for row in usable)
        complete = all(row.split for row in usable)
        if folded or complete:
            if self.val is not None or self.test is not None:
                what = "the clips already have splits" if complete else "folds replace splits"
                raise UserError(f"val and test are shares of splits that are assigned, and {what}; leave them out")
            return rows, []
        if any(row.split for row in usable) and not self.keep:
            return rows, []
        by = "group" if all(row.group for row in usable) else "random"
        val, test = self.shares
        try:
            assigned = assign_split(rows, by, val, test, self.seed, keep=True)
        except UserError as error:
            return rows, [Problem("warning", str(out), 0, f"no splits were assigned: {error}")]
        count = sum(not row.split for row in usable)
        what = "the source has no splits" if count == len(usable) else f"{count} clips had no split"
        text = f"{what}: assigned by {by}, val {val:g}, test {test:g}, seed {self.seed}"
        return assigned, [Problem("note", str(out), 0, text)]

    @property
    def shares(self) -> tuple[float, float]:
        """The shares of the validation and the test split."""
        return (SHARE if self.val is None else self.val), (SHARE if self.test is None else self.test)
