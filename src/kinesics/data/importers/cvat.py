"""Import the XML of CVAT for video: each stretch in which a track is seen becomes a clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from kinesics.data.importers.source import Imported, Options, first_existing
from kinesics.data.manifest import Row
from kinesics.data.problems import Entry, Problem
from kinesics.errors import UserError, VideoError
from kinesics.video.reader import open_video

WANTED = "an XML file exported as 'CVAT for video 1.1'"


@dataclass
class Track:
    """A labelled track: the frames at which its shape is set, and whether it is in the picture from there on."""

    label: str
    line: int
    task: str
    shapes: list[tuple[int, bool]] = field(default_factory=list)


@dataclass
class Document:
    """What is read of a file: the video of each task (a file of one task has the task ""), their rates, the tracks."""

    videos: dict[str, str] = field(default_factory=dict)
    fps: dict[str, float] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)


def import_cvat(source: Path, options: Options) -> Imported:
    """CVAT for video 1.1: each stretch in which a track is not outside becomes a row of that video, from start to end.

        <annotations><meta><task>…<source>walk.mp4</source></task></meta>
          <track label="nod"><box frame="30" outside="0" …/> … <box frame="75" outside="1" …/></track>

    The video lies beside the XML (or in `root`); its frame rate turns frames into seconds. All clips of a video are
    one group, so that they stay on one side of a split. A folder of XML files is read whole.

    Raises:
        UserError: not such an XML file.
    """
    files = sorted(source.glob("*.xml")) if source.is_dir() else [source]
    if not files:
        raise UserError(f"{source}: no XML file in it; expected {WANTED}")
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file in files:
        document = _parse(file)
        rates: dict[str, float] = {}
        for task, name in document.videos.items():
            base = options.root or file.parent
            path = first_existing([base.absolute() / name, base.absolute() / Path(name).name])
            tracks = [track for track in document.tracks if track.task == task]
            try:
                rates[task] = document.fps.get(task) or _rate(path)
            except VideoError as error:
                # without its rate there are no times; the row takes the whole video, which the check then finds bad
                lost = f"{len(tracks)} tracks need the frame rate of {path}"
                problems.append(Problem("error", str(file), 0, f"{lost}, which cannot be read: {error}"))
                continue
            for track in tracks:
                for first, end in spans(track.shapes):
                    start_seconds, end_seconds = round(first / rates[task], 6), round(end / rates[task], 6)
                    try:
                        row = Row(
                            str(path),
                            (track.label,),
                            group=Path(name).name,
                            start_seconds=start_seconds,
                            end_seconds=end_seconds,
                            line=track.line,
                        )
                    except ValueError as error:
                        raise UserError(f"{file}:{track.line}: {error}") from None
                    entries.append(Entry(row, file))
    if not entries and not problems:
        raise UserError(f"{', '.join(map(str, files))}: no labelled track; expected {WANTED}")
    return Imported(tuple(entries), None, tuple(problems))


def spans(shapes: list[tuple[int, bool]]) -> Iterator[tuple[int, int]]:
    """(first frame, frame after the last) of each stretch in view, of (frame, outside) pairs.

    [(3, False), (9, False), (12, True), (20, False)] → (3, 12), (20, 21): a shape holds until the next one.
    """
    first: int | None = None
    last = 0
    for frame, outside in sorted(shapes):
        if outside and first is not None:
            yield first, frame
            first = None
        elif not outside and first is None:
            first = frame
        last = frame
    if first is not None:
        yield first, last + 1


def _rate(path: Path) -> float:
    if not path.exists():
        raise VideoError("no such file")
    reader = open_video(path)
    try:
        return reader.fps
    finally:
        reader.close()


def _parse(file: Path) -> Document:
    """Read the XML with expat, which knows the line of each track."""
    document = Document()
    parser = expat.ParserCreate()
    path: list[str] = []
    task = {"id": "", "name": "", "text": ""}

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        task["text"] = ""
        line = parser.CurrentLineNumber
        if len(path) == 1 and name != "annotations":
            raise UserError(f"{file}:{line}: found <{name}>; expected {WANTED}")
        if name == "image":
            raise UserError(f"{file}:{line}: annotated as single images; expected {WANTED}")
        if name == "task":
            task.update(id="", name="")
        if name == "track":
            owner = attributes.get("task_id", "")
            document.tracks.append(Track(attributes.get("label", "").strip(), line, owner))
        elif path[:-1] == ["annotations", "track"] and "frame" in attributes:
            if not attributes["frame"].isdigit():
                raise UserError(f"{file}:{line}: frame '{attributes['frame']}' is not a number")
            document.tracks[-1].shapes.append((int(attributes["frame"]), attributes.get("outside") == "1"))

    def text(characters: str) -> None:
        task["text"] += characters

    def end(name: str) -> None:
        value, inside = task["text"].strip(), "/".join(path)
        path.pop()
        task["text"] = ""
        if inside.endswith("task/id"):
            task["id"] = value
        elif inside.endswith(("task/source", "meta/source")):
            document.videos[task["id"] if inside.endswith("tasks/task/source") else ""] = value
        elif inside.endswith(("task/fps", "task/frame_rate")):
            try:
                document.fps[task["id"] if "/tasks/" in inside else ""] = float(value)
            except ValueError:
                raise UserError(f"{file}:{parser.CurrentLineNumber}: frame rate '{value}' is not a number") from None

    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = start, text, end
    try:
        with file.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise UserError(
            f"{file}:{error.lineno}: not XML ({expat.ErrorString(error.code)}); expected {WANTED}"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; expected {WANTED}") from None
    if not document.videos:
        raise UserError(f"{file}: names no video (<source>); expected {WANTED}")
    tasks = set(document.videos)
    for track in document.tracks:
        if track.task not in tasks:
            if len(tasks) > 1:
                raise UserError(f"{file}:{track.line}: the track belongs to task '{track.task}', which has no video")
            track.task = next(iter(tasks))  # a single task is not named by its tracks
    return document
