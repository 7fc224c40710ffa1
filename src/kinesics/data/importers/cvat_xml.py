"""Read the XML of CVAT for video: the video of each task, and the labelled tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from kinesics.errors import UserError

EXPECTED = "an XML file exported as 'CVAT for video 1.1'"


@dataclass
class Track:
    """A labelled track. shapes: frames at which its shape is set, and whether it is outside the picture from there."""

    label: str
    line: int
    task: str
    shapes: list[tuple[int, bool]] = field(default_factory=list)


@dataclass
class Document:
    """The content of a file: the video of each task (the only task is ""), their frame rates, the tracks."""

    videos: dict[str, str] = field(default_factory=dict)
    fps: dict[str, float] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)


def read_document(file: Path) -> Document:
    """Read the XML with expat, which gives the line of each track.

    Raises:
        UserError: the file cannot be read, is not such XML, names no video, or has a track of a task without a video.
    """
    reader = _Reader(file)
    try:
        with file.open("rb") as stream:
            reader.parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise UserError(
            f"{file}:{error.lineno}: not XML ({expat.ErrorString(error.code)}); expected {EXPECTED}"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; expected {EXPECTED}") from None
    document = reader.document
    if not document.videos:
        raise UserError(f"{file}: names no video (<source>); expected {EXPECTED}")
    tasks = set(document.videos)
    for track in document.tracks:
        if track.task not in tasks:
            if len(tasks) > 1:
                raise UserError(f"{file}:{track.line}: the track belongs to task '{track.task}', which has no video")
            track.task = next(iter(tasks))  # the tracks of a single task do not name it
    return document


class _Reader:
    """Fills a Document while expat reads elements."""

    def __init__(self, file: Path) -> None:
        self.file, self.document = file, Document()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.CharacterDataHandler = self.characters
        self.parser.EndElementHandler = self.end
        self.path: list[str] = []
        self.task_id = self.text = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.parser.CurrentLineNumber}"

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name)
        self.text = ""
        if len(self.path) == 1 and name != "annotations":
            raise UserError(f"{self.place}: found <{name}>; expected {EXPECTED}")
        if name == "image":
            raise UserError(f"{self.place}: annotated as single images; expected {EXPECTED}")
        if name == "task":
            self.task_id = ""
        if name == "track":
            label, owner = attributes.get("label", "").strip(), attributes.get("task_id", "")
            self.document.tracks.append(Track(label, self.parser.CurrentLineNumber, owner))
        elif self.path[:-1] == ["annotations", "track"] and "frame" in attributes:
            if not attributes["frame"].isdigit():
                raise UserError(f"{self.place}: frame is '{attributes['frame']}'; expected a whole number")
            shape = int(attributes["frame"]), attributes.get("outside") == "1"
            self.document.tracks[-1].shapes.append(shape)

    def characters(self, text: str) -> None:
        self.text += text

    def end(self, name: str) -> None:
        value, inside = self.text.strip(), "/".join(self.path)
        self.path.pop()
        self.text = ""
        task = self.task_id if "/tasks/task/" in inside else ""
        if inside.endswith("task/id"):
            self.task_id = value
        elif inside.endswith(("task/source", "meta/source")):
            self.document.videos[task] = value
        elif inside.endswith(("task/fps", "task/frame_rate")):
            try:
                self.document.fps[task] = float(value)
            except ValueError:
                raise UserError(f"{self.place}: frame rate is '{value}'; expected a number") from None
