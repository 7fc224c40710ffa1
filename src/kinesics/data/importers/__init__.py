"""Importers: from data sets on disk to rows of a manifest. FORMATS lists them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Format:
    """A kind of source: its importer, and the options that it uses."""

    read: Callable[[Path, Options], Imported]
    options: tuple[str, ...] = ("root",)


ABOUT_PROCESSES = ("limits", "num_workers")
LISTS = ("root", "template", "class_names")
FORMATS: dict[str, Format] = {
    "folder": Format(import_folder, ("template",)),
    "csv": Format(import_csv, (*LISTS, "columns")),
    "list": Format(import_list, LISTS),
    "ucf101": Format(import_ucf101, ("root", "official_split")),
    "hmdb51": Format(import_hmdb51, ("root", "official_split")),
    "kinetics": Format(import_kinetics),
    "something-v1": Format(import_frames, ("root", "template")),
    "something-v2": Format(import_something_v2),
    "jester": Format(import_frames, ("root", "template")),
    "ma52": Format(import_ma52, LISTS),
    "pev": Format(import_pev, LISTS),
    "ma10": Format(import_ma10, LISTS),
    "cvat": Format(import_cvat),
}


def import_clips(source: Path, format: str, options: Options) -> Imported:
    """The clips of `source`; `auto` reads a folder as class folders, and a file by its suffix (.csv, .txt, .xml).

    Raises:
        UserError: the source is missing, the format is unknown, or they do not fit each other.
    """
    if not source.exists():
        raise UserError(f"{source}: no such file or folder; expected the clips to import, or the list of them")
    if format == "auto":
        format = "folder" if source.is_dir() else {".csv": "csv", ".txt": "list", ".xml": "cvat"}.get(source.suffix, "")
        if not format:
            raise UserError(f"{source}: unknown suffix; name its format: {', '.join(FORMATS)}")
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if source.is_dir() and format == "csv":
        raise UserError(f"{source}: a folder; expected a CSV file (the format of class folders is 'folder')")
    if options.template is not None:
        check_template(options.template)
    check_options(format, options)
    return FORMATS[format].read(source, options)


def check_options(format: str, options: Options) -> None:
    """Raise UserError for an option that the format does not use, or a root that is not a folder."""
    taken = FORMATS[format].options
    for field in dataclasses.fields(Options):
        value = getattr(options, field.name)
        if value not in (None, {}) and field.name not in (*taken, *ABOUT_PROCESSES):
            users = ", ".join(name for name, other in FORMATS.items() if field.name in other.options)
            raise UserError(f"{field.name} is not used by the format '{format}'; it is for {users}")
    if options.root is not None and not options.root.is_dir():
        raise UserError(f"root {options.root}: no such folder; expected the folder that the listed paths start from")


def check_template(template: str) -> None:
    """Raise UserError unless the template gives different names for different frame numbers."""
    try:
        is_valid = template.format(1) != template.format(2)
    except (IndexError, KeyError, ValueError):
        is_valid = False
    if not is_valid or "/" in template:
        raise UserError(f"'{template}' is no template of frame names; expected one such as img_{{:05d}}.jpg")
