"""The manifest: a CSV file that lists videos, their labels and their splits.

Only the columns path and label are required. Columns that are not in COLUMNS or EXTRA_COLUMNS are ignored.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Literal

from kinesics.errors import UserError, unknown
from kinesics.files import read_text, write_text
from kinesics.flow.flow_folder import FlowFolder
from kinesics.values import STATUSES, VideoItem
from kinesics.video.files import natural_key

COLUMNS = ("path", "label", "split", "fold", "group", "start_seconds", "end_seconds", "status", "num_frames", "fps")
EXTRA_COLUMNS = ("reason", "digest")
Split = Literal["train", "val", "test"]
SPLITS = ("train", "val", "test")
USABLE = ("", "ok", "partial")
"""Statuses of rows that are used for training and tests; an empty status means not checked."""
EXPECTED = "a CSV file whose first line names the columns, at least path,label"
_OTHER_SPLIT_NAMES = {"training": "train", "validation": "val", "valid": "val", "validate": "val", "testing": "test"}


@dataclass(frozen=True)
class Row:
    """One clip of a manifest. `path` is relative to the CSV file; `line` is its line in that file (0: no file yet).

    Raises:
        ValueError: the path or a label is empty, the split or status is unknown, or a number is out of range.
    """

    path: str
    labels: tuple[str, ...]
    split: str = ""
    fold: int | None = None
    group: str = ""
    start_seconds: float | None = None
    end_seconds: float | None = None
    status: str = ""
    num_frames: int | None = None
    fps: float | None = None
    reason: str = ""
    digest: str = ""
    line: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ValueError("the path is empty" if not self.path else "the path contains a zero byte")
        if not self.labels or not all(self.labels):
            raise ValueError("the label is empty")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a label appears twice in '{'|'.join(self.labels)}'")
        if broken := [label for label in self.labels if "|" in label or label != label.strip()]:
            raise ValueError(f"the label '{broken[0]}' has a '|' (which separates labels) or spaces around it")
        if self.split not in ("", *SPLITS):
            raise unknown_value("split", self.split, SPLITS)
        if self.status not in ("", *STATUSES):
            raise unknown_value("status", self.status, STATUSES)
        for name, least in (("fold", 0), ("start_seconds", 0), ("end_seconds", 0), ("num_frames", 0), ("fps", 1e-6)):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= least):
                raise ValueError(
                    f"{name} is {value}, expected a number {'above' if name == 'fps' else 'of at least'} 0"
                )
        if self.end_seconds is not None and self.end_seconds <= (self.start_seconds or 0.0):
            raise ValueError(f"end_seconds {self.end_seconds} is not after start_seconds {self.start_seconds or 0.0}")

    @property
    def usable(self) -> bool:
        """Whether the clip is used: its status is in USABLE."""
        return self.status in USABLE

    @property
    def id(self) -> str:
        """The name of the clip: its path, and `#start-end` for a part of a video."""
        return self.path + self._part

    @property
    def content(self) -> str:
        """The content of the clip, under any path: the digest, and `#start-end` for a part; "" without a digest."""
        return self.digest and self.digest + self._part

    @property
    def _part(self) -> str:
        if self.start_seconds is None and self.end_seconds is None:
            return ""
        return f"#{_cell(self.start_seconds)}-{_cell(self.end_seconds)}"


@dataclass(frozen=True)
class Manifest:
    """The rows of a CSV file and their classes in natural order (2 before 10).

    flow: the folder of the videos' flow, where flow is read instead of frames.
    """

    path: Path
    rows: tuple[Row, ...]
    classes: tuple[str, ...] = ()
    flow: FlowFolder | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", class_names(self.rows))

    @property
    def multi_label(self) -> bool:
        """Whether any clip has more than one label; the loss is then a sigmoid loss."""
        return any(len(row.labels) > 1 for row in self.rows)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the rows: the same for two files that differ only in line ends or ignored columns."""
        return hashlib.sha256(to_csv(self.rows).encode()).hexdigest()

    @property
    def index_folder(self) -> Path:
        """The folder of frame indexes of its long videos; it can be deleted at any time."""
        return self.path.absolute().with_name(f".{self.path.stem}.index")

    def items(self, split: str | None = None, *, folds: Collection[int] | None = None) -> list[VideoItem]:
        """The usable clips (status empty, ok or partial) of a split, of some folds, or all, with absolute paths.

        Raises:
            UserError: `split` is not train, val or test, or the flow of a clip is missing or has other settings.
        """
        if split is not None and split not in SPLITS:
            raise unknown("split", split, SPLITS)
        index = {name: i for i, name in enumerate(self.classes)}
        folder = self.path.parent.absolute()
        items = [
            VideoItem(
                id=row.id,
                path=folder / row.path,
                labels=tuple(sorted(index[label] for label in row.labels)),
                start_seconds=row.start_seconds,
                end_seconds=row.end_seconds,
                fps=row.fps,
                group=row.group,
                is_partial=row.status == "partial",
                digest=row.content,
                index_folder=self.index_folder,
            )
            for row in self.rows
            if row.usable and split in (None, row.split) and (folds is None or row.fold in folds)
        ]
        return items if self.flow is None else self.flow.items(items)


