"""`kinesics predict`: one line per video for people, JSON lines for programs, copies of the videos with the answer."""

from __future__ import annotations

from collections.abc import Sequence

from kinesics.cli.console import say, warn
from kinesics.cli.flags import JSON, parse
from kinesics.cli.progress import BarListener
from kinesics.inference.classifier import Outcome
from kinesics.inference.results_file import to_line
from kinesics.prediction import predict
from kinesics.values import Prediction

NUM_OTHERS = 2
"""How many classes are named after the best one."""


def predict_videos(words: list[str]) -> int:
    """Predict and print; gives 0, or 1 where a video could not be decoded or a copy could not be written."""
    values = parse(predict, words, command="predict", positional=("run", "videos"), extra={"json": JSON})
    as_json = values.pop("json")
    num_failed = 0
    with BarListener(quiet=as_json) as listener:
        found = predict(**values, listener=listener)
        for note in found.notes:
            warn(note)
        width = max((len(str(path)) for path in found.videos), default=0)
        for outcome in found:
            num_failed += outcome.prediction is None
            say(to_line(outcome) if as_json else line_of(outcome, width, found.classes))
    if num_failed:
        warn(f"{num_failed} of {len(found)} videos could not be decoded")
    if found.failed_copies:
        warn(f"{len(found.failed_copies)} copies could not be written")
    if values["annotate"] and len(found.failed_copies) < len(found):
        warn(f"copies with the answer drawn in are in {values['annotate']}")
    return int(bool(num_failed or found.failed_copies))


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
