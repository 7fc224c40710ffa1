"""Make a manifest from a user's videos: import, decode every file whole, check, split, write."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinesics.data.assign import SplitAssignment
from kinesics.data.importers import import_clips
from kinesics.data.importers.source import Imported, Options
from kinesics.data.manifest import Manifest, write_manifest
from kinesics.data.prepare_report import Report, beside, make_report, report_lines
from kinesics.data.previous import check_replaceable, previous_rows, with_previous
from kinesics.data.problems import (
    Entry,
    Problem,
    content_problems,
    drop_duplicates,
    few_problems,
    gap_problems,
    group_problems,
    missing_files,
)
from kinesics.data.verify import DECODE_WHOLE, verify
from kinesics.errors import UserError, unknown
from kinesics.files import write_json
from kinesics.progress import Listener
from kinesics.video.integrity import Check
from kinesics.workers.limits import Limits

__all__ = ["Report", "prepare", "report_lines"]
POLICIES = ("fail", "skip", "quarantine")


def prepare(
    source: Path | str,
    out: Path | str,
    *,
    format: str = "auto",
    template: str | None = None,
    class_names: Path | None = None,
    columns: Mapping[str, str] | None = None,
    root: Path | None = None,
    official_split: int | None = None,
    group_pattern: str | None = None,
    split: Literal["keep", "none", "random", "group"] = "keep",
    val: float | None = None,
    test: float | None = None,
    folds: int | str | None = None,
    reassign: bool = False,
    on_bad: Literal["fail", "skip", "quarantine"] = "fail",
    timeout_seconds: float = 60.0,
    memory_gib: float = 8.0,
    max_pixels: int | None = None,
    num_workers: int | None = None,
    seed: int = 0,
    listener: Listener | None = None,
    check: str = DECODE_WHOLE,
) -> Report:
    """Check a folder or list of labelled videos, and write the manifest that everything else reads.

    Every clip is decoded whole. `<out>.report.json` beside the manifest lists all findings. An interrupted call goes on
    where it stopped: until the manifest is written, `<out>.journal.jsonl` holds the results of decoding. Where `out` is
    already a manifest, its clips keep their label, split and fold, and new clips are added.

    Args:
        source: What to import: a folder, a CSV, a list or an annotation file.
        out: The manifest to write, a CSV file.
        format: folder, csv, list, ucf101, hmdb51, kinetics, jester, ma52, pev, ma10, cvat and more: see docs/data.md;
            auto goes by the source's name.
        template: File name of the frames in a frame folder, such as img_{:05d}.jpg.
        class_names: A file with one class name per line, for labels that are numbers.
        columns: The names of the CSV's columns: path=file group=subject.
        root: The folder that the paths of a list or annotation file start from.
        official_split: Which of the three official splits of UCF101 and HMDB51; the first by default.
        group_pattern: A regular expression on the path, whose first bracket is the group (subject, source).
        split: Keep the source's splits and assign some where it has none, leave them empty (none), or assign them at
            random or by group.
        val: Share of the validation split, 0.15 by default.
        test: Share of the test split, 0.15 by default.
        folds: Number of folds to assign, or leave-one-group-out.
        reassign: Take labels, splits and folds of clips that the manifest holds already from the source again.
        on_bad: For files that do not decode and other errors: fail (no manifest is written), skip (the rows stay with a
            status, and are not used) or quarantine (the rows go to a separate list).
        timeout_seconds: Longest time to decode one file.
        memory_gib: Most address space of a decoding process.
        max_pixels: Largest height × width of a frame.
        num_workers: Decoding processes; as many as cores by default.
        seed: Decides the random splits.
        listener: Gets the progress of the work.

    Raises:
        UserError: the source cannot be read with these options, `out` is a file that `prepare` did not write, or there
            are errors and `on_bad` is `fail`.
    """
    source, out = Path(source), Path(out)
    _check_choices(source, out, on_bad, timeout_seconds, memory_gib, num_workers)
    assignment = SplitAssignment(split, val, test, folds, seed, keep=not reassign)
    previous = {} if reassign else previous_rows(out)
    limits = Limits(timeout_seconds=timeout_seconds, memory_gib=memory_gib, max_pixels=max_pixels)
    base, names = root.absolute() if root else None, columns or {}
    options = Options(template, class_names, names, base, official_split, limits, num_workers)
    imported = import_clips(source, format, options)
    entries, duplicates = drop_duplicates(_grouped(imported, source, group_pattern))
    entries, kept = with_previous(entries, previous, out)
    missing = missing_files(entries)
    problems = [*imported.problems, *duplicates, *kept, *missing.values()]
    job = _Job(source, format, out, on_bad, imported.classes or ())
    if on_bad == "fail":
        entries_now = [_judged(entry, i in missing) for i, entry in enumerate(entries)]
        early = group_problems(entries) if split == "keep" else []
        _stop_on_errors(job, entries_now, [*problems, *early])
    journal = beside(out, JOURNAL)
    present = [i for i in range(len(entries)) if i not in missing]
    rows = [entries[i].row for i in present]
    checks = verify(rows, limits=limits, workers=num_workers, journal=journal, listener=listener, check=check)
    entries, check_problems = _checked(entries, missing, dict(zip(present, checks, strict=True)))
    problems += check_problems
    if on_bad == "fail":
        _stop_on_errors(job, entries, problems)
    if not any(entry.row.usable for entry in entries):
        _finish(job, entries, problems)
        raise UserError(f"{source}: none of {len(entries)} clips can be used; see {beside(out, '.report.json')}")
    rows, more = assignment.assign([entry.row for entry in entries], imported.folds, out)
    entries = [dataclasses.replace(entry, row=row) for entry, row in zip(entries, rows, strict=True)]
    problems += more + content_problems(entries) + group_problems(entries)
    problems += gap_problems(entries, job.classes, out) + few_problems(entries, out)
    if on_bad == "fail":
        _stop_on_errors(job, entries, problems)
    return _write(job, entries, problems)


def _checked(
    entries: Sequence[Entry], missing: Collection[int], checks: Mapping[int, Check]
) -> tuple[list[Entry], list[Problem]]:
    """The entries with the results of decoding them, by index, and the problems of these results."""
    judged, problems = [_judged(entry, i in missing) for i, entry in enumerate(entries)], []
    for i, check in checks.items():
        judged[i], more = _with_check(judged[i], check)
        problems += more
    return judged, problems


JOURNAL = ".journal.jsonl"


@dataclass(frozen=True)
class _Job:
    source: Path
    format: str
    out: Path
    on_bad: str
    classes: Sequence[str]


def _check_choices(source: Path, out: Path, on_bad: str, timeout: float, memory: float, workers: int | None) -> None:
    if on_bad not in POLICIES:
        raise unknown("policy for bad files", on_bad, POLICIES)
    if out.suffix.lower() != ".csv" or out.is_dir():
        raise UserError(f"{out}: the manifest is a CSV file; expected a name that ends in .csv")
    if source.exists() and out.exists() and source.samefile(out):
        raise UserError(f"{out}: this is the source itself; name another file as `out`")
    check_replaceable(out)
    if timeout <= 0 or memory < 0 or (workers is not None and workers < 1):
        raise UserError(
            "expected timeout_seconds above 0, memory_gib of 0 or more and num_workers of 1 or more, "
            f"found {timeout:g}, {memory:g} and {workers}"
        )


def _grouped(imported: Imported, source: Path, pattern: str | None) -> list[Entry]:
    """The entries with the group that the pattern matches in their paths."""
    if pattern is None:
        return list(imported.entries)
    try:
        search = re.compile(pattern)
    except re.error as error:
        raise UserError(f"group pattern '{pattern}': {error}") from None
    if search.groups < 1:
        raise UserError(
            f"group pattern '{pattern}' has no brackets; expected some around the group, such as '__(s[0-9]+)_'"
        )
    base = source if source.is_dir() else source.parent
    entries = []
    for entry in imported.entries:
        text = Path(os.path.relpath(entry.row.path, base.absolute())).as_posix()
        match = search.search(text)
        if match is None or not match[1]:
            raise UserError(f"group pattern '{pattern}' does not match {text}")
        entries.append(dataclasses.replace(entry, row=dataclasses.replace(entry.row, group=match[1])))
    return entries


def _judged(entry: Entry, missing: bool) -> Entry:
    if not missing:
        return entry
    return dataclasses.replace(entry, row=dataclasses.replace(entry.row, status="error", reason="no such file"))


def _with_check(entry: Entry, check: Check) -> tuple[Entry, list[Problem]]:
    """The entry with the result of decoding it, and the problems of this result."""
    listed = entry.row.num_frames
    row = dataclasses.replace(
        entry.row,
        status=check.status,
        reason=" ".join(check.reason.split()),
        num_frames=check.num_frames,
        fps=round(check.fps, 6) if check.fps > 0 else entry.row.fps,
        digest=check.digest,
    )
    entry = dataclasses.replace(entry, row=row)
    name = f"{row.path}: " if row.line else ""
    notes = [entry.problem("note", f"{name}{check.note}")] if check.note else []
    if not row.usable or row.status == "partial":
        severity: Literal["warning", "error"] = "warning" if row.usable else "error"
        return entry, [entry.problem(severity, f"{name}{row.status}: {row.reason}"), *notes]
    if listed is not None and listed != check.num_frames:
        text = f"{name}{listed} frames are listed, {check.num_frames} were decoded"
        return entry, [entry.problem("warning", text), *notes]
    return entry, notes


def _stop_on_errors(job: _Job, entries: Sequence[Entry], problems: Sequence[Problem]) -> None:
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        _finish(job, entries, problems)
        count = f"{len(errors)} errors" if len(errors) > 1 else "1 error"
        named = "; ".join(str(problem) for problem in errors[:5])
        more = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
        raise UserError(
            f"{count}, no manifest written: {named}{more}. All are in {beside(job.out, '.report.json')};"
            " correct them, or leave these clips out: set on_bad to skip or quarantine"
        )


def _write(job: _Job, entries: Sequence[Entry], problems: Sequence[Problem]) -> Report:
    folder = job.out.parent.resolve()  # resolved, since '..' in a path starts at the real folder
    rows = [dataclasses.replace(entry.row, path=_relative(entry.row.path, folder)) for entry in entries]
    quarantine = beside(job.out, ".quarantine.csv")
    bad = [row for row in rows if not row.usable] if job.on_bad == "quarantine" else []
    if bad:
        write_manifest(Manifest(quarantine, tuple(bad)), quarantine)
        rows = [row for row in rows if row.usable]
    else:
        quarantine.unlink(missing_ok=True)  # the list of an earlier call is no longer correct
    report = _finish(job, entries, problems, str(quarantine) if bad else "")
    write_manifest(Manifest(job.out, tuple(rows)), job.out)
    beside(job.out, JOURNAL).unlink(missing_ok=True)
    return report


def _finish(job: _Job, entries: Sequence[Entry], problems: Sequence[Problem], quarantine: str = "") -> Report:
    """Make the report and write it."""
    report = make_report(
        [entry.row for entry in entries],
        job.classes,
        problems,
        source=str(job.source),
        format=job.format,
        out=str(job.out),
        on_bad=job.on_bad,
        quarantine=quarantine,
    )
    write_json(report.report_path, report)
    return report


def _relative(path: str, folder: Path) -> str:
    """`path` relative to the manifest's folder; absolute where no relative path exists (another drive)."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path
