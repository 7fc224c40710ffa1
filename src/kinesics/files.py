"""Writing files whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinesics.errors import KinesicsError, UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    The temporary name keeps the suffix, so that writers which look at it still work.

    Raises:
        KinesicsError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if not concerns(error, temporary):
            raise
        raise KinesicsError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # where the folder is none, there is nothing to remove
            temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what a process that was killed had begun to write for `path`."""
    for temporary in path.parent.glob(f".{glob.escape(path.stem)}.????????{glob.escape(path.suffix)}"):
        temporary.unlink(missing_ok=True)


def concerns(error: OSError, path: Path) -> bool:
    """Whether an operating-system error is about writing `path`, rather than about some file being read."""
    return error.filename is None or Path(os.fsdecode(error.filename)) in (path, path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_text(path: Path, wanted: str) -> str:
    """The text of `path`.

    Raises:
        UserError: it is missing, a folder, unreadable or not text; the line says what was `wanted`.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; wanted {wanted}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file; wanted {wanted}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; wanted {wanted}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
