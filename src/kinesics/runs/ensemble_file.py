"""ensemble.json: the models that answer together, such as those of the folds of a cross-validation or of two streams.

Like model.json, it may come from anyone, so every field is typed and bounded, and it can only name models below or
beside its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from kinesics.checks import NotNegative, Positive, Range, check_fields
from kinesics.errors import UserError
from kinesics.files import PathLike, read_json, write_json
from kinesics.runs.model_file import ENSEMBLE_NAME
from kinesics.runs.run import path_record, recorded_places
from kinesics.settings import from_dict
from kinesics.version import __version__

FORMAT = 1
MOST_MEMBERS = 1000


@dataclass(frozen=True)
class Member:
    """One model. path: its folder, as seen from the ensemble's; path_absolute: where it was. weight: of its answer."""

    path: str
    path_absolute: str
    weight: NotNegative = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "member.")

    @staticmethod
    def of(run: PathLike, folder: Path, weight: float = 1.0) -> Member:
        """The model in `run`, for the ensemble.json in `folder`."""
        places = path_record("path", Path(run), folder)
        return Member(str(places["path"]), str(places["path_absolute"]), weight)

    def find(self, folder: Path) -> Path:
        """Where it is now. Raises UserError where it is gone."""
        places = recorded_places(folder, {"path": self.path, "path_absolute": self.path_absolute}, "path")
        for place in places:
            if place.is_dir():
                return place
        raise UserError(f"{folder / ENSEMBLE_NAME}: {self.path}: no such folder; expected a run with a model")


@dataclass(frozen=True)
class EnsembleFile:
    """The models, and how their probabilities become one answer.

    temperature: what each model's logits are divided by. threshold: the mean probability below which the answer is
    "none of these". calibration: how both were found.

    Raises:
        UserError: a field of another type or out of range, no members, or no weight above 0.
    """

    members: tuple[Member, ...]
    format: Annotated[int, Range(1, FORMAT)] = FORMAT
    version: str = __version__
    temperature: Positive = 1.0
    threshold: NotNegative = 0.0
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= len(self.members) <= MOST_MEMBERS:
            raise UserError(f"members are {len(self.members)}; expected 1 to {MOST_MEMBERS}")
        if not any(member.weight for member in self.members):
            raise UserError("the weights of all members are 0; expected one above 0")

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights, scaled to a sum of 1."""
        total = sum(member.weight for member in self.members)
        return tuple(member.weight / total for member in self.members)


def holds_ensemble(run: PathLike) -> bool:
    """Whether a folder has an ensemble.json."""
    return (Path(run) / ENSEMBLE_NAME).is_file()


def write_ensemble(folder: Path, ensemble: EnsembleFile) -> None:
    """Write `folder`/ensemble.json, whole or not at all."""
    write_json(folder / ENSEMBLE_NAME, ensemble)


def read_ensemble(folder: PathLike) -> EnsembleFile:
    """What `folder`/ensemble.json says.

    Raises:
        UserError: it is missing, or a field is wrong; the message names file and field.
    """
    path = Path(folder) / ENSEMBLE_NAME
    values = dict(read_json(path, "the models that answer together"))
    members = values.get("members")
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise UserError(f"{path}: members are not a list of objects; expected path, path_absolute and weight of each")
    try:
        values["members"] = tuple(from_dict(Member, member, "members") for member in members)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return from_dict(EnsembleFile, values, str(path))
