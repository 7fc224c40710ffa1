"""Import Something-Something v1 and v2 and Jester from the files of 20BN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinesics.data.importers.source import (
    Imported,
    Options,
    find,
    first_existing,
    label_name,
    need_folder,
    numbered_lines,
)
from kinesics.data.manifest import Row
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError
from kinesics.files import read_text

FRAMES_PER_SECOND = 12.0  # the frames of v1 and Jester were extracted at 12 per second
SPLIT_FILES = (("train", "train"), ("validation", "val"), ("test", "test"))


def import_frames(source: Path, options: Options) -> Imported:
    """Something-Something v1 and Jester: folders of frames, with CSV files separated by semicolons.

        SRC/something-something-v1-labels.csv              one label per line
        SRC/something-something-v1-train.csv, …-validation.csv      100218;Dropping something onto something
        SRC/20bn-something-something-v1/100218/00001.jpg …  (or SRC/frames/…, or directly in SRC)
        SRC/jester-v1-train.csv, SRC/20bn-jester-v1/…      the same for Jester

    The test list has no labels and is left out, with a note.

    Raises:
        UserError: the training list is missing, or a line is malformed.
    """
    source = need_folder(source, "the CSV files and frame folders")
    labels = find(source, ["*labels.csv"], "list of labels")
    classes = tuple(dict.fromkeys(line for _, line in numbered_lines(labels, "one label per line")))
    folders = _media_folders(source, options)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file, split in _lists(source, "csv"):
        unlabelled = 0
        for line, text in numbered_lines(file, "lines 'id;label'"):
            name, separator, label = text.partition(";")
            if not separator and split == "test":
                unlabelled += 1
                continue
            if not separator or not name.strip():
                raise UserError(f"{file}:{line}: found '{text}', expected 'id;label'")
            try:
                label = label_name(label.strip(), classes)
            except ValueError as error:
                problems.append(Problem("error", str(file), line, str(error)))
                continue
            path = first_existing([folder / name.strip() for folder in folders])
            path = path / options.template if options.template else path
            entries.append(Entry(Row(str(path), (label,), split, fps=FRAMES_PER_SECOND, line=line), file))
        problems += _unlabelled(file, unlabelled)
    return Imported(tuple(entries), classes, tuple(problems))


def import_something_v2(source: Path, options: Options) -> Imported:
    """Something-Something v2: webm videos with JSON files. The label is the template without its brackets.

        SRC/something-something-v2-labels.json              {"Approaching something with your camera": "0", …}
        SRC/something-something-v2-train.json, …-validation.json    [{"id": "78687", "template": "Holding [something]"}]
        SRC/20bn-something-something-v2/78687.webm          (or SRC/videos/…, or directly in SRC)

    The lists may be in SRC/labels as train.json and so on. The test list has no labels and is left out, with a note.

    Raises:
        UserError: the training list is missing, or a file is not JSON of this form.
    """
    source = need_folder(source, "the JSON files and webm videos")
    labels = find(source, ["*labels.json"], "list of labels")
    index = _json(labels, dict, '{"label": "0", …}')
    try:
        classes = tuple(sorted(index, key=lambda name: int(index[name])))
    except (TypeError, ValueError):
        raise UserError(f'{labels}: a label has no number; expected {{"label": "0", …}}') from None
    folders = _media_folders(source, options)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file, split in _lists(source, "json"):
        unlabelled = 0
        for number, item in enumerate(_json(file, list, '[{"id": "1", "template": "…"}, …]'), start=1):
            name = str(item.get("id", "")) if isinstance(item, dict) else ""
            if not name:
                raise UserError(f"{file}: item {number} has no id")
            if split == "test" and not item.get("template"):
                unlabelled += 1
                continue
            template = str(item.get("template", "")).replace("[", "").replace("]", "")
            try:
                label = label_name(template, classes)
            except ValueError as error:
                problems.append(Problem("error", str(file), 0, f"item {number} (id {name}): {error}"))
                continue
            path = first_existing([folder / f"{name}.webm" for folder in folders])
            entries.append(Entry(Row(str(path), (label,), split), file))
        problems += _unlabelled(file, unlabelled)
    return Imported(tuple(entries), classes, tuple(problems))


def _lists(source: Path, kind: str) -> list[tuple[Path, str]]:
    """The existing lists with their splits; the training list must exist."""
    lists = [(find(source, [f"*train.{kind}"], "training list"), "train")]
    for word, split in SPLIT_FILES[1:]:
        matches = [*sorted(source.glob(f"*{word}.{kind}")), *sorted(source.glob(f"*/*{word}.{kind}"))]
        lists += [(path, split) for path in matches[:1]]
    return lists


def _media_folders(source: Path, options: Options) -> list[Path]:
    if options.root:
        return [options.root.absolute()]
    return [*sorted(source.glob("20bn-*")), source / "frames", source / "videos", source]


def _unlabelled(file: Path, count: int) -> list[Problem]:
    return [Problem("note", str(file), 0, f"{count} clips without labels were left out")] if count else []


def _json(file: Path, kind: type, example: str) -> Any:
    try:
        values = json.loads(read_text(file, f"JSON such as {example}"))
    except json.JSONDecodeError as error:
        raise UserError(f"{file}:{error.lineno}: not JSON ({error.msg}); expected {example}") from None
    if not isinstance(values, kind):
        raise UserError(f"{file}: expected JSON such as {example}")
    return values
