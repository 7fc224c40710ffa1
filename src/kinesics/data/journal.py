"""The results of decoding, kept line by line, so that an interrupted check goes on where it stopped."""

from __future__ import annotations

import dataclasses
import json
import os
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from kinesics.data.manifest import Row
from kinesics.errors import KinesicsError
from kinesics.version import __version__
from kinesics.video.files import on_disk
from kinesics.video.integrity import Check


class Journal:
    """A file of JSON lines, one per decoded clip, keyed by path, size and time of change. With the path None, no file.

    Lines that do not parse (the last one of a killed run) are skipped. Failures are valid only for the limits under
    which they happened: with other limits the clip is decoded again.
    """

    def __init__(self, path: Path | None, check: str, limits: Any) -> None:
        self.path = path
        self.maker = f"{check} kinesics {__version__} av {version('av')}"
        self.limits = json.dumps(dataclasses.asdict(limits), sort_keys=True)
        self.checks: dict[str, Check] = {}
        self.file: IO[str] | None = None

    def __enter__(self) -> Journal:
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self.path.exists():
                    self._read(self.path.read_bytes())
                self.file = self.path.open("a", encoding="utf-8")
                if self.file.tell() and not self.path.read_bytes().endswith(b"\n"):
                    self.file.write("\n")
            except OSError as error:
                raise KinesicsError(f"cannot write {self.path}: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.file.close()

    def get(self, key: str) -> Check | None:
        """The earlier result of decoding, if the file has not changed since."""
        return self.checks.get(key)

    def add(self, key: str, check: Check) -> None:
        """Write a result to the file at once."""
        if self.file is None:
            return
        entry = {"key": key, "maker": self.maker, "limits": self.limits, "check": dataclasses.asdict(check)}
        try:
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()
        except OSError as error:
            raise KinesicsError(f"cannot write {self.path}: {error.strerror}") from error

    def _read(self, content: bytes) -> None:
        for line in content.splitlines():
            try:
                entry = json.loads(line)
                check = Check(**entry["check"])
                is_valid = entry["limits"] == self.limits or check.status not in ("error", "timeout")
                if entry["maker"] == self.maker and is_valid:
                    self.checks[entry["key"]] = check
            except (ValueError, TypeError, KeyError):
                continue


def fingerprint(row: Row) -> tuple[str, int]:
    """A key that changes when the file or folder of the row changes, and its size in bytes."""
    path = Path(row.path)
    folder = on_disk(path)
    try:
        if folder.is_dir():
            with os.scandir(folder) as files:
                stats = [(file.name, file.stat()) for file in files]
            times = [stat.st_mtime_ns for _, stat in stats]
            num_bytes, stamp = sum(stat.st_size for _, stat in stats), [len(stats), max(times, default=0)]
        else:
            stat = path.stat()
            num_bytes, stamp = stat.st_size, [stat.st_mtime_ns]
    except OSError:
        num_bytes, stamp = -1, []
    parts = [row.path, row.start_seconds, row.end_seconds, row.fps, num_bytes, *stamp]
    return json.dumps(parts), max(num_bytes, 0)
