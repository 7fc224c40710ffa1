"""Import lists of clips: CSV files, `path label`, `path num_frames label`, and the lists of Micro-Action-52."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from kinesics.data.importers.source import (
    Imported,
    Options,
    absolute,
    first_existing,
    label_name,
    need_folder,
    numbered_lines,
    read_class_names,
    split_of_file,
)
from kinesics.data.manifest import Row, read_rows
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError
from kinesics.video.files import is_video

NUM_MICRO_ACTIONS = 52


def import_csv(source: Path, options: Options) -> Imported:
    """A CSV file with the columns of a manifest; `columns` maps their names to those in the file.

    Paths are relative to the CSV file (or to `root`). Labels are names, or numbers where `class_names` is given.

    Raises:
        UserError: the file is malformed; the message has the line.
    """
    classes = read_class_names(options.class_names) if options.class_names else None
    base = options.root or source.parent
    entries, problems = [], []
    for row in read_rows(source, options.columns):
        try:
            labels = tuple(label_name(label, classes) for label in row.labels) if classes else row.labels
        except ValueError as error:
            problems.append(Problem("error", str(source), row.line, str(error)))
            continue
        path = _framed(absolute(row.path, base), options.template)
        entries.append(Entry(dataclasses.replace(row, path=path, labels=labels, status=""), source))
    return Imported(tuple(entries), classes, tuple(problems))


def import_list(source: Path, options: Options) -> Imported:
    """A text file with lines `path label` (videos) or `path num_frames label` (frame folders), or a folder of lists.

        abseiling/k21.mp4 0               the path may contain a space, the label may not
        frames/video_12 140 3             with `template`, frames are frames/video_12/img_00001.jpg …

    In a folder, the *.txt files with train, val or test in their names are read, as these splits. Paths are relative
    to the list (or to `root`). Labels are names, or numbers from 0 that `class_names` turns into names.

    Raises:
        UserError: the list does not exist, or a line has no path or no label.
    """
    if not source.is_dir():
        return read_lists([(source, "")], options)
    files = [(path, split_of_file(path)) for path in sorted(source.glob("*.txt")) if split_of_file(path)]
    if not files:
        raise UserError(f"{source}: no list in it; expected files such as train.txt, val.txt and test.txt")
    return read_lists(files, options)


def import_ma52(source: Path, options: Options) -> Imported:
    """Micro-Action-52: lists of each split beside the folders of the videos, with labels 0 to 51.

        SRC/train_list.txt (or annotations/train_list_videos.txt)    train0001.mp4 12
        SRC/train/train0001.mp4, SRC/val/…, SRC/test/…

    A test list without labels is left out, with a note.

    Raises:
        UserError: there is no list, or a line is malformed.
    """
    source = need_folder(source, "the lists and folders of Micro-Action-52")
    lists = [*sorted(source.glob("*.txt")), *sorted(source.glob("annotation*/*.txt"))]
    files = [(path, split_of_file(path)) for path in lists if split_of_file(path)]
    if not files:
        raise UserError(f"{source}: no list in it; expected train_list.txt and so on, or annotations/train_list.txt")
    options = dataclasses.replace(options, root=options.root or source)
    return read_lists(files, options, NUM_MICRO_ACTIONS)


def read_lists(files: list[tuple[Path, str]], options: Options, num_classes: int | None = None) -> Imported:
    """The clips of lists, each with the split of its clips; labels that are numbers are below `num_classes`."""
    classes = read_class_names(options.class_names) if options.class_names else None
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file, split in files:
        lines = list(numbered_lines(file, "a list with lines such as 'path label' or 'path num_frames label'"))
        if not lines:
            raise UserError(f"{file}: the list is empty; expected lines 'path label' or 'path num_frames label'")
        if split == "test" and all(" " not in line and "\t" not in line for _, line in lines):
            problems.append(Problem("note", str(file), 0, f"{len(lines)} clips without labels were left out"))
            continue
        framed = all(re.search(r"\S\s+\d+\s+\S+$", line) and not _is_file_line(line) for _, line in lines)
        for number, line in lines:
            fields = line.rsplit(maxsplit=2 if framed else 1)
            if len(fields) < 2:
                raise UserError(f"{file}:{number}: found '{line}', expected 'path label' or 'path num_frames label'")
            try:
                label = label_name(fields[-1], classes, num_classes)
            except ValueError as error:
                problems.append(Problem("error", str(file), number, str(error)))
                continue
            path = _framed(_place(fields[0], file, split, options), options.template)
            num_frames = int(fields[1]) if framed else None
            entries.append(Entry(Row(path, (label,), split, num_frames=num_frames, line=number), file))
    return Imported(tuple(entries), classes, tuple(problems))


def _is_file_line(line: str) -> bool:
    """Whether a line is `path label` with a video's name, and not `path num_frames label`: "my clip 3.mp4 1"."""
    return is_video(Path(line.rsplit(maxsplit=1)[0]))


def _place(path: str, file: Path, split: str, options: Options) -> str:
    """The path of a listed clip: from the list's folder or `root`, directly or in the folder of its split."""
    bases = [options.root or file.parent]
    bases += [bases[0] / split, bases[0] / "videos", bases[0] / "videos" / split] if split else []
    return str(first_existing([Path(absolute(path, base)) for base in bases]))


def _framed(path: str, template: str | None) -> str:
    """A frame folder with the template of its frames; a video stays as it is."""
    return str(Path(path) / template) if template and not is_video(Path(path)) else path
