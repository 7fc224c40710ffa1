"""The process that workers are started from: it imports what they need once, so that each starts within milliseconds.

Imports nothing of weight itself: a command starts it first, and its imports run while the command does its own.
"""

from __future__ import annotations

import multiprocessing
from typing import Any

PRELOAD = ("torch", "numpy", "cv2", "av", "kinesics.workers.pool")


def start_method() -> str:
    """How workers are started: from a server where the system has one, else each on its own."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def start_server(*modules: str) -> None:
    """Start the server now, with these modules imported too; does nothing where it runs already or there is none."""
    if start_method() != "forkserver":
        return
    from multiprocessing import forkserver

    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, *modules])
    forkserver.ensure_running()
