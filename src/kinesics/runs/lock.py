"""One training per run folder: a lock that its process holds, and that the system releases when the process dies."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinesics.errors import KinesicsError, UserError

LOCK_NAME = ".training.lock"
_held: set[Path] = set()
_guard = threading.Lock()


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of the folder `run`, which is made where there is none.

    Raises:
        UserError: another training holds it; the message says its process.
        KinesicsError: the folder cannot be written.
    """
    path = (run / LOCK_NAME).absolute()
    with _guard:
        if path in _held:
            raise busy(run, str(os.getpid()))
        _held.add(path)
    try:
        file = _acquire(run, path)
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)  # while it is still locked, so that no other training's file goes
            os.close(file)
    finally:
        _held.discard(path)


def busy(run: Path, process: str) -> UserError:
    """The error for a folder that another training writes to."""
    return UserError(
        f"{run}: the training of process {process or 'unknown'} writes to this folder; wait for its end, or name "
        "another folder"
    )


def _acquire(run: Path, path: Path) -> int:
    """The locked file, with this process's number in it."""
    while True:
        try:
            run.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise KinesicsError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            _lock(file)
        except OSError:
            process = os.pread(file, 20, 1).decode(errors="replace") if hasattr(os, "pread") else ""
            os.close(file)
            raise busy(run, process.strip()) from None
        with suppress(OSError):
            if os.path.samestat(os.fstat(file), path.stat()):
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, f" {os.getpid()}\n".encode())  # the first byte is the locked one
                return file
        os.close(file)  # its last holder removed it in between


def _lock(file: int) -> None:
    """Lock the first byte of a file for this process alone; processes that it forks do not keep the lock."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
