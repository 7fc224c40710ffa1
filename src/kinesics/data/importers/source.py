"""Shared by all importers: their options and result, files and lines, labels by number or name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinesics.data.manifest import split_name
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError
from kinesics.files import read_text
from kinesics.workers.limits import Limits


@dataclass(frozen=True)
class Options:
    """Options for reading a source.

    template: file name of a frame in a frame folder (`img_{:05d}.jpg`). class_names: file with one name per line.
    columns: column of a manifest → column of the CSV. root: folder that listed paths start from, instead of the list's.
    official_split: which of a data set's splits (UCF101 and HMDB51 have 1, 2 and 3); the first by default.
    limits, num_workers: for the processes that read videos, where an importer has to read them.
    """

    template: str | None = None
    class_names: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    official_split: int | None = None
    limits: Limits = field(default_factory=Limits)
    num_workers: int | None = None


@dataclass(frozen=True)
class Imported:
    """The clips that a source lists, its classes where it names them, and the problems.

    folds: the number of folds of its protocol, where the source does not assign clips to folds.
    """

    entries: tuple[Entry, ...]
    classes: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()
    folds: int | None = None


def need_folder(source: Path, layout: str) -> Path:
    """The absolute path of the folder `source`. Raises UserError where it is no folder."""
    if not source.is_dir():
        kind = "a file" if source.exists() else "nothing"
        raise UserError(f"{source}: found {kind}; expected a folder with {layout}")
    return source.absolute()


def find(folder: Path, patterns: Sequence[str], expected: str) -> Path:
    """The first match of the patterns in the folder or in a folder of it. Raises UserError where there is none."""
    for pattern in patterns:
        for place in (pattern, f"*/{pattern}"):
            if matches := sorted(folder.glob(place)):
                return matches[0]
    raise UserError(f"{folder}: no {expected} ({' or '.join(patterns)}) in it or in a folder of it")


def first_existing(candidates: Sequence[Path]) -> Path:
    """The first path that exists; where none exists, the first of all, to be reported as missing."""
    return next((path for path in candidates if path.exists()), candidates[0])


def numbered_lines(path: Path, expected: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers from 1."""
    text = read_text(path, expected)
    if "\0" in text:
        raise UserError(f"{path}: not a text file; expected {expected}")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def split_of_file(path: Path) -> str:
    """The split in the name of a file or folder: something-v1-validation.csv → val. "" where it has none."""
    words = [split_name(word) for word in re.split(r"[^a-z]+", path.stem.lower())]
    return next((word for word in words if word in ("train", "val", "test")), "")


def read_class_names(path: Path) -> tuple[str, ...]:
    """Names of the classes in the order of their numbers: one name per line, or `number name` counting from 0 or 1.

    Raises:
        UserError: the file is missing or empty, a name appears twice, or a number is out of order.
    """
    lines = list(numbered_lines(path, "a text file with one class name per line"))
    split = [re.fullmatch(r"(\d+)[\s,;:]+(.*\S)", line) for _, line in lines]
    numbers = [int(match[1]) for match in split if match]
    if len(numbers) == len(lines) and numbers and numbers[0] in (0, 1):
        for (number, _), actual, expected in zip(
            lines, numbers, range(numbers[0], numbers[0] + len(lines)), strict=True
        ):
            if actual != expected:
                raise UserError(f"{path}:{number}: expected class number {expected}, found {actual}")
        lines = [(number, match[2]) for (number, _), match in zip(lines, split, strict=True) if match]
    if not lines:
        raise UserError(f"{path}: no class names in it; expected one per line")
    first: dict[str, int] = {}
    for number, name in lines:
        if name in first:
            raise UserError(f"{path}:{number}: the class '{name}' is already in line {first[name]}")
        if "|" in name:
            raise UserError(f"{path}:{number}: the class '{name}' has a '|', which separates labels; rename it")
        first[name] = number
    return tuple(first)


def label_name(text: str, classes: Sequence[str] | None, num_classes: int | None = None) -> str:
    """The name of a label, which is a number or a name. Without class names a number is its own name.

    Raises:
        ValueError: the label is empty, negative, out of range, or not one of the classes.
    """
    limit = len(classes) if classes is not None else num_classes
    if not text:
        raise ValueError("the label is empty")
    if re.fullmatch(r"-?\d+", text) and not (classes and text in classes):
        if int(text) < 0 or (limit is not None and int(text) >= limit):
            allowed = f"there are {limit} classes, 0 to {limit - 1}" if limit is not None else "labels count from 0"
            raise ValueError(f"label {text} is out of range: {allowed}")
        return classes[int(text)] if classes is not None else str(int(text))
    if classes is not None and text not in classes:
        raise ValueError(f"label '{text}' is not one of the {len(classes)} classes")
    if classes is None and num_classes is not None:
        raise ValueError(f"label '{text}' is not a number from 0 to {num_classes - 1}")
    return text


def absolute(path: Path | str, base: Path) -> str:
    """The absolute path of `path`, relative to `base`, without `.` and `..`."""
    return os.path.normpath(base.absolute() / path)
