"""The report of `prepare`: as a value, as JSON and as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinesics.data.manifest import Row
from kinesics.data.problems import Problem
from kinesics.video.files import natural_key


@dataclass(frozen=True)
class Report:
    """The findings of `prepare`. `statuses` counts clips, `classes` the usable clips of each class and split."""

    source: str
    format: str
    out: str
    on_bad: str
    num_listed: int
    num_usable: int
    statuses: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, int]
    folds: Mapping[str, int]
    bad: tuple[tuple[str, str, str], ...]  # path, status, reason
    problems: tuple[Problem, ...]
    quarantine: str = ""

    @property
    def report_path(self) -> Path:
        """The file of the whole report, as JSON."""
        return beside(Path(self.out), ".report.json")

    def of(self, severity: str) -> list[Problem]:
        """The problems with this severity."""
        return [problem for problem in self.problems if problem.severity == severity]


def make_report(
    rows: Sequence[Row],
    classes: Iterable[str],
    problems: Sequence[Problem],
    *,
    source: str,
    format: str,
    out: str,
    on_bad: str,
    quarantine: str = "",
) -> Report:
    """The report on these rows; `classes` are those that the source names, with or without clips."""
    usable = [row for row in rows if row.usable]
    names = {label for row in rows for label in row.labels} | set(classes)
    per_class: dict[str, Counter[str]] = {name: Counter() for name in sorted(names, key=natural_key)}
    for row in usable:
        for label in row.labels:
            per_class[label][row.split or "none"] += 1
    folds = Counter(row.fold for row in usable if row.fold is not None)
    return Report(
        source=source,
        format=format,
        out=out,
        on_bad=on_bad,
        num_listed=len(rows),
        num_usable=len(usable),
        statuses=dict(Counter(row.status or "unchecked" for row in rows)),
        classes={name: dict(counts) for name, counts in per_class.items()},
        splits=dict(Counter(row.split or "none" for row in usable)),
        folds={str(fold): folds[fold] for fold in sorted(folds)},
        bad=tuple((row.path, row.status, row.reason) for row in rows if not row.usable),
        problems=tuple(problems),
        quarantine=quarantine,
    )


def report_lines(report: Report) -> list[str]:
    """The report as lines of text: counts, splits, errors, warnings and notes, clips that were left out."""
    most = 20
    counts = ", ".join(f"{count} {status}" for status, count in sorted(report.statuses.items()))
    lines = [
        f"{report.num_usable} of {report.num_listed} clips can be used ({counts}) in {len(report.classes)} classes"
    ]
    if set(report.splits) - {"none"}:
        lines.append("splits: " + ", ".join(f"{name} {count}" for name, count in sorted(report.splits.items())))
    if report.folds:
        lines.append("folds: " + ", ".join(f"{name}: {count}" for name, count in report.folds.items()))
    for severity in ("error", "warning", "note"):
        problems = report.of(severity)
        lines += [f"{severity}: {problem}" for problem in problems[:most]]
        if len(problems) > most:
            lines.append(f"{severity}: … and {len(problems) - most} more in {report.report_path}")
    if report.quarantine:
        lines.append(f"{len(report.bad)} clips were moved to {report.quarantine}")
    elif report.bad:
        lines.append(f"{len(report.bad)} clips stay in the manifest with their status, and are not used")
    return [*lines, f"wrote {report.out}; the whole report is in {report.report_path}"]


def beside(out: Path, ending: str) -> Path:
    """A file that goes with a manifest: set.csv and `.report.json` → set.report.json."""
    return out.with_name(out.stem + ending)
