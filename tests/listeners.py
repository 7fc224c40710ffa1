"""Listeners that keep what long work tells."""

from __future__ import annotations

from kinesics.progress import Listener


class Heard(Listener):
    """Keeps the lines, and how far the work was each time."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told: list[tuple[int, int]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def advance(self, task: str, num_done: int, num_all: int, text: str = "") -> None:
        self.told.append((num_done, num_all))
