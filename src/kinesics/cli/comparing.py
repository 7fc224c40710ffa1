"""Commands that set tested runs side by side: compare, report. They import torch when they need it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from kinesics.cli.flags import Device, Split
from kinesics.files import check_writable


def compare(
    runs: Positional[tuple[Path, ...]],
    split: Split = "test",
    views: str = "one",
    data: Path | None = None,
    against: Literal["first", "best"] = "first",
    common: bool = False,
    clips: bool = False,
    json: bool = False,
) -> None:
    """Compare tested runs on the same clips: figures, cost, differences with intervals, McNemar's test.

    Args:
        runs: Runs, fused runs, cross-validations, or scores.npz files.
        split: Which of the runs' scores.
        views: Which of the runs' scores.
        data: The manifest, for the groups of the clips; by default the one of the runs' records.
        against: Match each run with the first one named, or with the best.
        common: Take the clips that all runs scored, where these differ, and say how many are left out.
        clips: Print the clips that only one of two runs gets right.
        json: Print JSON.
    """
    from kinesics.analysis.compare import compare as run_compare
    from kinesics.cli.console import say_json
    from kinesics.cli.results import show_comparison

    comparison = run_compare(runs, split=split, views=views, data=data, common=common, against=against)
    if json:
        say_json(comparison.to_dict())
    else:
        show_comparison(comparison, clips=clips)


def report(
    runs: Positional[tuple[Path, ...]],
    out: Path,
    split: Split = "test",
    views: str = "one",
    data: Path | None = None,
    common: bool = False,
    clips: int = 60,
    device: Device = "auto",
) -> None:
    """Write a page on tested runs: figures, confusions with their clips, calibration, cost, how to make them again.

    Args:
        runs: Runs, fused runs, cross-validations, or scores.npz files; the first is what the others are compared with.
        out: Folder for index.html, its pictures and small copies of the clips.
        split: Which of the runs' scores.
        views: Which of the runs' scores.
        data: The manifest of the clips; by default the one of the runs' records.
        common: Take the clips that all runs scored, where these differ.
        clips: How many clips get a preview that plays, the hardest first.
        device: Where to measure the latency.
    """
    from kinesics.cli.console import say
    from kinesics.cli.progress import task_progress
    from kinesics.reporting.build import report as write_report

    check_writable(out)
    with task_progress("previews") as progress:
        page = write_report(
            runs, out, split=split, views=views, data=data, common=common, clips=clips, device=device, progress=progress
        )
    say(f"the report is {page}; open it with a browser")
