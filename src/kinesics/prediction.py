"""Predict videos into a file and into annotated copies: what `kinesics predict` does."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from kinesics.annotation.copies import CopyOrder, write_copies
from kinesics.devices import num_cores
from kinesics.errors import KinesicsError, UserError
from kinesics.files import check_writable
from kinesics.inference.classifier import Outcome
from kinesics.inference.decoding import LIMITS
from kinesics.inference.predictor import load
from kinesics.inference.results_file import file_format, remaining, write_predictions
from kinesics.progress import Listener
from kinesics.runs.ensemble_file import holds_ensemble
from kinesics.runs.model_file import find_model
from kinesics.video.files import annotated_names, find_videos


@dataclass
class Predictions:
    """The outcomes of videos, in order, as they are done: iterate over it once.

    videos: those that are predicted. classes: the names of what can be answered. notes: what the user should know,
    before it begins. failed_copies: videos whose annotated copy could not be written, so far.
    """

    videos: tuple[Path, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    outcomes: Iterator[Outcome]
    failed_copies: list[Path] = field(default_factory=list)

    def __iter__(self) -> Iterator[Outcome]:
        return self.outcomes

    def __len__(self) -> int:
        return len(self.videos)


def predict(
    run: Path | str,
    videos: Sequence[Path | str],
    *,
    out: Path | str | None = None,
    annotate: Path | str | None = None,
    views: str = "one",
    top: int = 5,
    batch_size: int = 8,
    device: str = "auto",
    num_workers: int | None = None,
    timeout_seconds: float = LIMITS.timeout_seconds,
    memory_gib: float = LIMITS.memory_gib,
    listener: Listener | None = None,
) -> Predictions:
    """Predict the class of videos, or of all videos below folders.

    Args:
        run: The run, a folder with a model, a cross-validation or a folder that `fuse` wrote.
        videos: Video files, folders of frames, or folders of videos.
        out: A file to append answers to, a table (.csv) or JSON lines (.jsonl); what is in it is not done again.
        annotate: A folder for copies of the videos with the answer drawn in.
        views: one, two-clip, ten-by-three, 25x10, 25x1, or whole-WIDTHxHEIGHT: the whole frame at this size, such as
            whole-256x224.
        top: How many classes to give for each video.
        batch_size: Views that go through the network at once.
        device: Where to compute.
        num_workers: Decoding processes; as many as cores by default. With 0 this process decodes, without limits.
        timeout_seconds: Processor time to decode one video; its size and the frames looked at add to it.
        memory_gib: Memory to decode one video, in GiB.
        listener: Hears why a copy could not be written, and how far the work is.

    Raises:
        UserError: no model, no videos, no such views, or a place that cannot be written.
    """
    if top < 1:
        raise UserError(f"top is {top}; expected a number from 1 up")
    into, folder = (None if path is None else Path(path) for path in (out, annotate))
    for path in (into, folder):
        if path is not None:
            check_writable(path)
    if into is not None:
        file_format(into)
    if not holds_ensemble(run):
        find_model(run)
    found = find_videos([Path(video) for video in videos])  # an error of a path comes before the model is loaded
    predictor = load(run, device=device)
    names = annotated_names(found.videos, folder) if folder else {}
    maker = predictor.maker(views)
    todo = tuple(remaining(found.videos, into, maker) if into else found.videos)
    notes = [found.line()] if found.others else []
    if len(todo) < len(found.videos):
        notes.append(f"{len(found.videos) - len(todo)} videos are in {into} already")
    if without := [name for path, name in names.items() if path not in todo and not name.is_file()]:
        notes.append(f"{len(without)} of them have no copy in {folder}; predict without `out` to make it")
    outcomes = predictor.predict_many(
        todo,
        plan=views,
        top=top,
        batch_size=batch_size,
        num_workers=num_workers,
        timeout_seconds=timeout_seconds,
        memory_gib=memory_gib,
    )
    failed: list[Path] = []
    listener = listener or Listener()
    if names:  # before it is written, so that an answer in the file has its copy
        outcomes = with_copies(outcomes, names, failed, listener)
    if into:
        outcomes = write_predictions(outcomes, into, maker)
    return Predictions(todo, predictor.classes, tuple(notes), reported(outcomes, len(todo), listener), failed)


def reported(outcomes: Iterable[Outcome], num_all: int, listener: Listener) -> Iterator[Outcome]:
    """The outcomes; the listener hears of each one after it was taken."""
    for number, outcome in enumerate(outcomes, start=1):
        yield outcome
        if num_all > 1:
            listener.advance("predicting", number, num_all, outcome.path.name)


def with_copies(
    outcomes: Iterable[Outcome], names: dict[Path, Path], failed: list[Path], listener: Listener
) -> Generator[Outcome, None, None]:
    """The outcomes, each after its video was copied with the answer drawn in.

    If a copy cannot be written, the listener hears why and `failed` gets its video; the answer stays.
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
                listener.say(f"no annotated copy of {outcome.path}: {answer}")
                failed.append(outcome.path)
            yield outcome
