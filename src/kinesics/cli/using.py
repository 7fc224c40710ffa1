"""Commands about models: test, fuse, calibrate, predict, models, cost, doctor, demo. They import torch when needed."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from kinesics.cli.flags import JSON, Device, Flag, Split, parse
from kinesics.errors import UserError
from kinesics.files import check_writable


def test(
    run: Positional[Path],
    data: Path | None = None,
    flow: Path | None = None,
    split: Split = "test",
    views: str = "one",
    hierarchy: str | None = None,
    out: Path | None = None,
    device: Device = "auto",
    num_workers: int | None = None,
    json: bool = False,
) -> None:
    """Test a trained run: scores, metrics with 95 % intervals, confusion matrix.

    Args:
        run: The run, or a folder with a model.
        data: The manifest; by default the one that the run was trained on.
        flow: Folder of `kinesics flow`, for a model that takes flow; by default, without --data, the training's.
        split: Which videos.
        views: one, two-clip, ten-by-three, 25x10 or 25x1.
        hierarchy: CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none.
        out: Where to write; RUN/SPLIT-VIEWS by default.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        json: Print JSON.
    """
    from kinesics.analysis.evaluate import test as run_test
    from kinesics.cli.console import say_json
    from kinesics.cli.progress import BarListener
    from kinesics.cli.results import show_metrics

    check_writable(out or run)
    with BarListener(quiet=json) as watch:
        metrics, folder = run_test(
            run,
            data,
            flow=flow,
            split=split,
            views=views,
            hierarchy=hierarchy,
            out=out,
            device=device,
            num_workers=num_workers,
            watch=watch,
        )
    if json:
        say_json({**metrics.to_dict(), "folder": str(folder)})
    else:
        show_metrics(metrics, folder)


def fuse(
    runs: Positional[tuple[Path, ...]],
    out: Path,
    weights: tuple[float, ...] = (),
    split: Split = "test",
    views: str = "one",
    hierarchy: str | None = None,
    json: bool = False,
) -> None:
    """Fuse the scores of tested runs, such as RGB and flow: a weighted mean of their probabilities.

    Args:
        runs: Runs, cross-validations, or scores.npz files.
        out: Folder for the fused scores and their metrics.
        weights: One a run; by default their paper's where it has them, else all alike.
        split: Which of the runs' scores.
        views: Which of the runs' scores.
        hierarchy: CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none.
        json: Print JSON.
    """
    from kinesics.analysis.fuse import fuse_runs
    from kinesics.cli.console import say_json
    from kinesics.cli.results import show_metrics

    check_writable(out)
    metrics = fuse_runs(runs, out, weights=weights, split=split, views=views, hierarchy=hierarchy)
    if json:
        say_json({**metrics.to_dict(), "folder": str(out)})
    else:
        show_metrics(metrics, out)


def calibrate(
    run: Positional[Path],
    data: Path | None = None,
    flow: Path | None = None,
    none: str | None = None,
    false_alarms: float = 0.05,
    split: Split = "val",
    views: str = "one",
    device: Device = "auto",
    num_workers: int | None = None,
    json: bool = False,
) -> None:
    """Make a run's probabilities believable, and let it answer "none of these".

    Args:
        run: The run, or a folder with a model.
        data: The manifest; by default the one that the run was trained on.
        flow: Folder of `kinesics flow`, for a model that takes flow; by default, without --data, the training's.
        none: Clips that show none of the classes: another manifest, or a split of this one.
        false_alarms: The share of these that may be called a class; without any, the share of wrong answers.
        split: Which videos.
        views: one, two-clip, ten-by-three, 25x10 or 25x1; as in the predictions to come.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
        json: Print JSON.
    """
    from kinesics.analysis.calibrate import calibrate as run_calibration
    from kinesics.cli.console import say, say_json
    from kinesics.cli.progress import BarListener

    check_writable(run)
    with BarListener(quiet=json) as watch:
        found = run_calibration(
            run,
            data,
            flow=flow,
            none=none,
            false_alarms=false_alarms,
            split=split,
            views=views,
            device=device,
            num_workers=num_workers,
            watch=watch,
        )
    if json:
        say_json({**found.calibration.to_dict(), "contract": str(found.contract_path)})
    else:
        say(*found.lines())


def predict(
    run: Positional[Path],
    videos: Positional[tuple[Path, ...]],
    out: Path | None = None,
    annotate: Path | None = None,
    json: bool = False,
    top: int = 5,
    views: str = "one",
    batch_size: int = 8,
    device: Device = "auto",
    num_workers: int | None = None,
) -> int:
    """Predict the class of videos, or of all videos below folders.

    Args:
        run: The run, or a folder with a model.
        videos: Video files, folders of frames, or folders of videos.
        out: A file to append JSON lines to; videos that stand in it already are not done again.
        annotate: A folder for copies of the videos with the answer drawn in.
        json: Print JSON lines.
        top: How many classes to print of each.
        views: one, two-clip, ten-by-three, 25x10 or 25x1.
        batch_size: Videos a step.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default.
    """
    from kinesics.cli.predicting import predict_videos

    return predict_videos(run, videos, out, annotate, json, top, views, batch_size, device, num_workers)


def models() -> None:
    """Print the table of systems and backbones."""
    from kinesics.cli.results import show_models
    from kinesics.models.registry import BACKBONES, SYSTEMS, list_models

    show_models({name: system.title for name, system in SYSTEMS.items()}, tuple(BACKBONES), set(list_models()))


def cost(words: list[str]) -> int:
    """`kinesics cost MODEL …` or `kinesics cost --table`."""
    from kinesics.analysis.model_cost import cost as function
    from kinesics.cli.console import say, say_json

    table = Flag(bool, False, "The papers' own figures beside ours, for every model of their tables that is here.")
    types = {"model": Flag(str | None, None)}
    extra = {"table": table, "json": JSON}
    values = parse(function, words, command="cost", positional=("model",), types=types, extra=extra)
    as_table, as_json = values.pop("table"), values.pop("json")
    if as_table:
        from kinesics.analysis.cost_table import lines, markdown

        found = lines()
        say_json([line.row() for line in found]) if as_json else say(markdown(found).rstrip())
        return 0
    if values["model"] is None:
        raise UserError("cost: expected a model (`kinesics models` prints their names) or --table")
    result = function(**values)
    say_json(result) if as_json else say(*result.lines())
    return 0


def doctor(json: bool = False) -> int:
    """Print versions, devices, decoders, optional parts and what is missing.

    Args:
        json: Print JSON.
    """
    from kinesics.cli.console import say_json
    from kinesics.cli.results import show_findings
    from kinesics.diagnosis.doctor import examine

    findings = examine()
    if json:
        say_json(findings)
        return int(any(finding.state == "missing" for finding in findings))
    return show_findings(findings)


def demo(out: Path = Path("demo"), seed: int = 0) -> None:
    """Draw puppets, train TSN and TSM on them, test both, predict and annotate a clip.

    Args:
        out: Folder for all of it.
        seed: Decides the puppets and the trainings.
    """
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener, task_progress
    from kinesics.demonstration import demo as run_demo

    check_writable(out)
    with BarListener() as watch:
        result = run_demo(out, seed=seed, watch=watch, progress=task_progress)
    say(*result.lines())
