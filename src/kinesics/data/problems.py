"""The problems of a list of clips, each with file and line: leaks, duplicates, contradictions, gaps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinesics.data.manifest import Row
from kinesics.errors import VideoError
from kinesics.values import VideoItem
from kinesics.video.files import natural_key, on_disk

Severity = Literal["error", "warning", "note"]
FEW_CLIPS = 5
"""A class with fewer usable clips gets a warning."""
FEW_GROUPS = 5
"""With fewer test groups a figure says little about other groups."""
FEW_TESTED = 10
"""With fewer test clips of a class its figure is uncertain."""
MOST_NAMED = 5
"""How many missing clips a message names."""
MOST_LEFT_OUT = 20
"""Up to this many groups, leaving out one at a time is advised."""


@dataclass(frozen=True)
class Problem:
    """One problem. An error stops `prepare` unless `on_bad` allows it; a note only informs."""

    severity: Severity
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


@dataclass(frozen=True)
class Entry:
    """A clip as its source lists it: the row, whose path is absolute, and the file that lists it."""

    row: Row
    file: Path

    def problem(self, severity: Severity, message: str) -> Problem:
        """A problem of this clip."""
        return Problem(severity, str(self.file), self.row.line, message)

    @property
    def place(self) -> str:
        """The place of this clip, for the text of a problem of another one."""
        return f"{self.file}:{self.row.line}" if self.row.line else str(self.row.path)


def check_files_exist(items: Sequence[VideoItem]) -> None:
    """Raise VideoError where files of clips are missing; it says how many, and names the first of them."""
    missing = [item for item in items if not on_disk(item.path).exists()]
    if missing:
        named = ", ".join(str(item.path) for item in missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        text = f"{len(missing)} of {len(items)} clips are gone: {named}{more}"
        raise VideoError(f"{text}; put them back, or run `kinesics prepare` again")


def missing_files(entries: Iterable[Entry]) -> dict[int, Problem]:
    """The entries, by index, whose file or folder does not exist."""
    problems = {}
    for index, entry in enumerate(entries):
        path = on_disk(Path(entry.row.path))
        if not path.exists():
            problems[index] = entry.problem("error", f"no such file: {path}")
    return problems


def drop_duplicates(entries: Sequence[Entry]) -> tuple[list[Entry], list[Problem]]:
    """The entries with each clip once, and a problem for each dropped one: an error where the two differ."""
    first: dict[tuple[str, float | None, float | None], Entry] = {}
    problems = []
    for entry in entries:
        row = entry.row
        earlier = first.setdefault((row.path, row.start_seconds, row.end_seconds), entry)
        if earlier is entry:
            continue
        for what, value, earlier_value in (
            ("label", "|".join(row.labels), "|".join(earlier.row.labels)),
            ("split", row.split, earlier.row.split),
        ):
            if value != earlier_value:
                text = f"{row.path} has the {what} '{value}' here and '{earlier_value}' at {earlier.place}"
                problems.append(entry.problem("error", f"{text}; the first was kept"))
                break
        else:
            problems.append(entry.problem("warning", f"{row.path} is already at {earlier.place}; it was taken once"))
    return list(first.values()), problems


def content_problems(entries: Sequence[Entry]) -> list[Problem]:
    """Clips with the same decoded content: twice in a class (warning), in two classes, or in two splits (error)."""
    problems = []
    for members in _alike(entries, _content):
        first = members[0]
        for other in members[1:]:
            both = f"{other.row.path} has the same content as {first.row.path} ({first.place})"
            if set(other.row.labels) != set(first.row.labels):
                names = "|".join(other.row.labels), "|".join(first.row.labels)
                problems.append(other.problem("warning", f"{both}, but the label '{names[0]}' instead of '{names[1]}'"))
            elif other.row.split == first.row.split:
                problems.append(other.problem("warning", f"{both}, in the same class"))
        problems += _straddling(members, "the same content")
    return problems


def group_problems(entries: Sequence[Entry]) -> list[Problem]:
    """Groups on both sides of a split (errors), and parts of one video on both sides (warnings)."""
    problems = []
    for members in _alike(entries, lambda row: row.group):
        problems += _straddling(members, f"the group '{members[0].row.group}'")
    for members in _alike(entries, lambda row: row.path if row.id != row.path else ""):
        problems += _straddling(members, f"the video {members[0].row.path}", "warning")
    return problems


def gap_problems(entries: Sequence[Entry], classes: Iterable[str], out: Path) -> list[Problem]:
    """Warnings about empty splits, classes with few clips, and classes without training clips.

    `classes` are those that the source names, with or without clips.
    """
    rows = [entry.row for entry in entries if entry.row.usable]
    counts = Counter(label for row in rows for label in row.labels)
    listed = {label for entry in entries for label in entry.row.labels} | set(classes)
    problems = []

    def warn(names: Iterable[str], text: str) -> None:
        if ordered := sorted(names, key=natural_key):
            names_text = ", ".join(ordered[:8]) + (f" and {len(ordered) - 8} more" if len(ordered) > 8 else "")
            problems.append(Problem("warning", str(out), 0, f"{text}: {names_text}"))

    warn((name for name in listed if not counts[name]), "no usable clip in the classes")
    warn(
        (f"{name} ({count})" for name, count in counts.items() if count < FEW_CLIPS),
        f"fewer than {FEW_CLIPS} usable clips in the classes",
    )
    splits = {row.split for row in rows} - {""}
    if splits:
        warn({"train", "val", "test"} - splits, "no clip in the splits")
        trained = {label for row in rows if row.split == "train" for label in row.labels}
        warn((name for name in counts if name not in trained), "no training clip in the classes")
        if without := sum(not row.split for row in rows):
            problems.append(Problem("warning", str(out), 0, f"{without} usable clips belong to no split"))
    return problems


def few_problems(entries: Sequence[Entry], out: Path) -> list[Problem]:
    """Warnings about a test split that is too small for reliable figures: few groups, or few clips of a class."""
    rows = [entry.row for entry in entries if entry.row.usable]
    tested = [row for row in rows if row.split == "test"]
    if not tested or any(row.fold is not None for row in rows):
        return []
    problems = []
    groups = {row.group for row in tested if row.group}
    all_groups = {row.group for row in rows if row.group}
    folds = "leave-one-group-out" if 1 < len(all_groups) <= MOST_LEFT_OUT else "5"
    advice = (
        f"cross-validation tests every clip once: kinesics prepare {out} --format csv --folds {folds} "
        f"--out {out.stem}_folds.csv, then kinesics cross-validate"
    )
    if groups and len(groups) < FEW_GROUPS:
        text = (
            f"the test split has {len(groups)} of {len(all_groups)} groups; their figures say little about other groups"
        )
        problems.append(Problem("warning", str(out), 0, f"{text}; {advice}"))
    counts = Counter(label for row in tested for label in row.labels)
    few = sorted((name for name in counts if counts[name] < FEW_TESTED), key=natural_key)
    if few and not problems:
        text = f"the test split has fewer than {FEW_TESTED} clips of {len(few)} of {len(counts)} classes"
        problems.append(Problem("warning", str(out), 0, f"{text}, so its figures are uncertain; {advice}"))
    return problems


def _content(row: Row) -> Hashable:
    return (row.digest, row.start_seconds, row.end_seconds) if row.digest else ""


def _alike(entries: Sequence[Entry], key: Callable[[Row], Hashable]) -> list[list[Entry]]:
    """The usable entries that share a key with another one; an empty key does not count."""
    by_key: dict[Hashable, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.row.usable and (value := key(entry.row)):
            by_key[value].append(entry)
    return [members for members in by_key.values() if len(members) > 1]


def _straddling(members: Sequence[Entry], what: str, severity: Severity = "error") -> list[Problem]:
    """One problem for each split of the members after the first split."""
    first = next((entry for entry in members if entry.row.split), None)
    if first is None:
        return []
    seen = {"", first.row.split}
    problems = []
    for entry in members:
        if entry.row.split not in seen:
            seen.add(entry.row.split)
            text = f"{what} is in '{entry.row.split}' ({entry.row.path}) and in '{first.row.split}'"
            problems.append(entry.problem(severity, f"{text} ({first.row.path}, {first.place})"))
    return problems
