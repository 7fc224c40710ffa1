"""The output of an earlier `prepare`: whether a file is one, and which of its rows are kept."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kinesics.data.manifest import COLUMNS, Row, read_rows
from kinesics.data.prepare_report import beside
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError
from kinesics.video.files import on_disk

Key = tuple[str, float | None, float | None]
"""The identity of a clip: the absolute path, and the start and end of a part."""


def check_replaceable(out: Path) -> None:
    """Raise UserError where `out`, or a file that goes with it, exists and was not written by `prepare`."""
    if out.is_file() and not is_manifest(out):
        raise UserError(
            f"{out}: exists and is no manifest (its first line is not {','.join(COLUMNS)}); name another file as `out`"
        )
    report = beside(out, ".report.json")
    if report.is_file() and not is_report(report):
        raise UserError(f"{report}: exists and is no report of `prepare`; name another manifest as `out`")
    quarantine = beside(out, ".quarantine.csv")
    if quarantine.is_file() and not is_manifest(quarantine):
        raise UserError(f"{quarantine}: exists and is no list of `prepare`; name another manifest as `out`")


def is_manifest(path: Path) -> bool:
    """Whether the first line of a file has the columns that `prepare` writes; other columns may follow."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return tuple(names[: len(COLUMNS)]) == COLUMNS


def is_report(path: Path) -> bool:
    """Whether a file is a report of `prepare`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"source", "num_listed", "problems"} <= set(values)


def previous_rows(out: Path) -> dict[Key, Row]:
    """The rows of the manifest at `out`, with absolute paths; none where there is no file.

    Raises:
        UserError: a line of it is malformed.
    """
    if not out.is_file():
        return {}
    folder = out.parent.resolve()
    rows = [dataclasses.replace(row, path=os.path.normpath(folder / row.path), line=row.line) for row in read_rows(out)]
    return {key_of(row): row for row in rows}


def key_of(row: Row) -> Key:
    """The identity of a row's clip; the row has an absolute path."""
    return os.path.normpath(row.path), row.start_seconds, row.end_seconds


def with_previous(
    entries: Sequence[Entry], previous: Mapping[Key, Row], out: Path
) -> tuple[list[Entry], list[Problem]]:
    """The entries with the labels, splits, folds and groups of the earlier rows, and notes about the changes.

    Earlier rows that the source does not list stay if their file exists; else they are dropped.
    """
    left = dict(previous)
    kept: list[Entry] = []
    num_corrected = 0
    for entry in entries:
        old = left.pop(key_of(entry.row), None)
        if old is None:
            kept.append(entry)
            continue
        num_corrected += set(old.labels) != set(entry.row.labels)
        row = dataclasses.replace(
            entry.row,
            labels=old.labels,
            split=old.split or entry.row.split,
            fold=entry.row.fold if old.fold is None else old.fold,
            group=entry.row.group or old.group,
        )
        kept.append(dataclasses.replace(entry, row=row))
    gone = [row for row in left.values() if not on_disk(Path(row.path)).exists()]
    extra = [row for row in left.values() if row not in gone]
    kept += [Entry(row, out) for row in extra]
    num_new = sum(key_of(entry.row) not in previous for entry in entries)
    lines = [f"{len(previous) - len(gone)} clips keep their earlier label, split and fold; {num_new} are new"]
    if num_corrected:
        lines.append(f"{num_corrected} clips have another label in the source; the manifest's was kept")
    if extra:
        lines.append(f"{len(extra)} clips of the manifest are not in the source; they were kept")
    if gone:
        lines.append(f"{len(gone)} clips of the manifest have no file any more; they were dropped")
    return kept, [Problem("note", str(out), 0, line) for line in lines] if previous else []
