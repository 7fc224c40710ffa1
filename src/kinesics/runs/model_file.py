"""The model file: safetensors weights beside a JSON contract that says how to feed them.

Both may come from anyone, so they are checked: every field is typed and bounded, the weights are compared with the
model by their names and shapes before anything is allocated, and no other file is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch.nn import init
from torch.overrides import TorchFunctionMode

from kinesics.checks import NotNegative, Positive, Range, check_fields, shortened
from kinesics.errors import KinesicsError, UserError, first_line
from kinesics.files import PathLike, atomic_path, read_json, write_json
from kinesics.models.build import MOST_CLASSES, create_model
from kinesics.models.recognizer import Recognizer
from kinesics.settings import from_dict
from kinesics.sizes import Size
from kinesics.version import __version__
from kinesics.video.view_plan import ViewPlan

FORMAT = 1
"""The newest format of model.json that is known; older ones are read too."""
WEIGHTS_NAME = "model.safetensors"
CONTRACT_NAME = "model.json"
ENSEMBLE_NAME = "ensemble.json"
FINAL_NAME = "final"
"""The folder of a cross-validation's final model."""
MOST_BYTES = 64 * 2**20
"""Of model.json: 100,000 classes of 600 letters."""
MOST_INPUT = 2**33
"""Numbers that the views of one video may hold."""
MOST_OF_AN_ARGUMENT = 65_536
"""The largest number, and the longest list or text, among a model's arguments."""
DRAWING = (
    *(torch.Tensor.normal_, torch.Tensor.uniform_),
    *(init.normal_, init.uniform_, init.trunc_normal_, init.kaiming_normal_, init.kaiming_uniform_),
    *(init.xavier_normal_, init.xavier_uniform_),
)
"""Where PyTorch's initialisations draw."""
Unit = Annotated[float, Range(-1e6, 1e6)]


@dataclass(frozen=True)
class Contract:
    """All that is needed to use a model file: what it is, what it answers and how its input is made.

    temperature, threshold: what logits are divided by before probabilities are made of them, and the confidence below
    which the answer is "none of these"; `calibration` says how they were found. The defaults change nothing.

    Raises:
        UserError: a field of another type, or out of range.
    """

    model: str
    arguments: Mapping[str, Any]
    classes: tuple[str, ...]
    multi_label: bool
    modality: Literal["rgb", "flow"]
    mean: tuple[Unit, ...]
    std: tuple[Positive, ...]
    plan: Mapping[str, Any]
    record: Mapping[str, Any]
    format: Annotated[int, Range(1, FORMAT)] = FORMAT
    version: str = __version__
    temperature: Positive = 1.0
    threshold: NotNegative = 0.0
    calibration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= len(self.classes) <= MOST_CLASSES:
            raise UserError(f"classes are {len(self.classes)}; expected 1 to {MOST_CLASSES} names")
        if len(set(self.classes)) < len(self.classes) or "" in self.classes:
            raise UserError("classes are not all different, or one has no name")
        if len(self.mean) != len(self.std):
            raise UserError(f"mean has {len(self.mean)} channels and std {len(self.std)}; expected as many")
        check_arguments(self.arguments)
        plan = self.view_plan
        if plan.modality != self.modality:
            raise UserError(f"plan.modality is {plan.modality}; expected the model's, {self.modality}")
        frames = plan.num_views * plan.num_segments * plan.steps_per_segment * plan.frames_per_segment
        numbers = frames * Size.of(plan.size).num_pixels
        if numbers * len(self.mean) > MOST_INPUT:
            raise UserError(
                f"plan needs {numbers * len(self.mean):,} numbers per video; expected at most {MOST_INPUT:,}"
            )

    @property
    def view_plan(self) -> ViewPlan:
        """The views that the model was made to be tested with."""
        return ViewPlan.from_dict(self.plan)


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise UserError where an argument would choose other weights, another input, or a size beyond all reason."""
    for name in ("weights", "modality", "num_classes", "name"):
        if name in arguments:
            raise UserError(f"arguments.{name} is none of the model's own arguments")
    for name, value in arguments.items():
        parts = value if isinstance(value, list) else [value]
        if len(parts) > MOST_OF_AN_ARGUMENT or any(not is_small(part) for part in parts):
            raise UserError(
                f"arguments.{name} is {shortened(value)}; expected numbers and lengths up to {MOST_OF_AN_ARGUMENT:,}"
            )


def is_small(value: Any) -> bool:
    """Whether a value of an argument is a flag, nothing, or a number or text of a sensible size."""
    if isinstance(value, str):
        return len(value) <= MOST_OF_AN_ARGUMENT
    return value is None or (isinstance(value, int | float) and abs(value) <= MOST_OF_AN_ARGUMENT)


def save_model(folder: Path, state: Mapping[str, torch.Tensor], contract: Contract) -> None:
    """Write `model.safetensors` and `model.json` into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / WEIGHTS_NAME) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, temporary)
    write_contract(folder, contract)


