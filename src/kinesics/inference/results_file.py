"""Predictions in a file, written as they come and taken up again where they stopped: JSON lines, or CSV by its ending.

    {"path": "/v/a.mp4", "label": "nod", "probability": 0.93, "labels": {"nod": 0.93, "shake": 0.04, …},
     "over_half": ["nod"], "frames": [3, 9, …], "seconds": [0.12, 0.36, …], "model": "0c1d2e3f4a5b"}
    {"path": "/v/b.mp4", "error": "/v/b.mp4: no frames in it", "status": "no_frames", "model": "0c1d2e3f4a5b"}

Paths are absolute, so that a line means the same wherever it is read. `labels` are the best classes in their order;
`over_half` those with a probability above one half, which is the answer of a multi-label model (and may be none).
`model` identifies weights, view plan and calibration; a file never holds the answers of two. Of a model with a
threshold, each line has it as `threshold`; where the best of `labels` is below it, `label` is "none of these".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, Literal

from kinesics.errors import KinesicsError, UserError
from kinesics.files import to_json
from kinesics.inference.classifier import Outcome
from kinesics.inference.results_csv import header, rows, to_row

JSON_ENDINGS = (".jsonl", ".json", ".ndjson")
OPENING = '{"path": '
"""How each line begins; so a half-written line is not taken for another program's file."""


@dataclass(frozen=True)
class Written:
    """What a file of answers holds: the paths that are done, and how many of its bytes are whole lines."""

    paths: frozenset[str]
    num_bytes: int
    ends_open: bool = False


def to_dict(outcome: Outcome, maker: str = "") -> dict[str, Any]:
    """An outcome as JSON values; see the top of this file."""
    answer: dict[str, Any] = {"path": absolute(outcome.path)}
    found = outcome.prediction
    if found is None:
        answer |= {"error": outcome.error, "status": outcome.status}
    else:
        answer |= {
            "label": found.label,
            "probability": round(found.probability, 6),
            "labels": {name: round(probability, 6) for name, probability in found},
            "over_half": [name for name, _ in found.over_half],
            "frames": list(found.frame_indices),
            "seconds": [round(seconds, 4) for seconds in found.frame_seconds],
        }
        answer |= {"threshold": round(found.threshold, 6)} if found.threshold else {}
    return answer | ({"model": maker} if maker else {})


def to_line(outcome: Outcome, maker: str = "") -> str:
    """An outcome as one line of JSON, without its end."""
    return to_json(to_dict(outcome, maker), indent=None)


def write_predictions(outcomes: Iterable[Outcome], out: Path, maker: str = "") -> Iterator[Outcome]:
    """Yield each outcome as soon as its line is in `out`, after the lines that are there already.

    A half-written last line is cut off first. Nothing is written until the first outcome is asked for.

    Raises:
        UserError: `out` holds something else, or answers of another model.
        KinesicsError: it cannot be written, such as on a full disk; call it again to go on.
    """
    before = read_written(out, maker)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = out.open("ab", buffering=0)  # nothing is left over that closing would try to write again
    except OSError as error:
        raise KinesicsError(f"cannot write {out}: {error.strerror or error}") from error
    with file:
        is_csv = file_format(out) == "csv"
        beginning = b"\n" if before.ends_open else header() if is_csv and not before.num_bytes else b""
        _put(file, out, beginning, cut_at=before.num_bytes)
        for outcome in outcomes:
            answer = to_dict(outcome, maker)
            _put(file, out, to_row(answer) if is_csv else to_json(answer, indent=None).encode() + b"\n")
            yield outcome


def _put(file: RawIOBase, out: Path, line: bytes, *, cut_at: int | None = None) -> None:
    try:
        if cut_at is not None:
            file.truncate(cut_at)
        while line:
            line = line[file.write(line) :]
    except OSError as error:
        raise KinesicsError(f"cannot write {out}: {error.strerror or error}") from error


def remaining(videos: Iterable[Path], out: Path, maker: str = "") -> list[Path]:
    """The videos that have no line in `out` yet. A line with an error counts: delete it to try that video again."""
    done = done_paths(out, maker)
    return [video for video in videos if absolute(video) not in done]


def done_paths(out: Path, maker: str = "") -> frozenset[str]:
    """The absolute paths that have a line in `out`; none where there is no such file.

    Raises:
        UserError: it holds something else, or answers of another model.
    """
    return read_written(out, maker).paths


def file_format(out: Path) -> Literal["csv", "jsonl"]:
    """How answers are written into `out`, by its ending. Raises UserError for another ending."""
    ending = out.suffix.lower()
    if ending == ".csv":
        return "csv"
    if ending in JSON_ENDINGS:
        return "jsonl"
    raise UserError(f"{out}: expected a name that ends in .csv, or in {', '.join(JSON_ENDINGS)} for JSON lines")


def read_written(out: Path, maker: str = "") -> Written:
    """What `out` holds, line by line; nothing is changed."""
    if out.exists() and not out.is_file():
        raise UserError(f"{out}: not a file; expected one for answers")
    is_csv = file_format(out) == "csv"
    paths, num_bytes, ends_open = set(), 0, False
    try:
        file = out.open("rb")
    except FileNotFoundError:
        return Written(frozenset(), 0)
    except OSError as error:
        raise UserError(f"{out}: {error.strerror or error}; expected a file for answers") from None
    with file:
        if is_csv:
            for row in rows(file, out):
                _check_maker(row.model, maker, out, row.line)
                paths.add(row.path)
                num_bytes = row.end
            return Written(frozenset(paths), num_bytes)
        for number, line in enumerate(file, 1):
            whole = line.endswith(b"\n")
            answer = _parsed(line)
            if answer is None:
                if not whole and _begun(line):
                    break
                raise UserError(f"{out}, line {number}: not an answer of `kinesics predict`; name another file")
            _check_maker(str(answer.get("model", "")), maker, out, number)
            paths.add(str(answer["path"]))
            num_bytes += len(line)
            ends_open = not whole
    return Written(frozenset(paths), num_bytes, ends_open)


def _check_maker(found: str, maker: str, out: Path, line: int) -> None:
    if maker and found != maker:
        raise UserError(
            f"{out}, line {line}: written by another model or other views or calibration "
            f"({found or 'unknown'}, this is {maker}); name another file"
        )


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line that `write_predictions` wrote, or None for any other."""
    try:
        answer = json.loads(line)
    except ValueError:  # also where it is not UTF-8
        return None
    ours = isinstance(answer, dict) and isinstance(answer.get("path"), str) and ("label" in answer or "error" in answer)
    return answer if ours else None


def _begun(line: bytes) -> bool:
    """Whether a line without an end can be the beginning of such a line."""
    opening = OPENING.encode()
    return line.startswith(opening) or opening.startswith(line)


def absolute(path: Path) -> str:
    """The path from the root, links as they are called."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps ".."
