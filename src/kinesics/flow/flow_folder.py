"""A folder of optical flow: its settings, and the flow of a manifest's videos in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kinesics.checks import check_fields
from kinesics.errors import UserError, VideoError, unknown
from kinesics.files import read_text, write_json
from kinesics.flow.methods import METHODS
from kinesics.settings import from_dict
from kinesics.values import VideoItem
from kinesics.version import __version__
from kinesics.video.flow_file import SUFFIX, read_info

INDEX = "flow.json"
NUM_NAMED = 5
"""How many videos without flow a message names."""


@dataclass(frozen=True)
class FlowSettings:
    """How the flow in a folder was made.

    method: see `flow.methods`. bound: the largest movement kept, in pixels. short_side: of the pictures that it was
    computed on, in pixels. warp: whether the camera's movement was removed.
    """

    method: str = "tvl1"
    bound: float = 20.0
    short_side: int = 256
    warp: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "flow ")
        if self.method not in METHODS:
            raise unknown("flow method", self.method, METHODS)
        if not 0 < self.bound <= 1000:
            raise UserError(f"flow: expected a bound above 0 and up to 1000 pixels, found {self.bound:g}")
        if self.short_side < 16:
            raise UserError(f"flow: expected a short_side of 16 pixels or more, found {self.short_side}")

    def differences(self, other: FlowSettings) -> str:
        """The settings of `other` that differ from these, as text; empty where none do."""
        values = asdict(self)
        return ", ".join(f"{name} {value}" for name, value in asdict(other).items() if value != values[name])


@dataclass(frozen=True)
class FlowFolder:
    """A folder that `kinesics flow` wrote."""

    path: Path
    settings: FlowSettings

    @staticmethod
    def open(path: Path) -> FlowFolder:
        """The folder at `path`. Raises UserError where it is no such folder."""
        index = path / INDEX
        text = read_text(index, "a folder of flow, as `kinesics flow set.csv --out FOLDER` writes it")
        try:
            values: dict[str, Any] = json.loads(text)
            values.pop("version", None)
            return FlowFolder(path, from_dict(FlowSettings, values, str(index)))
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(
                f"{index}: not the settings of a flow folder ({error}); expected a file that `kinesics flow` wrote"
            ) from error

    @staticmethod
    def make(path: Path, settings: FlowSettings) -> FlowFolder:
        """The folder for flow of these settings, new or begun. Raises UserError where it has other settings."""
        if not (path / INDEX).is_file():
            write_json(path / INDEX, {**asdict(settings), "version": __version__})
        folder = FlowFolder.open(path)
        if other := settings.differences(folder.settings):
            raise UserError(f"{path}: holds flow of {other}; name another folder as `out`")
        return folder

    def file(self, id: str) -> Path:
        """The file of a video's flow: named by the video and a digest of its id, which may hold folders and times."""
        return self.path / f"{Path(id).stem}-{hashlib.sha256(id.encode()).hexdigest()[:12]}{SUFFIX}"

    def problem(self, id: str) -> str:
        """Why the flow of a video is missing or cannot be used, or "" where it can."""
        file = self.file(id)
        if not file.is_file():
            return "missing"
        try:
            info = read_info(file)
        except VideoError as error:
            return str(error)
        other = self.settings.differences(
            FlowSettings(info.method, info.bound, min(info.height, info.width), info.warped)
        )
        return f"{file.name} holds {other}" if other else "" if info.id == id else f"{file.name} is of {info.id}"

    def items(self, items: Sequence[VideoItem]) -> list[VideoItem]:
        """The items with flow files in place of their videos. Raises UserError that names the items without flow."""
        problems = [(item.id, problem) for item in items if (problem := self.problem(item.id))]
        if problems:
            named = "; ".join(f"{id}: {problem}" for id, problem in problems[:NUM_NAMED])
            more = f" and {len(problems) - NUM_NAMED} more" if len(problems) > NUM_NAMED else ""
            raise UserError(f"{self.path}: no flow of {len(problems)} of {len(items)} videos: {named}{more}")
        return [
            replace(item, path=self.file(item.id), start_seconds=None, end_seconds=None, is_partial=False, is_flow=True)
            for item in items
        ]
