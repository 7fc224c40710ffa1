"""Results as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinesics.cli.console import say, say_table, styled


def show_metrics(metrics: Any, folder: Path | None = None) -> None:
    """Print the metrics with their intervals, then the classes."""
    intervals = [(name, metrics.interval(name)) for name in metrics.names]
    say_table(
        ("metric", "value", "95 % interval"),
        [(name, f"{found.value:.3f}", f"{found.low:.3f} – {found.high:.3f}") for name, found in intervals],
    )
    say("")
    say_table(
        ("class", "videos", "precision", "recall", "F1", "95 % interval of F1"),
        [
            (
                row.name,
                str(row.num_videos),
                f"{row.precision.value:.3f}",
                f"{row.recall.value:.3f}",
                f"{row.f1.value:.3f}",
                f"{row.f1.low:.3f} – {row.f1.high:.3f}",
            )
            for row in metrics.per_class
        ],
    )
    error = f"calibration error (ECE) {metrics.calibration_error:.3f}"
    say("", f"{error}: the mean gap between how sure answers are and how often they are right")
    if metrics.notes:
        say("", *(f"note: {note}" for note in metrics.notes))
    if folder is not None:
        say("", f"scores.npz, metrics.json, per_class.csv and the confusion matrix are in {folder}")


def show_cross_validation(result: Any) -> None:
    """Print one line per fold, mean ± standard deviation, and the pooled metrics."""
    show_parts("fold", [(str(fold.fold), fold.metrics) for fold in result.folds], result)
    say("", "all folds together:")
    show_metrics(result.pooled, result.folder)
    if result.has_final:
        say(f"the final model is in {result.folder / 'final'}; next: kinesics predict {result.folder / 'final'} VIDEO")
    else:
        say(
            f"kinesics predict {result.folder} VIDEO answers with all folds' models together; the same command with "
            "--final trains one model on all clips"
        )


def show_official_splits(result: Any) -> None:
    """Print one line per official split, then the mean."""
    parts = [(f"{split.number} ({split.manifest.name})", split.metrics) for split in result.splits]
    show_parts("split", parts, result)
    name = result.names[0]
    say("", f"mean {name} of {len(parts)} official splits: {result.spread(name)[0]:.3f}")
    say(f"all figures are in {result.folder / 'splits.json'}; each run and its test are in {result.folder}/split-…")


def show_parts(title: str, parts: Sequence[tuple[str, Any]], result: Any) -> None:
    """Print a table of several tests, a name and its metrics each, that ends with mean ± standard deviation."""
    names = parts[0][1].names
    rows = [
        (part, str(metrics.num_videos), *(f"{metrics.value(name):.3f}" for name in names)) for part, metrics in parts
    ]
    spreads = [result.spread(name) for name in names]
    rows.append(("mean ± std", "", *(f"{mean:.3f} ± {std:.3f}" for mean, std in spreads)))
    say_table((title, "videos", *names), rows)


def show_models(systems: Mapping[str, str], backbones: Sequence[str], models: set[str]) -> None:
    """Print the table of backbones × systems, and what the systems are."""
    rows = [
        (backbone, *("●" if f"{system}_{backbone}" in models else "" for system in systems)) for backbone in backbones
    ]
    say_table(("backbone", *systems), rows)
    say("", *(f"{system:<8} {title}" for system, title in systems.items()))
    say("", f"a model is named SYSTEM_BACKBONE, such as {min(models)}")


def show_findings(findings: Sequence[Any]) -> int:
    """Print what `doctor` found; gives the exit code, 1 where something that is needed is missing."""
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    say_table(
        ("", "part", "found", "what to do"),
        [
            (styled(finding.state, colours.get(finding.state, "")), finding.name, finding.value, finding.hint)
            for finding in findings
        ],
    )
    return int(any(finding.state == "missing" for finding in findings))


def show_comparison(comparison: Any, *, clips: bool) -> None:
    """Print the runs, then the differences between each and the one that it is compared with."""
    from kinesics.analysis.compare import TITLES, signed

    rows = []
    for run in comparison.runs:
        cells = [run.metrics.interval(name) for name in comparison.figures]
        rows.append(
            (
                run.name,
                str(run.metrics.num_videos),
                *(f"{cell.value:.3f}\n{cell.low:.3f}–{cell.high:.3f}" for cell in cells),
                "" if run.cost is None else f"{run.cost.parameters / 1e6:.2f} M",
                "" if run.macs is None else f"{run.macs / 1e9:.2f} G",
            )
        )
    say_table(("run", "clips", *(TITLES[name] for name in comparison.figures), "parameters", "MACs"), rows)
    figures = tuple(comparison.matches[0].pair.figures)
    base, several = comparison.matches[0].first, len(comparison.matches) > 1
    say("", f"each less {base}, in points of a hundred:")
    rows = []
    for match in comparison.matches:
        pair = match.pair
        rows.append(
            (
                match.second,
                *("\n".join(signed(pair.figures[name])) for name in figures),
                f"{pair.p_value:.2g}" + (f"\n({match.adjusted_p:.2g})" if several else ""),
                f"{len(pair.only_second)}\n{len(pair.only_first)}",
            )
        )
    p_title = "p\n(Holm)" if several else "p"
    say_table(("run", *(TITLES[name] for name in figures), p_title, f"only it\nonly {base}"), rows)
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
