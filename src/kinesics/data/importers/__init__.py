"""Importers: from what people have on their disks to rows of a manifest. FORMATS says which there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kinesics.data.importers.cvat import import_cvat
from kinesics.data.importers.folder import import_folder
from kinesics.data.importers.kinetics import import_kinetics
from kinesics.data.importers.lists import import_csv, import_list, import_ma52
from kinesics.data.importers.micro import import_ma10, import_pev
from kinesics.data.importers.something import import_frames, import_something_v2
from kinesics.data.importers.source import Imported, Options
from kinesics.data.importers.ucf_hmdb import import_hmdb51, import_ucf101
from kinesics.errors import UserError, unknown

FORMATS: dict[str, Callable[[Path, Options], Imported]] = {
    "folder": import_folder,
    "csv": import_csv,
    "list": import_list,
    "ucf101": import_ucf101,
    "hmdb51": import_hmdb51,
    "kinetics": import_kinetics,
    "something-v1": import_frames,
    "something-v2": import_something_v2,
    "jester": import_frames,
    "ma52": import_ma52,
    "pev": import_pev,
    "ma10": import_ma10,
    "cvat": import_cvat,
}


def import_clips(source: Path, format: str, options: Options) -> Imported:
    """The clips of `source`; `auto` takes a folder for class folders and a file by its suffix (.csv, .txt, .xml).

    Raises:
        UserError: the source is missing, the format unknown, or the one does not fit the other.
    """
    if not source.exists():
        raise UserError(f"{source}: no such file or folder; wanted the clips to import, or the list of them")
    if format == "auto":
        format = "folder" if source.is_dir() else {".csv": "csv", ".txt": "list", ".xml": "cvat"}.get(source.suffix, "")
        if not format:
            raise UserError(f"{source}: its format is not clear; name it with --format {'|'.join(FORMATS)}")
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if source.is_dir() and format == "csv":
        raise UserError(f"{source}: a folder; wanted a CSV file (for class folders: --format folder)")
    if options.template is not None:
        check_template(options.template)
    return FORMATS[format](source, options)


def check_template(template: str) -> None:
    """Raise UserError unless the template makes different names of different frame numbers."""
    try:
        good = template.format(1) != template.format(2)
    except (IndexError, KeyError, ValueError):
        good = False
    if not good or "/" in template:
        raise UserError(f"'{template}' is no template of frame names; wanted such as img_{{:05d}}.jpg")
