"""The side of a worker pool that runs in the worker process: items in, answers out, until the pipe is closed."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import torch

from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.workers.limits import SECONDS_PER_FRAME, ProcessorClock, limit_memory

SIGN_SECONDS = 0.2
"""Signs of life are sent no more often than this."""


class SignOfLife:
    """What a task calls with the number of new frames; it reports to the pool, and adds processor time."""

    def __init__(self, connection: Connection, clock: ProcessorClock) -> None:
        self.connection, self.clock = connection, clock
        self.num_frames = 0
        self.sent_at = time.monotonic()

    def __call__(self, num_frames: int = 1) -> None:
        self.num_frames += num_frames
        if time.monotonic() - self.sent_at < SIGN_SECONDS:
            return
        self.clock.extend(self.num_frames * SECONDS_PER_FRAME)
        send(self.connection, ("alive", self.num_frames))
        self.num_frames, self.sent_at = 0, time.monotonic()


def send(connection: Connection, message: tuple[str, Any]) -> None:
    """Send a message by value: torch's own way for tensors takes /dev/shm, which is small in containers."""
    connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def receive(connection: Connection) -> Any:
    """The next message of the process at the other end, which is of this program."""
    return pickle.loads(connection.recv_bytes())  # noqa: S301 - both ends are ours


def serve(connection: Connection, main_module: object) -> None:
    """Answer items one after the other; ends when the pool closes the pipe or dies.

    The first message is the task and the memory limit. The answers are ("ready", ""), and for each item
    ("alive", frames) any number of times and then one of ("result", value), ("error", a VideoError or UserError),
    ("raise", another KinesicsError), ("memory", ""), ("fault", text).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pool, which ends this process
    _silence()
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_all, args=(connection, inbox), daemon=True).start()
    try:
        task, memory_bytes = pickle.loads(inbox.get())  # noqa: S301 - the pool's
        torch.set_num_threads(1)
        if "cv2" in sys.modules:
            sys.modules["cv2"].setNumThreads(1)
        limit_memory(memory_bytes)
    except Exception as error:  # noqa: BLE001 - raised in the pool
        send(connection, ("fault", described(error)))
        return
    send(connection, ("ready", ""))
    clock = ProcessorClock()
    while True:
        item, seconds = pickle.loads(inbox.get())  # noqa: S301 - the pool's
        clock.start(seconds)
        answer = _answer(task, item, SignOfLife(connection, clock))
        try:
            send(connection, answer)
        except (pickle.PicklingError, TypeError, AttributeError, MemoryError) as error:
            send(connection, ("memory", "") if is_memory(error) else ("fault", described(error)))
        clock.start(0)


def _answer(task: Any, item: Any, alive: SignOfLife) -> tuple[str, Any]:
    try:
        return "result", task(item, alive)
    except (UserError, VideoError) as error:
        return "error", error
    except KinesicsError as error:
        return "raise", error
    except Exception as error:  # noqa: BLE001 - becomes the item's failure, with its text
        return ("memory", "") if is_memory(error) else ("fault", described(error))


def is_memory(error: Exception) -> bool:
    """Whether there was not enough memory; torch and OpenCV have their own errors for it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "can't allocate memory" in text or "insufficient memory" in text


def described(error: Exception) -> str:
    """The type of an error and the last line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip()}" if lines else type(error).__name__


def _silence() -> None:
    """What libraries print about foreign files does not come between the lines of the program."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _read_all(connection: Connection, inbox: queue.SimpleQueue[bytes]) -> None:
    """Read messages as they come, so that the death of the pool is seen while a decoder hangs."""
    while True:
        try:
            inbox.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)
