"""What long work reports while it runs, and how it is asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Listener:
    """Listens to long work and does nothing; the command line's progress bar derives from it."""

    def say(self, line: str) -> None:
        """One line for the user, such as which weights were loaded."""

    def batch(self, epoch: int, batch: int, num_batches: int, facts: Mapping[str, float]) -> None:
        """A batch is done; facts hold `loss`, `clips_per_second` and `data_wait` (a share of the time)."""

    def epoch(self, row: Mapping[str, Any], num_epochs: int) -> None:
        """An epoch is done; the row is what log.csv gets."""

    def advance(self, task: str, num_done: int, num_all: int, text: str = "") -> None:
        """So many parts of a task are done, such as "scoring"; text: what was done last, or how fast."""


class StopAsked(KeyboardInterrupt):
    """The training was stopped by the user, after its state was saved."""


class Stop:
    """How often Ctrl-C or SIGTERM came since the block began."""

    def __init__(self) -> None:
        self.num_signals = 0

    @property
    def asked(self) -> bool:
        """Whether the loop should save and stop."""
        return self.num_signals > 0


@contextmanager
def graceful_stop() -> Iterator[Stop]:
    """Turns Ctrl-C or SIGTERM into a request that the loop reads between batches; the third signal interrupts.

    Not the second: `torchrun` sends SIGTERM to each process after the Ctrl-C that the terminal sends to all, and the
    process that saves the state must live through both.

    Outside the main thread signals cannot be caught; there the block changes nothing.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        stop.num_signals += 1
        if stop.num_signals > 2:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
