"""Progress bars on stderr, so that what is piped from stdout holds results only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from kinesics.cli.console import console, warn
from kinesics.progress import Listener


class FactsColumn(ProgressColumn):
    """The text of a task, such as a file's name, as it is."""

    def render(self, task: Task) -> Text:
        """What the column shows."""
        return Text(str(task.fields["facts"]))


def progress_bar() -> Progress:
    """An empty set of progress bars."""
    columns = (
        TextColumn("{task.description:<12}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        FactsColumn(),
    )
    return Progress(*columns, console=console(sys.stderr, stderr=True))


class BarListener(Listener):
    """One progress bar per epoch, one line for each that is done, and a bar for tests."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bar = progress_bar()
        self.task: TaskID | None = None
        self.title = ""

    def __enter__(self) -> BarListener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar.live.is_started:
            self.bar.stop()

    def say(self, line: str) -> None:
        if self.quiet:
            return
        if self.bar.console.is_terminal:
            self.bar.console.print(Text(line), soft_wrap=True)
        else:
            warn(line)

    def batch(self, epoch: int, batch: int, num_batches: int, facts: Mapping[str, float]) -> None:
        speed = f"{facts['clips_per_second']:.1f} clips/s  waits {facts['data_wait']:.0%} for data"
        self.advance(f"epoch {epoch + 1}", batch, num_batches, f"loss {facts['loss']:.3f}  {speed}")

    def epoch(self, row: Mapping[str, Any], num_epochs: int) -> None:
        text = f"epoch {row['epoch']}/{num_epochs}  loss {row['train_loss']:.3f}"
        if "val_macro_f1" in row:
            text += f"  val loss {row['val_loss']:.3f}  val macro F1 {row['val_macro_f1']:.3f}"
        text += f"  {row['clips_per_second']:.1f} clips/s  waits {row['data_wait']:.0%} for data"
        self.say(text + ("  ← best" if row["best"] and "val_macro_f1" in row else ""))

    def advance(self, task: str, num_done: int, num_all: int, text: str = "") -> None:
        """Move the bar of a task; another task replaces the bar before it."""
        if not self.quiet and not self.bar.live.is_started:
            self.bar.start()  # now rather than before, so that an error of a flag has no empty bar above it
        if self.task is None or self.title != task:
            if self.task is not None:
                self.bar.remove_task(self.task)
            self.task, self.title = self.bar.add_task(task, total=num_all, facts=text), task
        self.bar.update(self.task, completed=num_done, total=num_all, facts=text)
