"""A folder of optical flow: what it holds, and the flow of a manifest's videos in it."""

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
SHOWN = 5


@dataclass(frozen=True)
class FlowSettings:
    """How the flow in a folder was made.

    method: see `flow.methods`. bound: the largest movement kept, in pixels. short_side: of the pictures that it was
    computed on, in pixels. warp: whether the camera's movement was taken out.
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
            raise UserError(f"flow needs a bound above 0 and up to 1000 pixels, found {self.bound:g}")
        if self.short_side < 16:
            raise UserError(f"flow needs pictures of 16 pixels or more, found short_side {self.short_side}")

    def differences(self, other: FlowSettings) -> str:
        """What `other` has that these have not, in words; empty where they are alike."""
        mine = asdict(self)
        return ", ".join(f"{name} {value}" for name, value in asdict(other).items() if value != mine[name])


@dataclass(frozen=True)
class FlowFolder:
    """A folder that `kinesics flow` wrote."""

    path: Path
    settings: FlowSettings

    @staticmethod
    def open(path: Path) -> FlowFolder:
        """Raises UserError where `path` is no such folder."""
        index = path / INDEX
        text = read_text(index, "a folder of flow, as `kinesics flow set.csv --out FOLDER` writes it")
        try:
            values: dict[str, Any] = json.loads(text)
            values.pop("version", None)
            return FlowFolder(path, from_dict(FlowSettings, values, str(index)))
        except (ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{index}: not the settings of a folder of flow ({error})") from error

    @staticmethod
    def make(path: Path, settings: FlowSettings) -> FlowFolder:
        """The folder for flow of these settings, new or begun. Raises UserError where it holds flow of others."""
        if not (path / INDEX).is_file():
            write_json(path / INDEX, {**asdict(settings), "version": __version__})
        found = FlowFolder.open(path)
        if other := settings.differences(found.settings):
            raise UserError(f"{path}: holds flow of {other}; name another folder with --out")
        return found

    def file(self, id: str) -> Path:
        """Where a video's flow lies: its name and a digest of its id, which may hold folders and times."""
        return self.path / f"{Path(id).stem}-{hashlib.sha256(id.encode()).hexdigest()[:12]}{SUFFIX}"

    def problem(self, id: str) -> str:
        """Why there is no flow of a video, or "" where there is."""
        file, wanted = self.file(id), self.settings
        if not file.is_file():
            return "missing"
        try:
            info = read_info(file)
        except VideoError as error:
            return str(error)
        found = FlowSettings(info.method, info.bound, min(info.height, info.width), info.warped)
        other = wanted.differences(found)
        return f"{file.name} holds {other}" if other else "" if info.id == id else f"{file.name} is of {info.id}"

    def items(self, items: Sequence[VideoItem]) -> list[VideoItem]:
        """The same items with the flow in the place of the frames. Raises UserError naming those that have none."""
        problems = [(item.id, problem) for item in items if (problem := self.problem(item.id))]
        if problems:
            said = "; ".join(f"{id}: {problem}" for id, problem in problems[:SHOWN])
            more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise UserError(f"{self.path}: no flow of {len(problems)} of {len(items)} videos: {said}{more}")
        return [
            replace(item, path=self.file(item.id), start_seconds=None, end_seconds=None, is_partial=False, is_flow=True)
            for item in items
        ]
