"""Import PEV and MA10, the micro-action sets of the MLFE and STP papers, with three folds.

Neither has an official layout, so both are read from class folders or lists.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from kinesics.data.importers.folder import import_folder
from kinesics.data.importers.lists import read_lists
from kinesics.data.importers.source import Imported, Options
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError

PEV = ("pointing", "attention", "positive", "negative", "passing", "receiving", "gesture")
MA10 = (
    "applaud",
    "hand-salute",
    "nod",
    "shake-head",
    "put-palms-together",
    "head-scratch",
    "shrug-shoulders",
    "stop",
    "throw-up-hands",
    "waving",
)
NUM_FOLDS = 3
FIRST_PERSON = {"firstperson", "actor", "ego", "pova", "first"}
"""Names of folders with PEV's actor's view; the papers use only the observer's view."""


def import_pev(source: Path, options: Options) -> Imported:
    """Paired Egocentric Videos (Yonetani et al., CVPR 2016): seven classes, the observer's view.

        SRC/pointing/0001.mp4                  class folders, also inside a folder such as SRC/third-person
        SRC/fold1.txt, fold2.txt, fold3.txt    or lists with lines 'path label', one per fold
        SRC.txt                                or one list

    Clips in a folder for the actor's view (first-person, actor, ego) are left out, with a note. Where the source has no
    folds, three are assigned.

    Raises:
        UserError: neither folders nor lists, or a class that PEV does not have.
    """
    imported = read_micro(source, options, PEV)
    kept = [entry for entry in imported.entries if not is_below(source, entry, FIRST_PERSON)]
    if len(kept) == len(imported.entries):
        return imported
    left_out = f"{len(imported.entries) - len(kept)} clips of the actor's view were left out"
    note = Problem("note", str(source), 0, left_out)
    return dataclasses.replace(imported, entries=tuple(kept), problems=(*imported.problems, note))


def import_ma10(source: Path, options: Options) -> Imported:
    """Micro Action 10 (see the MLFE paper, section 4): ten classes, 600 videos each; folders or lists as for PEV.

    Raises:
        UserError: neither folders nor lists, or a class that MA10 does not have.
    """
    return read_micro(source, options, MA10)


def read_micro(source: Path, options: Options, classes: tuple[str, ...]) -> Imported:
    """The clips of class folders or of lists, with the names of `classes`. A list beside class folders is a fold."""
    tops = [source, *sorted(source.iterdir())] if source.is_dir() else []
    holders = [folder for folder in tops if has_classes(folder, classes)]
    lists = [file for file in tops if file.suffix == ".txt" and (not holders or fold_of(file) is not None)]
    if source.is_file():
        lists = [source]
    if lists:
        parts = [with_fold(read_lists([(file, "")], options), fold_of(file)) for file in lists]
    elif holders:
        parts = [import_folder(folder, options) for folder in holders]
        others = [top.name for top in tops[1:] if top.is_dir() and top not in holders and source not in holders]
        if others:
            text = f"{len(others)} skipped, no class folders in them: {', '.join(others)}"
            parts.append(Imported((), problems=(Problem("note", str(source), 0, text),)))
    else:
        raise UserError(f"{source}: neither lists nor class folders in it; expected {', '.join(classes)}")
    problems = [problem for part in parts for problem in part.problems]
    entries = []
    for entry in (entry for part in parts for entry in part.entries):
        if (name := class_name(entry.row.labels[0], classes)) is None:
            problems.append(
                entry.problem("error", f"unknown class '{entry.row.labels[0]}'; expected {', '.join(classes)}")
            )
        else:
            entries.append(dataclasses.replace(entry, row=dataclasses.replace(entry.row, labels=(name,))))
    has_folds = any(entry.row.fold is not None for entry in entries)
    return Imported(tuple(entries), classes, tuple(problems), folds=None if has_folds else NUM_FOLDS)


def with_fold(imported: Imported, fold: int | None) -> Imported:
    """The same clips with this fold."""
    rows = [dataclasses.replace(entry, row=dataclasses.replace(entry.row, fold=fold)) for entry in imported.entries]
    return dataclasses.replace(imported, entries=tuple(rows))


def class_name(label: str, classes: Sequence[str]) -> str | None:
    """The class of a label: a number from 0, or the name in any spelling of `plain`. None for no class."""
    names = {plain(name): name for name in classes} | {str(number): name for number, name in enumerate(classes)}
    return names.get(plain(label))


def plain(name: str) -> str:
    """Only letters and digits, in lower case: "Shake_Head" → "shakehead"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def fold_of(file: Path) -> int | None:
    """The number at the end of a list's name: fold2.txt → 2."""
    match = re.search(r"(\d+)$", file.stem)
    return int(match[1]) if match else None


def has_classes(folder: Path, classes: Sequence[str]) -> bool:
    """Whether a folder holds a folder of one of the classes."""
    names = {plain(name) for name in classes}
    return folder.is_dir() and any(path.is_dir() and plain(path.name) in names for path in folder.iterdir())


def is_below(source: Path, entry: Entry, names: set[str]) -> bool:
    """Whether a clip is in a folder with one of the names, within the source."""
    path = Path(entry.row.path)
    base = source if source.is_dir() else source.parent
    parts = path.relative_to(base.absolute()).parts if path.is_relative_to(base.absolute()) else path.parts
    return any(plain(part) in names for part in parts[:-1])
