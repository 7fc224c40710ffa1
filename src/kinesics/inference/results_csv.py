"""Predictions as CSV, for spreadsheets: a header, then one row for each video, with the names of the JSON lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kinesics.errors import UserError

COLUMNS = ("path", "label", "probability", "labels", "status", "error", "seconds", "threshold", "model")


def to_row(answer: dict[str, Any]) -> bytes:
    """A row of one answer (`results_file.to_dict`): `labels` as "nod 0.93; shake 0.04", `seconds` as "0.12; 0.36"."""
    cells = {
        **answer,
        "labels": "; ".join(f"{name} {probability:g}" for name, probability in answer.get("labels", {}).items()),
        "seconds": "; ".join(f"{seconds:g}" for seconds in answer.get("seconds", ())),
        "status": answer.get("status", "ok"),
    }
    return _encoded([str(cells.get(name, "")) for name in COLUMNS])


def header() -> bytes:
    """The first line."""
    return _encoded(list(COLUMNS))


@dataclass(frozen=True)
class Row:
    """A row that is there: its line, its path and model, and where it ends in the file."""

    line: int
    path: str
    model: str
    end: int


def rows(file: BinaryIO, out: Path) -> Iterator[Row]:
    """The whole rows of a file, without a last one that was cut off. Raises UserError where it is another file."""
    end = 0
    is_cut = False

    def lines() -> Iterator[str]:
        nonlocal end, is_cut
        for line in file:
            end += len(line)
            is_cut = not line.endswith(b"\n")
            yield line.decode("utf-8-sig" if end == len(line) else "utf-8")

    reader = csv.reader(lines(), strict=True)
    try:
        names = next(reader, None)
        if names is None or (is_cut and header().startswith(",".join(names).encode())):
            return
        if tuple(names) != COLUMNS:
            raise UserError(f"{out}, line 1: not the columns of `kinesics predict`; name another file")
        for cells in reader:
            if is_cut:
                return
            if len(cells) != len(COLUMNS):
                raise UserError(
                    f"{out}, line {reader.line_num}: {len(cells)} cells; expected {len(COLUMNS)}; name another file"
                )
            yield Row(reader.line_num, cells[0], cells[-1], end)
    except (csv.Error, UnicodeDecodeError) as error:
        if is_cut:
            return
        raise UserError(f"{out}, line {reader.line_num + 1}: not CSV ({error}); name another file") from None


def _encoded(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(errors="backslashreplace")
