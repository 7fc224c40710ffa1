"""Import Kinetics (400, 600, 700) by its CSV files."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from kinesics.data.importers.source import Imported, Options, split_of_file
from kinesics.data.manifest import Row, split_name
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError
from kinesics.files import read_text
from kinesics.video.files import is_video

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
EXPECTED = f"a CSV file of Kinetics with the columns {','.join(COLUMNS)}"


def import_kinetics(source: Path, options: Options) -> Imported:
    """Kinetics: a CSV with label,youtube_id,time_start,time_end,split, or a folder with several of them.

        SRC/train.csv, SRC/val.csv …
        SRC/…/brush painting/ID_000010_000020.mp4     the ten seconds cut out, in any folder below the CSV (or `root`);
        SRC/…/brush_painting/ID.mp4                   the whole video, of which time_start to time_end is taken

    A clip is found by its file name. Where several files have that name, the one in a folder of the class (spaces or
    underscores) or of the split is used. Rows without a label are left out, with a note.

    Raises:
        UserError: there is no such CSV, or a line is malformed.
    """
    files = sorted(source.glob("*.csv")) if source.is_dir() else [source]
    if not files:
        raise UserError(f"{source}: no CSV file in it; expected {EXPECTED}")
    root = (options.root or (source if source.is_dir() else source.parent)).absolute()
    videos = _videos_by_stem(root)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file in files:
        unlabelled = 0
        for line, cells in _read(file):
            if not cells["label"]:
                unlabelled += 1
                continue
            entries.append(Entry(_row(file, line, cells, videos, root), file))
        if unlabelled:
            problems.append(Problem("note", str(file), 0, f"{unlabelled} clips without labels were left out"))
    return Imported(tuple(entries), None, tuple(problems))


def _videos_by_stem(root: Path) -> dict[str, list[Path]]:
    videos: dict[str, list[Path]] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if is_video(path):
                videos.setdefault(path.stem, []).append(path)
    return videos


def _read(file: Path) -> list[tuple[int, dict[str, str]]]:
    text = read_text(file, EXPECTED)
    if "\0" in text:
        raise UserError(f"{file}: not a text file; expected {EXPECTED}")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        missing = set(COLUMNS[1:4]) - set(reader.fieldnames or ())
        if missing:
            raise UserError(f"{file}:1: no column '{sorted(missing)[0]}'; expected {EXPECTED}")
        for cells in reader:
            if any(not cells.get(name) for name in COLUMNS[1:4]):
                raise UserError(f"{file}:{reader.line_num}: a field is missing; expected {','.join(COLUMNS)}")
            rows.append((reader.line_num, {name: (cells.get(name) or "").strip() for name in COLUMNS}))
    except csv.Error as error:
        raise UserError(f"{file}:{reader.line_num}: not CSV ({error}); expected {EXPECTED}") from None
    if not rows:
        raise UserError(f"{file}: no rows in it; expected {EXPECTED}")
    return rows


def _row(file: Path, line: int, cells: dict[str, str], videos: dict[str, list[Path]], root: Path) -> Row:
    """The row of one line: its file is the cut clip, else the whole video, else the (missing) cut clip."""
    label, name = cells["label"], cells["youtube_id"]
    split = split_name(cells["split"]) if cells["split"] else split_of_file(file)
    try:
        start, end = float(cells["time_start"]), float(cells["time_end"])
        cut = f"{name}_{int(start):06d}_{int(end):06d}"
        folders = {label, label.replace(" ", "_"), split, cells["split"]}

        def best(stem: str) -> Path | None:
            paths = videos.get(stem, [])
            return max(paths, key=lambda path: len(folders & set(path.parts)), default=None)

        if path := best(cut):
            return Row(str(path), (label,), split, line=line)
        if path := best(name):
            return Row(str(path), (label,), split, start_seconds=start, end_seconds=end, line=line)
        return Row(str(root / label / f"{cut}.mp4"), (label,), split, line=line)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{file}:{line}: {error}") from None
