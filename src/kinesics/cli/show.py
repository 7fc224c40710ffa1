"""What the commands put on the screen: tables, lines and progress bars, all by rich."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from kinesics.progress import Watch

Advance = Callable[[int, int, str], None]
"""Told how much is done: (done, total, text)."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
"""Progress goes to stderr, so that what is piped holds results only."""


def say(*lines: str) -> None:
    """Print lines as they are."""
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def show_json(value: Any) -> None:
    """Print a value as one JSON document."""
    out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


def progress_bar() -> Progress:
    """An empty set of progress bars."""
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    return Progress(*columns, console=err)


@contextmanager
def task_progress(title: str, *, quiet: bool = False) -> Iterator[Advance]:
    """A progress bar for one task; call what it gives with (done, total, text)."""
    bar = progress_bar()
    task = bar.add_task(title, total=None, facts="")

    def advance(done: int, total: int, text: str = "") -> None:
        if not quiet:
            bar.start()  # now rather than before, so that a wrong flag is told without an empty bar
        bar.update(task, completed=done, total=total, facts=text)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


class RichWatch(Watch):
    """A progress bar an epoch, a line for each that is done, and a bar for tests."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bar = progress_bar()
        self.task: TaskID | None = None
        self.key: object = None

    def __enter__(self) -> RichWatch:
        if not self.quiet:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def say(self, line: str) -> None:
        if not self.quiet:
            self.bar.console.print(line, markup=False, soft_wrap=True)

    def batch(self, epoch: int, batch: int, num_batches: int, facts: Mapping[str, float]) -> None:
        speed = f"{facts['clips_per_second']:.1f} clips/s  waits {facts['data_wait']:.0%} for data"
        self.advance(f"epoch {epoch + 1}", batch, num_batches, f"loss {facts['loss']:.3f}  {speed}")

    def scored(self, num_done: int, num_all: int) -> None:
        self.advance("scoring", num_done, num_all, "")

    def epoch(self, row: Mapping[str, Any], num_epochs: int) -> None:
        text = f"epoch {row['epoch']}/{num_epochs}  loss {row['train_loss']:.3f}"
        if "val_macro_f1" in row:
            text += f"  val loss {row['val_loss']:.3f}  val macro F1 {row['val_macro_f1']:.3f}"
        text += f"  {row['clips_per_second']:.1f} clips/s  waits {row['data_wait']:.0%} for data"
        self.say(text + ("  ← best" if row["best"] and "val_macro_f1" in row else ""))

    def advance(self, title: str, done: int, total: int, text: str) -> None:
        """Move the bar called `title`; a new title takes the place of the old bar."""
        if self.key != title:
            if self.task is not None:
                self.bar.remove_task(self.task)
            self.task, self.key = self.bar.add_task(title, total=total, facts=text), title
        assert self.task is not None  # noqa: S101 - made in the line above
        self.bar.update(self.task, completed=done, total=total, facts=text)


def show_commands(titles: Mapping[str, str]) -> None:
    """Print the commands, a line each."""
    say("kinesics: recognise small actions in video", "", "usage: kinesics COMMAND [flags]", "")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    for name, title in titles.items():
        table.add_row(f"[bold]{name}", title)
    out.print(table)
    say("", "kinesics COMMAND --help tells the flags of one; --debug shows tracebacks; --version.")


def show_report(report: Any) -> int:
    """Print what `prepare` found; gives the exit code."""
    from kinesics.data.prepare import report_lines

    say(*report_lines(report))
    return 0


def show_metrics(metrics: Any, folder: Path | None = None) -> None:
    """Print the metrics with their intervals, then the classes."""
    table = Table("metric", "value", "95 % interval", box=None, pad_edge=False)
    for name in metrics.names:
        interval = metrics.interval(name)
        table.add_row(name, f"{interval.value:.3f}", f"{interval.low:.3f} – {interval.high:.3f}")
    out.print(table)
    say("")
    classes = Table("class", "videos", "precision", "recall", "F1", "95 % interval of F1", box=None, pad_edge=False)
    for row in metrics.per_class:
        f1 = row.f1
        classes.add_row(
            row.name,
            str(row.num_videos),
            f"{row.precision.value:.3f}",
            f"{row.recall.value:.3f}",
            f"{f1.value:.3f}",
            f"{f1.low:.3f} – {f1.high:.3f}",
        )
    out.print(classes)
    error = f"calibration error (ECE) {metrics.calibration_error:.3f}"
    say("", f"{error}: the mean gap between how sure answers are and how often they are right")
    if folder is not None:
        say("", f"scores.npz, metrics.json, per_class.csv and the confusion matrix are in {folder}")


def show_cross_validation(result: Any) -> None:
    """Print a line a fold, mean ± standard deviation, and the pooled metrics."""
    table = Table("fold", "videos", *result.pooled.names, box=None, pad_edge=False)
    for fold in result.folds:
        values = [f"{fold.metrics.value(name):.3f}" for name in result.pooled.names]
        table.add_row(str(fold.fold), str(fold.num_videos), *values)
    spreads = [result.spread(name) for name in result.pooled.names]
    table.add_row("mean ± std", "", *(f"{mean:.3f} ± {std:.3f}" for mean, std in spreads))
    out.print(table)
    say("", "all folds together:")
    show_metrics(result.pooled, result.folder)


def show_models(systems: Mapping[str, str], backbones: Sequence[str], models: set[str]) -> None:
    """Print the table of backbones × systems, and what the systems are."""
    table = Table("backbone", *systems, box=None, pad_edge=False)
    for backbone in backbones:
        table.add_row(backbone, *("●" if f"{system}_{backbone}" in models else "" for system in systems))
    out.print(table)
    say("", *(f"{system:<8} {title}" for system, title in systems.items()))
    say("", f"a model is named SYSTEM_BACKBONE, such as {min(models)}")


def show_findings(findings: Sequence[Any]) -> int:
    """Print what `doctor` found; gives 1 where something that is needed is missing."""
    marks = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "missing": "[red]missing[/]"}
    table = Table("", "part", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(marks.get(finding.state, finding.state), finding.name, finding.value, finding.hint)
    out.print(table)
    return 0


def show_demo(result: Any) -> None:
    """Print what the demo showed and where its pictures are."""
    say(*result.lines())
