"""Commands that set tested runs side by side: compare, report. They import torch when they need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from kinesics.cli.flags import Device, Split


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
    from kinesics.cli.show import show_json

    comparison = run_compare(runs, split=split, views=views, data=data, common=common, against=against)
    if json:
        show_json(comparison.to_dict())
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
    from kinesics.cli.show import say, task_progress
    from kinesics.reporting.build import report as write_report

    with task_progress("previews") as progress:
        page = write_report(
            runs, out, split=split, views=views, data=data, common=common, clips=clips, device=device, progress=progress
        )
    say(f"the report is {page}; open it with a browser")


def show_comparison(comparison: Any, *, clips: bool) -> None:
    """Print the runs, then what each is better by than the one that it is matched with."""
    from rich.markup import escape
    from rich.table import Table

    from kinesics.analysis.compare import TITLES, signed
    from kinesics.cli.show import out, say

    figures = comparison.figures
    table = Table("run", "clips", *(TITLES[name] for name in figures), "parameters", "MACs", box=None, pad_edge=False)
    for run in comparison.runs:
        cells = [run.metrics.interval(name) for name in figures]
        table.add_row(
            escape(run.name),
            str(run.metrics.num_videos),
            *(f"{cell.value:.3f}\n{cell.low:.3f}–{cell.high:.3f}" for cell in cells),
            "" if run.cost is None else f"{run.cost.parameters / 1e6:.2f} M",
            "" if run.macs is None else f"{run.macs / 1e9:.2f} G",
        )
    out.print(table)
    shown = tuple(comparison.matches[0].pair.figures)
    base, several = comparison.matches[0].first, len(comparison.matches) > 1
    say("", f"each less {base}, in points of a hundred:")
    columns = ("p\n(Holm)" if several else "p", f"only it\nonly {escape(base)}")
    pairs = Table("run", *(TITLES[name] for name in shown), *columns, box=None, pad_edge=False)
    for match in comparison.matches:
        pair = match.pair
        pairs.add_row(
            escape(match.second),
            *("\n".join(signed(pair.figures[name])) for name in shown),
            f"{pair.p_value:.2g}" + (f"\n({match.adjusted_p:.2g})" if several else ""),
            f"{len(pair.only_second)}\n{len(pair.only_first)}",
        )
    out.print(pairs)
    holm = f"; Holm corrects it for {len(comparison.matches)} comparisons" if several else ""
    say(
        "",
        f"intervals are 95 %: each run's of its clips, the differences' of {comparison.unit}, drawn with replacement; "
        f"p is McNemar's exact test on the clips that only one of the two gets right{holm}",
    )
    if comparison.num_left_out:
        say(f"left out {comparison.num_left_out} clips that not all runs scored")
    for match in comparison.matches if clips else ():
        for name, other, ids in (
            (match.second, match.first, match.pair.only_second),
            (match.first, match.second, match.pair.only_first),
        ):
            say("", f"{name} gets right and {other} does not: {len(ids)}", *(f"  {clip}" for clip in ids))