def read_manifest(path: Path, flow: Path | str | None = None) -> Manifest:
    """The manifest in a CSV file. flow: a folder that `kinesics flow` wrote, read instead of the frames.

    Raises:
        UserError: the file is missing, is not such a CSV file, or lists a clip twice; the message has file and line.
    """
    path = Path(path)
    rows = read_rows(path)
    seen: dict[str, int] = {}
    for row in rows:
        if (first := seen.setdefault(row.id, row.line)) != row.line:
            raise UserError(f"{path}:{row.line}: '{row.id}' is already in line {first} (write two labels 'a|b')")
    return Manifest(path, rows, flow=FlowFolder.open(Path(flow)) if flow else None)


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write the rows to `path`, whole or not at all. Paths in the rows stay as they are."""
    write_text(Path(path), to_csv(manifest.rows))


def read_rows(path: Path, columns: Mapping[str, str] | None = None) -> tuple[Row, ...]:
    """The rows of a CSV file, duplicates included; `columns` maps the names of these columns to those in the file.

    read_rows(Path("labels.csv"), {"path": "file", "group": "subject"})

    Raises:
        UserError: the file is missing or malformed; the message has file and line.
    """
    text = read_text(path, EXPECTED)
    if "\0" in text:
        raise UserError(f"{path}: not a text file; expected {EXPECTED}")
    if not text.strip():
        raise UserError(f"{path}: the file is empty; expected {EXPECTED}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    places: dict[str, int] | None = None
    num_fields = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if places is None:
                places, num_fields = _places(path, reader.line_num, cells, columns or {}), len(cells)
                continue
            if len(cells) != num_fields:
                raise UserError(
                    f"{path}:{reader.line_num}: found {len(cells)} fields where the first line names {num_fields}"
                    " (put a field that contains a comma in double quotes)"
                )
            rows.append(_row(path, reader.line_num, {name: cells[i].strip() for name, i in places.items()}))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not CSV ({error}); expected {EXPECTED}") from None
    if not rows:
        raise UserError(f"{path}: no rows below the column names; expected one line for each clip")
    return tuple(rows)


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as CSV text; the columns reason and digest appear where a row has one."""
    rows = list(rows)
    names = COLUMNS + EXTRA_COLUMNS if any(row.reason or row.digest for row in rows) else COLUMNS
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow(["|".join(row.labels) if name == "label" else _cell(getattr(row, name)) for name in names])
    return text.getvalue()


def class_names(rows: Iterable[Row]) -> tuple[str, ...]:
    """All labels of the rows in natural order: 0, 1, 2, 10 and a2, a10."""
    return tuple(sorted({label for row in rows for label in row.labels}, key=natural_key))


def unknown_value(kind: str, value: str, choices: Sequence[str]) -> ValueError:
    """As `errors.unknown`, for a value whose file and line the caller adds."""
    return ValueError(str(unknown(kind, value, choices)))


def split_name(text: str) -> str:
    """The name of a split in a manifest: Validation → val. An unknown name stays the same."""
    return _OTHER_SPLIT_NAMES.get(text.lower(), text.lower() if text.lower() in SPLITS else text)


def _places(path: Path, line: int, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """The place in the file of each of COLUMNS and EXTRA_COLUMNS."""
    names = [cell.strip() for cell in header]
    all_columns = COLUMNS + EXTRA_COLUMNS
    for name in columns:
        if name not in all_columns:
            raise unknown("column", name, all_columns)
    if len(names) == 1 and (other := next((mark for mark in ";\t" if mark in names[0]), None)):
        raise UserError(f"{path}:{line}: fields are separated by {other!r}; expected commas")
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise UserError(f"{path}:{line}: two columns are named '{twice[0]}'")
    places = {}
    for name in all_columns:
        file_column = columns.get(name, name)
        if file_column in names:
            places[name] = names.index(file_column)
        elif name in columns or name in ("path", "label"):
            if not {name.lower() for name in names} & set(all_columns) and any("/" in n or "." in n for n in names):
                raise UserError(f"{path}:{line}: no column names; expected a first line such as path,label")
            near = difflib.get_close_matches(file_column.lower(), [n.lower() for n in names], n=1)
            hint = f"; is it '{names[[n.lower() for n in names].index(near[0])]}'?" if near else ""
            raise UserError(f"{path}:{line}: no column '{file_column}' among {', '.join(names)}{hint}")
    return places


def _row(path: Path, line: int, cells: Mapping[str, str]) -> Row:
    kinds = {f.name: str(f.type) for f in fields(Row)}
    values: dict[str, str | float | int | None] = {}
    try:
        for name, text in cells.items():
            if name == "label" or not text:
                continue
            values[name] = _number(name, text, kinds[name].startswith("int")) if "None" in kinds[name] else text
        labels = tuple(label.strip() for label in cells["label"].split("|"))
        values["split"] = split_name(cells.get("split", ""))
        return Row(**{"path": "", **values}, labels=labels, line=line)  # type: ignore[arg-type]
    except ValueError as error:
        raise UserError(f"{path}:{line}: {error}") from None


def _number(name: str, text: str, whole: bool) -> float | int:
    """The number in a cell; 3.0 is also a whole number, since spreadsheets write it so."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (whole and value != int(value)):
        raise ValueError(f"{name} is '{text}', expected a {'whole ' if whole else ''}number or nothing")
    return int(value) if whole else value


def _cell(value: str | float | int | None) -> str:
    """The shortest text that is read as the same value: 2.0 → 2, None → an empty cell."""
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return "" if value is None else str(value)
