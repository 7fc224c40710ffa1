"""`kinesics predict`: a table for people, JSON lines for programs, copies of the videos with the answer drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from kinesics.annotation.annotate import annotate
from kinesics.cli.show import err, out, say, task_progress
from kinesics.errors import KinesicsError, UserError
from kinesics.inference.predictor import Outcome, load
from kinesics.inference.results_file import remaining, to_line, write_predictions
from kinesics.runs.model_file import find_model
from kinesics.video.files import annotated_names, find_videos


def predict_videos(
    run: Path,
    videos: Sequence[Path],
    into: Path | None,
    annotated: Path | None,
    json: bool,
    top: int,
    views: str,
    batch_size: int,
    device: str,
    workers: int | None,
) -> int:
    """Predict and show; gives 0, or 1 where some video could not be decoded."""
    if top < 1:
        raise UserError(f"--top: wanted a number from 1 up, found {top}")
    find_model(run)
    found = find_videos(videos)  # a wrong path is told before the model is loaded
    predictor = load(run, device=device)
    if found.others:
        err.print(found.line(), markup=False, soft_wrap=True)
    names = annotated_names(found.videos, annotated) if annotated else {}
    maker = predictor.maker(views)
    todo = remaining(found.videos, into, maker) if into else list(found.videos)
    if len(todo) < len(found.videos):
        err.print(f"{len(found.videos) - len(todo)} videos stand in {into} already", markup=False, soft_wrap=True)
    if without := [name for path, name in names.items() if path not in todo and not name.is_file()]:
        err.print(f"{len(without)} of them have no copy in {annotated}; predict without --out to make it", markup=False)
    outcomes = predictor.predict_many(todo, plan=views, top=top, batch_size=batch_size, num_workers=workers)
    if names:  # before it is written, so that no answer stands in the file without its copy
        outcomes = (annotated_copy(outcome, names[outcome.path]) for outcome in outcomes)
    if into:
        outcomes = write_predictions(outcomes, into, maker)
    done: list[Outcome] = []
    num_failed = 0
    with task_progress("predicting", quiet=json or len(todo) < 2) as progress:
        for number, outcome in enumerate(outcomes, start=1):
            num_failed += outcome.prediction is None
            if json:
                say(to_line(outcome))
            else:
                done.append(outcome)
            progress(number, len(todo), outcome.path.name)
    if not json and done:
        show_outcomes(done)
    if num_failed:
        err.print(f"{num_failed} of {len(todo)} videos could not be decoded", markup=False)
    if names:
        err.print(f"copies with the answer drawn in are in {annotated}", markup=False, soft_wrap=True)
    return 1 if num_failed else 0


def annotated_copy(outcome: Outcome, name: Path) -> Outcome:
    """The outcome, after its video was copied to `name` with the answer drawn in; a failure is the outcome's."""
    if outcome.prediction is None:
        return outcome
    try:
        annotate(outcome.path, outcome.prediction, name)
    except KinesicsError as error:
        return Outcome(outcome.path, None, f"not annotated: {error}", getattr(error, "status", "error"))
    return outcome


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a line a video: its best class and what else was probable, or why there is none."""
    table = Table("video", "label", "probability", "then", box=None, pad_edge=False)
    for outcome in outcomes:
        found = outcome.prediction
        if found is None:
            table.add_row(str(outcome.path), f"[red]{outcome.status}[/]", "", outcome.error)
            continue
        if found.rejected:  # the probability is that of the best class, so it stands beside its name
            label, sure, rest = found.label, "", list(found)[:3]
        else:
            label, sure, rest = f"[bold]{found.label}[/]", f"{found.probability:.2f}", list(found)[1:3]
        others = ", ".join(f"{name} {probability:.2f}" for name, probability in rest)
        table.add_row(str(outcome.path), label, sure, others)
    out.print(table)
