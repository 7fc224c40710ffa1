"""Import a folder of class folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kinesics.data.importers.source import Imported, Options, need_folder
from kinesics.data.manifest import SPLITS, Row, split_name
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError
from kinesics.video.files import is_picture, is_video, natural_key
from kinesics.video.open import holds_flow

Skipped = dict[str, list[str]]


def import_folder(source: Path, options: Options) -> Imported:
    """A folder with one folder per class; its name is the label.

        SRC/nod/a.mp4                     a video
        SRC/nod/monday/b.avi              also in deeper folders
        SRC/nod/clip7/00001.jpg …         a folder with more pictures than videos is one clip of these frames
        SRC/train/nod/…  SRC/test/nod/…   folders named train, val and test are splits, if there are no other folders

    All other files (hidden files, other kinds, files outside the class folders) are counted and named in a note.

    Raises:
        UserError: the folder does not exist, or no class folder has a clip.
    """
    source = need_folder(source, "one folder for each class")
    skipped: Skipped = {}
    tops = _folders(source, source, skipped)
    split_folders = {split_name(top.name): top for top in tops}
    if tops and len(split_folders) == len(tops) and set(split_folders) <= set(SPLITS):
        folders = [(split, f) for split, top in split_folders.items() for f in _folders(top, source, skipped)]
    else:
        folders = [("", top) for top in tops]
    entries = []
    problems = []
    for split, folder in folders:
        clips = list(_clips(folder, source, options, skipped, {folder.resolve()}))
        if not clips:
            problems.append(Problem("warning", str(folder), 0, "no clip in this class folder"))
        for path in clips:
            try:
                entries.append(Entry(Row(str(path), (folder.name,), split), path))
            except ValueError as error:
                raise UserError(f"{folder}: {error}; rename the folder") from None
    if not entries:
        hint = "; its videos are not in class folders" if any(is_video(p) for p in source.iterdir()) else ""
        raise UserError(f"{source}: no clip found{hint}; expected one folder for each class with videos in it")
    for reason, names in skipped.items():
        problems.append(Problem("note", str(source), 0, f"{len(names)} skipped, {reason}: {', '.join(names)}"))
    return Imported(tuple(entries), None, tuple(problems))


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror})") from None


def _skip(path: Path, source: Path, reason: str, skipped: Skipped) -> None:
    name = str(path.relative_to(source)).encode(errors="backslashreplace").decode()  # names that are not UTF-8
    skipped.setdefault(reason, []).append(name)


def _folders(folder: Path, source: Path, skipped: Skipped) -> list[Path]:
    """The folders that may be classes; the other files are added to `skipped`."""
    folders = []
    for path in _listing(folder):
        if path.name.startswith("."):
            _skip(path, source, "hidden", skipped)
        elif path.is_dir() and _is_text(path):
            folders.append(path)
        else:
            _skip(path, source, "not in a class folder", skipped)
    return folders


def _is_text(path: Path) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in os.fspath(path))


def _clips(folder: Path, source: Path, options: Options, skipped: Skipped, above: set[Path]) -> Iterator[Path]:
    """The videos and frame folders in a class folder, at any depth, in natural order."""
    for path in _listing(folder):
        if path.name.startswith("."):
            _skip(path, source, "hidden", skipped)
        elif not _is_text(path):
            _skip(path, source, "the name is not UTF-8", skipped)
        elif path.is_dir():
            if (real := path.resolve()) in above:
                _skip(path, source, "a link to a folder above it", skipped)
                continue
            inside = _listing(path)
            if sum(map(is_picture, inside)) > sum(map(is_video, inside)):
                yield path / options.template if options.template else path
                for other in inside:
                    if not is_picture(other):
                        _skip(other, source, "beside the frames of a frame folder", skipped)
            else:
                yield from _clips(path, source, options, skipped, above | {real})
        elif is_video(path) and holds_flow(path):
            _skip(path, source, "a flow file, not a video", skipped)
        elif is_video(path):
            yield path
        elif is_picture(path):
            _skip(path, source, "a picture, not in a frame folder of its own", skipped)
        else:
            _skip(path, source, "neither video nor picture", skipped)
