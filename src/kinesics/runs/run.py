"""A run folder as a value: what lies in it, and where."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinesics.data.manifest import read_manifest
from kinesics.errors import UserError
from kinesics.files import read_json, read_text, write_text
from kinesics.runs.model_file import WEIGHTS_NAME, find_model
from kinesics.settings import Recipe, from_json
from kinesics.values import Scores, VideoItem

RECIPE_NAME, RECORD_NAME, LOG_NAME, SCORES_NAME = "recipe.json", "run.json", "log.csv", "scores.npz"
TRAIN_CLIPS_NAME = "train_clips.jsonl"


@dataclass(frozen=True)
class Run:
    """A folder of `train`, or of what `cross_validate` or `fuse` write; `RUN/best` means its run.

    It can be used in the place of its path: `os.fspath(run)`, `open(run / "log.csv")`.

    Raises:
        UserError: there is no such folder. Each part says for itself where it is missing.
    """

    path: Path

    def __post_init__(self) -> None:
        path = Path(self.path)
        if path.name in ("best", "last") and (path.parent / RECORD_NAME).is_file():
            path = path.parent
        if not path.is_dir():
            problem = "is a file" if path.is_file() else "no such folder"
            raise UserError(f"{path}: {problem}; expected a run of `kinesics train`")
        object.__setattr__(self, "path", path)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def recipe(self) -> Recipe:
        """The settings that it was trained with. Raises UserError where there are none."""
        path = self.path / RECIPE_NAME
        return from_json(Recipe, read_text(path, "the recipe of a run"), str(path))

    @property
    def record(self) -> Mapping[str, Any]:
        """What run.json says: versions, seed, manifest, counts. Raises UserError where there is none."""
        return read_json(self.path / RECORD_NAME, "the record of a run")

    @property
    def manifest(self) -> Path:
        """The manifest that it was trained on, also where the project's folder has moved since.

        Raises:
            UserError: the record does not name one, or it is in none of the likely places.
        """
        record = self.record
        places = recorded_places(self.path, record, "manifest")
        if not places:
            raise UserError(f"{self.path / RECORD_NAME}: names no manifest; name the one to use as data")
        found = [place for place in places if place.is_file()]
        if not found:
            raise UserError(
                f"{places[0]}: the manifest of this run is gone (searched too: "
                f"{', '.join(map(str, places[1:]))}); name another as data"
            )
        digest = record.get("manifest_sha256")
        return next((place for place in found if len(found) > 1 and digest_of(place) == digest), found[0])

    @property
    def flow(self) -> Path | None:
        """The folder of flow that it was trained on; None without one, or where it is gone."""
        places = recorded_places(self.path, self.record, "flow_folder")
        return next((place for place in places if place.is_dir()), None)

    @property
    def train_clips(self) -> frozenset[str]:
        """The digests of the clips that it learned from, and their ids where there is no digest; empty if unknown."""
        path = self.path / TRAIN_CLIPS_NAME
        lines = read_text(path, "the clips of a training").splitlines() if path.is_file() else []
        return frozenset(json.loads(line) for line in lines)

    @property
    def model_file(self) -> Path:
        """Its best model's weights; model.json lies beside them. Raises UserError where there is no model."""
        return find_model(self.path) / WEIGHTS_NAME

    @property
    def log(self) -> tuple[Mapping[str, str], ...]:
        """The epochs of log.csv; none where there is no such file."""
        path = self.path / LOG_NAME
        return tuple(csv.DictReader(io.StringIO(read_text(path, "the log of a run")))) if path.is_file() else ()

    def score_file(self, split: str = "test", views: str = "one") -> Path:
        """Where its scores of a split under a view plan lie. Raises UserError where there are none."""
        places = (self.path / f"{split}-{views}" / SCORES_NAME, self.path / SCORES_NAME)
        for place in places:
            if place.is_file():
                return place
        raise UserError(
            f"{self.path}: no scores of split {split} with views {views}; `kinesics test {self.path}` with this split "
            "and these views writes them"
        )

    def scores(self, split: str = "test", views: str = "one") -> Scores:
        """Its scores of a split under a view plan. Raises UserError where there are none."""
        return Scores.load(self.score_file(split, views))


def write_train_clips(run: Path, items: Sequence[VideoItem]) -> None:
    """Keep which clips a run learns from, a JSON text a line."""
    write_text(run / TRAIN_CLIPS_NAME, "".join(f"{json.dumps(item.digest or item.id)}\n" for item in items))


def path_record(name: str, path: Path | None, folder: Path) -> dict[str, str | None]:
    """A path for a record in `folder`: as seen from there, and absolute, for a folder that is moved alone.

    path_record("manifest", Path("/data/set.csv"), Path("/data/runs/a")) →
    {"manifest": "../../set.csv", "manifest_absolute": "/data/set.csv"}
    """
    if path is None:
        return {name: None, f"{name}_absolute": None}
    path, folder = path.resolve(), folder.resolve()
    seen = path.as_posix()
    if path.drive == folder.drive:
        seen = Path(os.path.relpath(path, folder)).as_posix()
    return {name: seen, f"{name}_absolute": str(path)}


def recorded_places(folder: Path, record: Mapping[str, Any], name: str) -> Sequence[Path]:
    """Where a path of a record may be now, the likeliest first: as recorded, absolute, in `folder`, and above it."""
    texts = [record.get(name), record.get(f"{name}_absolute")]
    paths = [Path(text) for text in texts if isinstance(text, str) and text and "\0" not in text]
    if not paths:
        return []
    folder, last = folder.absolute(), paths[0].name
    places = [Path(os.path.normpath(folder / path)) for path in paths]
    return list(dict.fromkeys([*places, *(above / last for above in (folder, *folder.parents[:2]))]))


def digest_of(manifest: Path) -> str | None:
    """The digest of a manifest's rows; None where it is no manifest."""
    try:
        return read_manifest(manifest).sha256
    except UserError:
        return None
