"""`kinesics predict`: one line per video for people, JSON lines for programs, copies of the videos with the answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from kinesics.annotation.copies import CopyOrder, write_copies
from kinesics.cli.console import say, warn
from kinesics.cli.progress import task_progress
from kinesics.devices import num_cores
from kinesics.errors import KinesicsError, UserError
from kinesics.files import check_writable
from kinesics.inference.predictor import Outcome, load
from kinesics.inference.results_file import remaining, to_line, write_predictions
from kinesics.runs.ensemble_file import holds_ensemble
from kinesics.runs.model_file import find_model
from kinesics.values import Prediction
from kinesics.video.files import annotated_names, find_videos

NUM_OTHERS = 2
"""How many classes are named after the best one."""


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
    num_workers: int | None,
) -> int:
    """Predict and print; gives 0, or 1 where a video could not be decoded or a copy could not be written."""
    if top < 1:
        raise UserError(f"--top: expected a number from 1 up, found {top}")
    for path in (into, annotated):
        if path is not None:
            check_writable(path)
    if not holds_ensemble(run):
        find_model(run)
    found = find_videos(videos)  # an error of a path comes before the model is loaded
    predictor = load(run, device=device)
    if found.others:
        warn(found.line())
    names = annotated_names(found.videos, annotated) if annotated else {}
    maker = predictor.maker(views)
    todo = remaining(found.videos, into, maker) if into else list(found.videos)
    if len(todo) < len(found.videos):
        warn(f"{len(found.videos) - len(todo)} videos are in {into} already")
    if without := [name for path, name in names.items() if path not in todo and not name.is_file()]:
        warn(f"{len(without)} of them have no copy in {annotated}; predict without --out to make it")
    outcomes = predictor.predict_many(todo, plan=views, top=top, batch_size=batch_size, num_workers=num_workers)
    failed_copies: list[Path] = []
    if names:  # before it is written, so that an answer in the file has its copy
        outcomes = with_copies(outcomes, names, failed_copies)
    if into:
        outcomes = write_predictions(outcomes, into, maker)
    num_failed = 0
    width = max((len(str(path)) for path in todo), default=0)
    with task_progress("predicting", quiet=json or len(todo) < 2) as progress:
        for number, outcome in enumerate(outcomes, start=1):
            num_failed += outcome.prediction is None
            say(to_line(outcome) if json else line_of(outcome, width, predictor.classes))
            progress(number, len(todo), outcome.path.name)
    if num_failed:
        warn(f"{num_failed} of {len(todo)} videos could not be decoded")
    if failed_copies:
        warn(f"{len(failed_copies)} copies could not be written")
    if names and len(failed_copies) < len(names):
        warn(f"copies with the answer drawn in are in {annotated}")
    return int(bool(num_failed or failed_copies))


def with_copies(outcomes: Iterable[Outcome], names: dict[Path, Path], failed: list[Path]) -> Iterator[Outcome]:
    """The outcomes, each after its video was copied with the answer drawn in.

    A copy that cannot be written is reported and added to `failed`; the answer stays.
    """
    taken: deque[Outcome] = deque()

    def orders() -> Iterator[CopyOrder | None]:
        for outcome in outcomes:
            taken.append(outcome)
            found = outcome.prediction
            yield None if found is None else CopyOrder(outcome.path, found, names[outcome.path])

    with closing(write_copies(orders(), num_cores())) as answers:
        for answer in answers:
            outcome = taken.popleft()
            if isinstance(answer, KinesicsError):
                warn(f"no annotated copy of {outcome.path}: {answer}")
                failed.append(outcome.path)
            yield outcome


def line_of(outcome: Outcome, width: int, classes: Sequence[str]) -> str:
    """One line for one video: its best class and the next ones, or why there is none.

    a.mp4  nod   0.93  shake 0.05, tilt 0.02
    """
    name = f"{outcome.path!s:<{width}}"
    if outcome.prediction is None:
        return f"{name}  {outcome.status}: {outcome.error}"
    return f"{name}  {answer_of(outcome.prediction, max(map(len, classes)))}"


def answer_of(found: Prediction, width: int) -> str:
    """The best class with its probability and the next ones; of "none of these", the classes that were nearest."""
    pairs = list(found)
    if found.rejected:  # the probability is that of the best class, so it is given with its name
        label, sure, rest = found.label, " " * 4, pairs[: NUM_OTHERS + 1]
    else:
        label, sure, rest = found.label, f"{found.probability:.2f}", pairs[1 : NUM_OTHERS + 1]
    others = ", ".join(f"{name} {probability:.2f}" for name, probability in rest)
    return f"{label:<{width}}  {sure}  {others}".rstrip()
