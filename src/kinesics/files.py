"""Writing files whole or not at all."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kinesics.errors import KinesicsError, UserError

PROBE_BYTES = 2**20
PathLike = str | os.PathLike[str]
"""A path as text or as an object, such as a `Path` or a `Run`."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    The temporary name keeps the suffix, so that writers which read it still work. The file gets the permissions of any
    new file, also where a library writes it for its owner alone.

    Raises:
        KinesicsError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        if temporary.stat().st_mode != mode:
            temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        if not concerns(error, temporary):
            raise
        raise KinesicsError(f"cannot write {path}: {error.strerror or error}") from error
    except Exception as error:  # torch and safetensors have errors of their own for a full disk
        if isinstance(error, KinesicsError) or (reason := _why_unwritable(temporary)) is None:
            raise
        raise KinesicsError(f"cannot write {path}: {reason}") from error
    finally:
        with suppress(OSError):  # without the folder there is nothing to remove
            temporary.unlink(missing_ok=True)


def _why_unwritable(path: Path) -> str | None:
    """Why nothing more can be written beside `path`, such as a full disk; None where something can."""
    probe = path.with_name(f".{secrets.token_hex(8)}")
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        return error.strerror or str(error)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


def remove_unfinished(path: Path) -> None:
    """Remove the temporary files that killed processes left beside `path`."""
    for temporary in path.parent.glob(f".{glob.escape(path.stem)}.????????{glob.escape(path.suffix)}"):
        temporary.unlink(missing_ok=True)


def concerns(error: OSError, path: Path) -> bool:
    """Whether an operating-system error is about writing `path`, rather than about some file being read."""
    return error.filename is None or Path(os.fsdecode(error.filename)) in (path, path.parent)


def check_writable(path: Path) -> None:
    """Raise UserError where neither `path` nor what is to be made below it can be written: before the work is done."""
    folder = path if path.is_dir() else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{path}: cannot be written, {folder} is a file; name another place")
    probe = folder / f".kinesics.{secrets.token_hex(4)}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}; name another place") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """`value` as JSON text without a last line end: dataclasses as objects, paths as text, NaN and infinity as null.

    None is how JSON says "no number"; most readers refuse a bare NaN.
    """
    plain = _plain(value)
    text = json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is no UTF-8; its bytes are kept as escapes
        text = json.dumps(plain, indent=indent, allow_nan=False)
    return text


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as `to_json` gives it, whole or not at all."""
    write_text(path, to_json(value) + "\n")


def _plain(value: Any) -> Any:
    """`value` of JSON's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):  # a number or an array of numpy
        return _plain(value.tolist())
    return value


def read_text(path: Path, expected: str) -> str:
    """The text of `path`. expected: what it should hold, for the message.

    Raises:
        UserError: it is missing, a folder, unreadable or not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected {expected}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file; expected {expected}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected {expected}") from None


def read_json(path: Path, expected: str) -> dict[str, Any]:
    """The JSON object that `path` holds. expected: what it should hold, for the message.

    Raises:
        UserError: it is missing, unreadable, or not a JSON object.
    """
    try:
        values = json.loads(read_text(path, expected))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); expected {expected}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: not a JSON object; expected {expected}")
    return values


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
