"""Import UCF101 and HMDB51, each with its three official splits."""

from __future__ import annotations

import re
from pathlib import Path

from kinesics.data.importers.source import (
    Imported,
    Options,
    find,
    first_existing,
    need_folder,
    numbered_lines,
    read_class_names,
)
from kinesics.data.manifest import Row
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError


def import_ucf101(source: Path, options: Options) -> Imported:
    """UCF101 with official split 1, 2 or 3; the group is gXX in the name (the clips of one source video).

        SRC/ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt …       (or directly in SRC)
        SRC/UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi                    (or in SRC/videos, or in SRC)

    Raises:
        UserError: a list is missing or malformed, or the split is not 1, 2 or 3.
    """
    source = need_folder(source, "UCF-101 and ucfTrainTestlist")
    number = _official(options)
    classes = read_class_names(find(source, ["classInd.txt"], "class list"))
    root = options.root or source
    entries: list[Entry] = []
    problems: list[Problem] = []
    for split in ("train", "test"):
        file = find(source, [f"{split}list0{number}.txt"], f"{split} list of split {number}")
        for line, text in numbered_lines(file, "lines such as 'Class/v_Class_g01_c01.avi 1'"):
            name, _, index = text.partition(" ")
            label = name.partition("/")[0]
            if "/" not in name or (split == "train" and not index.isdigit()):
                raise UserError(f"{file}:{line}: found '{text}', expected 'Class/v_Class_g01_c01.avi 1'")
            if label not in classes:
                problems.append(Problem("error", str(file), line, f"class '{label}' is not in classInd.txt"))
            elif index and not 1 <= int(index) <= len(classes):
                allowed = f"there are {len(classes)} classes, 1 to {len(classes)}"
                problems.append(Problem("error", str(file), line, f"label {index} is out of range: {allowed}"))
            elif index and classes[int(index) - 1] != label:
                text = f"label {index} is {classes[int(index) - 1]} in classInd.txt, the folder is {label}"
                problems.append(Problem("error", str(file), line, text))
            else:
                path = first_existing([root / "UCF-101" / name, root / "videos" / name, root / name])
                group = re.search(r"_(g\d+)_c\d+", name)
                row = Row(str(path), (label,), split, group=group[1] if group else "", line=line)
                entries.append(Entry(row, file))
    return Imported(tuple(entries), classes, tuple(problems))


def import_hmdb51(source: Path, options: Options) -> Imported:
    """HMDB51 with official split 1, 2 or 3: in its lists 1 is training, 2 is test and 0 is neither.

        SRC/testTrainMulti_7030_splits/brush_hair_test_split1.txt …     (or directly in SRC)
        SRC/hmdb51_org/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi     (or in SRC/videos, or in SRC)

    Raises:
        UserError: the lists are missing or malformed, or the split is not 1, 2 or 3.
    """
    source = need_folder(source, "hmdb51_org and testTrainMulti_7030_splits")
    ending = f"_test_split{_official(options)}.txt"
    first = find(source, [f"*{ending}"], "split list")
    root = options.root or source
    entries: list[Entry] = []
    num_unused = 0
    classes = []
    for file in sorted(first.parent.glob(f"*{ending}")):
        label = file.name.removesuffix(ending)
        classes.append(label)
        for line, text in numbered_lines(file, "lines such as 'name.avi 1'"):
            name, _, part = text.rpartition(" ")
            if not name.strip() or part not in ("0", "1", "2"):
                raise UserError(f"{file}:{line}: found '{text}', expected 'name.avi 1' with 1, 2 or 0")
            if part == "0":
                num_unused += 1
                continue
            inside = Path(label) / name.strip()
            path = first_existing([root / "hmdb51_org" / inside, root / "videos" / inside, root / inside])
            entries.append(Entry(Row(str(path), (label,), {"1": "train", "2": "test"}[part], line=line), file))
    note = Problem("note", str(first.parent), 0, f"{num_unused} clips are in neither part of this split (0)")
    return Imported(tuple(entries), tuple(classes), (note,) if num_unused else ())


def _official(options: Options) -> int:
    number = 1 if options.official_split is None else options.official_split
    if number not in (1, 2, 3):
        raise UserError(f"official split {number} does not exist; expected 1, 2 or 3")
    return number
