"""Listeners that keep the messages and the progress of long work."""

from __future__ import annotations

from kinesics.progress import Listener


class Heard(Listener):
    """Keeps the lines, and how far the work was each time."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.progress: list[tuple[int, int]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def advance(self, task: str, num_done: int, num_all: int, text: str = "") -> None:
        self.progress.append((num_done, num_all))
