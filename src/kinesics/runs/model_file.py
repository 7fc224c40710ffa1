"""The model file: safetensors weights beside a JSON contract that says how to feed them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kinesics.checks import NotNegative, Positive, check_fields
from kinesics.errors import UserError
from kinesics.files import atomic_path, read_text, write_json
from kinesics.models.build import create_model
from kinesics.models.recognizer import Recognizer
from kinesics.settings import from_dict
from kinesics.version import __version__
from kinesics.video.view_plan import ViewPlan

FORMAT = 1
WEIGHTS_NAME = "model.safetensors"
CONTRACT_NAME = "model.json"


@dataclass(frozen=True)
class Contract:
    """All that is needed to use a model file: what it is, what it answers and how its input is made.

    temperature, threshold: what logits are divided by before probabilities are made of them, and the confidence below
    which the answer is "none of these"; `calibration` says how they came about. As they are by default, they change
    nothing.

    Raises:
        UserError: a field of another type, or out of range.
    """

    model: str
    arguments: Mapping[str, Any]
    classes: tuple[str, ...]
    multi_label: bool
    modality: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    plan: Mapping[str, Any]
    record: Mapping[str, Any]
    format: int = FORMAT
    version: str = __version__
    temperature: Positive = 1.0
    threshold: NotNegative = 0.0
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def view_plan(self) -> ViewPlan:
        """The views that the model was made to be tested with."""
        return ViewPlan.from_dict(self.plan)


def save_model(folder: Path, state: Mapping[str, torch.Tensor], contract: Contract) -> None:
    """Write `model.safetensors` and `model.json` into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / WEIGHTS_NAME) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)
    write_contract(folder, contract)


def write_contract(folder: Path, contract: Contract) -> None:
    """Write `model.json` into `folder`, whole or not at all; the weights beside it stay."""
    write_json(folder / CONTRACT_NAME, contract)


def find_model(run: Path) -> Path:
    """The folder of the model file in `run`: a run (its best model), a folder with a model, or the file itself.

    Raises:
        UserError: there is none; the line says what was looked for.
    """
    if run.is_file() and run.suffix == ".safetensors":
        return run.parent
    for folder in (run / "best", run, run / "last"):
        if (folder / WEIGHTS_NAME).is_file():
            return folder
    found = "no such folder" if not run.exists() else "holds no model"
    raise UserError(f"{run}: {found}; wanted a run of `kinesics train`, with best/{WEIGHTS_NAME} in it")


def load_model(run: Path) -> tuple[Recognizer, Contract]:
    """The trained model of `run` in evaluation mode, and its contract.

    Raises:
        UserError: no model there, a contract of another format, or weights that do not fit it.
    """
    folder = find_model(run)
    path = folder / CONTRACT_NAME
    text = read_text(path, "the model's contract, beside its weights")
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        version = values.get("version", "another program") if isinstance(values, dict) else "another program"
        raise UserError(f"{path}: format {found}, written by {version}; kinesics {__version__} reads format {FORMAT}")
    contract = from_dict(Contract, values, str(path))
    model = create_model(contract.model, len(contract.classes), modality=contract.modality, **contract.arguments)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS_NAME))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{folder / WEIGHTS_NAME}: does not hold the weights of {contract.model} ({reason})") from error
    return model.channels_last().eval(), contract