def write_contract(folder: Path, contract: Contract) -> None:
    """Write `model.json` into `folder`, whole or not at all; the weights beside it stay."""
    write_json(folder / CONTRACT_NAME, contract)


def find_model(run: PathLike) -> Path:
    """The folder of the model file in `run`: a run (its best model), a folder with a model, or the file itself.

    Of a cross-validation that is its final model, which learned from all clips, once it is finished.

    Raises:
        UserError: there is none; the message says which file was expected.
    """
    run = Path(run)
    if run.is_file() and run.suffix == ".safetensors":
        return run.parent
    for folder in (run / "best", run, run / "last"):
        if (folder / WEIGHTS_NAME).is_file():
            return folder
    if has_finished_final(run):
        return run / FINAL_NAME / "best"
    if (run / ENSEMBLE_NAME).is_file():
        raise UserError(f"{run}: holds several models that answer together; expected one of those in {ENSEMBLE_NAME}")
    problem = "holds no model" if run.exists() else "no such folder"
    raise UserError(f"{run}: {problem}; expected a run of `kinesics train`, with best/{WEIGHTS_NAME} in it")


def has_finished_final(run: PathLike) -> bool:
    """Whether `run` is a cross-validation with a final model that was trained to its end.

    A calibration is the last thing that it gets; one without it may be in training, or its training was interrupted.
    """
    folder = Path(run) / FINAL_NAME / "best"
    return (folder / WEIGHTS_NAME).is_file() and bool(read_contract(folder).calibration)


def has_model(run: PathLike) -> bool:
    """Whether `find_model` finds one."""
    try:
        find_model(run)
    except UserError:
        return False
    return True


def read_contract(folder: Path) -> Contract:
    """The contract in `folder`.

    Raises:
        UserError: there is none, it has a newer format, or a field is wrong; the message names file and field.
    """
    path = folder / CONTRACT_NAME
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path}: has {path.stat().st_size:,} bytes; expected at most {MOST_BYTES:,}")
    values = read_json(path, "the model's contract, beside its weights")
    number = values.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= FORMAT:
        version = shortened(values.get("version", "another program")).strip("'")
        raise UserError(
            f"{path}: format {shortened(number)}, written by {version}; kinesics {__version__} reads formats up to "
            f"{FORMAT}"
        )
    return from_dict(Contract, values, str(path))


def load_model(run: PathLike) -> tuple[Recognizer, Contract]:
    """The trained model of `run` in evaluation mode, and its contract. The caller's random state stays as it is.

    Raises:
        UserError: no model there, a contract that is newer or wrong, or weights that do not fit it.
    """
    folder = find_model(run)
    contract = read_contract(folder)
    path = folder / WEIGHTS_NAME
    with torch.device("meta"), _NothingDrawn():  # names and shapes without memory
        check_weights(path, build(contract, folder))
    with torch.random.fork_rng(devices=[]), _NothingDrawn():
        model = build(contract, folder)
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise misfit(path, model.name, first_line(error)) from error
    return model.channels_last().eval(), contract


class _NothingDrawn(TorchFunctionMode):
    """Leaves out the random numbers of new weights, which those of the file replace.

    On the device "meta" each drawing would import PyTorch's compiler, which takes longer than the rest of a load.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        return func(*args, **given) if func not in DRAWING else args[0] if args else given["tensor"]


def build(contract: Contract, folder: Path) -> Recognizer:
    """The model of a contract, with random weights. Raises UserError where there is no such model."""
    try:
        model = create_model(
            contract.model, len(contract.classes), modality=contract.modality, **dict(contract.arguments)
        )
    except (KinesicsError, ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        reason = first_line(error)
        raise UserError(f"{folder / CONTRACT_NAME}: {reason}") from error
    for name in ("mean", "std"):
        expected, found = tuple(getattr(model, name)), getattr(contract, name)
        if len(expected) != len(found) or any(abs(a - b) > 1e-4 for a, b in zip(expected, found, strict=True)):
            raise UserError(f"{folder / CONTRACT_NAME}: {name} is {found}; expected {contract.model}'s {expected}")
    return model


def check_weights(path: Path, model: Recognizer) -> None:
    """Raise UserError where the header of a weights file has not just the tensors of `model`, by name and shape."""
    expected = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError) as error:
        raise misfit(path, model.name, first_line(error)) from error
    for name in (*expected, *shapes):
        if shapes.get(name) != expected.get(name):
            raise misfit(
                path, model.name, f"{shortened(name)}: expected {expected.get(name)}, found {shapes.get(name)}"
            )


def misfit(path: Path, model: str, reason: str) -> UserError:
    """The error for weights of another model."""
    return UserError(f"{path}: does not hold the weights of {model} ({reason})")
