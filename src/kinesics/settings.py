"""The settings of a run: frozen dataclasses with checked values, JSON in and out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from kinesics.checks import Count, NotNegative, Positive, Range, Share, ShareBelowOne, check_fields, field_types
from kinesics.errors import UserError, unknown
from kinesics.sizes import RangeSetting, Resize, Size, SizeSetting

Steps = Annotated[int, Range(1, 4096)]
"""Time steps, or frames."""
Milestone = Annotated[float, Range(0, 1, open_least=True)]
"""A share of the epochs."""


@dataclass(frozen=True)
class ModelConfig:
    """Which network: `SYSTEM_BACKBONE` with its weights and the system's own arguments."""

    system: str = "tsm"
    """Temporal system: see `kinesics models`."""
    backbone: str = "resnet50"
    """Backbone: see `kinesics models`."""
    weights: str | None = "imagenet"
    """Where the backbone's weights come from: imagenet, kinetics, a file, a run's folder, or None for random."""
    dropout: ShareBelowOne = 0.5
    """Probability of dropping a feature before the classifier."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the system itself, such as {"direction": "past"}."""

    def __post_init__(self) -> None:
        check_fields(self, "model.")

    @property
    def name(self) -> str:
        """The model's name, such as tsm_resnet50."""
        return f"{self.system}_{self.backbone}"


@dataclass(frozen=True)
class InputConfig:
    """What the network sees of a video in training."""

    modality: Literal["rgb", "flow"] = "rgb"
    """Frames, or the optical flow from each frame to the next (2 channels)."""
    warped: bool | None = None
    """Flow without the camera's motion (`kinesics flow --warp`), or with it; None for either."""
    num_segments: Steps = 8
    """Segments of a clip, each a time step; T of them."""
    steps_per_segment: Steps = 1
    """Time steps in each segment, `stride` frames apart: T is num_segments times as many. Not for dense sampling."""
    frames_per_segment: Steps = 1
    """Consecutive frames F stacked in a time step."""
    sampling: Literal["segments", "dense"] = "segments"
    """One frame from each equal share of the video, or T neighbours `stride` frames apart."""
    stride: Steps = 8
    """Frames between the time steps of dense sampling, or of a segment."""
    resize: RangeSetting = 256
    """Pixels that frames are decoded to: the short side (256); exactly WIDTHxHEIGHT (340x256: 340 wide, 256 high);
    or LOWEST-HIGHEST (256-320), from which the short side of each training clip is drawn, while tests take the lowest.
    """
    size: SizeSetting = 224
    """Pixels of the crop that the network sees: a square (224), or WIDTHxHEIGHT (256x224: 256 wide, 224 high)."""
    crop: Literal["multi-scale", "resized", "random", "centre"] = "multi-scale"
    """TSN's corner and multi-scale crop, a random resized crop, a crop of `size` at a random place, or the centre."""
    flip: bool = True
    """Mirror half of the clips; left/right classes change places."""
    color_jitter: NotNegative = 0.0
    """Strength of brightness, contrast and saturation changes, drawn once per clip."""
    erasing: Share = 0.0
    """Probability of erasing a rectangle, the same in all frames of a clip."""
    mixup: NotNegative = 0.0
    """Alpha of mixup; 0 for none."""
    cutmix: NotNegative = 0.0
    """Alpha of cutmix; 0 for none."""

    def __post_init__(self) -> None:
        check_fields(self, "input.")
        if self.warped is not None and self.modality != "flow":
            raise UserError(f"input.warped is {self.warped}; expected None, since input.modality is {self.modality}")
        frames = Resize.of(self.resize)
        if not frames.holds(Size.of(self.size)):
            raise UserError(f"input.size is {self.size}; expected {frames.limit} for input.resize {self.resize}")


@dataclass(frozen=True)
class OptimConfig:
    """How the network learns."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum 0.9, or AdamW."""
    nesterov: bool = False
    """With SGD: Nesterov's momentum."""
    learning_rate: Positive = 0.01
    """For a batch of `batch_size` clips; it is scaled with devices and accumulation, and the log says so."""
    weight_decay: NotNegative = 5e-4
    """Not applied to biases and BatchNorm."""
    epochs: Count = 50
    """Passes over the training split."""
    batch_size: Count = 16
    """Clips a device sees at once."""
    accumulate: Count = 1
    """Batches whose gradients are added up before a step."""
    schedule: Literal["step", "cosine"] = "step"
    """Divide by ten at each milestone, or a half cosine to zero."""
    milestones: tuple[Milestone, ...] = (0.4, 0.8)
    """Where `step` divides, as shares of the epochs."""
    warmup_epochs: NotNegative = 0.0
    """Linear warm-up from a tenth of the rate."""
    clip_norm: Positive | None = 20.0
    """Largest norm of the gradient, or None."""
    batch_norm: Literal["train", "partial", "frozen"] = "train"
    """Train all BatchNorms, all but the first frozen (TSN), or all frozen."""
    head_rate: NotNegative = 5.0
    """Learning rate of the classifier, as a multiple."""
    first_conv_rate: Positive = 1.0
    """Learning rate of the backbone's first convolution, as a multiple; TSN's code has 5 for flow."""
    bias_rate: Positive = 1.0
    """Learning rate of the biases of convolutions and linear layers, as a multiple of their weights'; TSN's has 2."""
    head_start: Literal["random", "probe"] = "random"
    """Start the classifier at random, or fitted to the untrained backbone's features of the training clips."""
    backbone_rate: Positive = 1.0
    """Learning rate of the first stage as a multiple; it rises evenly (in ratio) to 1 at the last."""
    frozen_stages: Annotated[int, Range(0)] = 0
    """How many of the backbone's stages, from the first, keep their weights."""
    label_smoothing: ShareBelowOne = 0.0
    """Share of the target spread over all classes."""
    balance: Literal["none", "sampler", "weights"] = "none"
    """Draw classes equally often, weigh their losses, or neither."""
    ema: ShareBelowOne = 0.0
    """Decay of the averaged weights that are tested and saved; 0 for none."""
    patience: Annotated[int, Range(0)] = 0
    """Epochs without a better macro F1 before training stops; 0 for never."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of the forward pass."""
    sync_batch_norm: bool = False
    """With several GPUs: BatchNorms that learn take their statistics from the clips of all of them."""
    deterministic: bool = False
    """Only algorithms that give the same bits each time, on a GPU too; slower."""

    def __post_init__(self) -> None:
        check_fields(self, "optim.")
        if self.nesterov and self.optimizer != "sgd":
            raise UserError(f"optim.nesterov is true and optim.optimizer is {self.optimizer}; expected sgd for it")


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run but the clips."""

    name: str = "tsm"
    model: ModelConfig = field(default_factory=ModelConfig)
    input: InputConfig = field(default_factory=InputConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    seed: Annotated[int, Range(0, 2**63 - 1)] = 0
    """Every random draw follows from it."""

    def __post_init__(self) -> None:
        check_fields(self)

    def with_learning_norms(self) -> Recipe:
        """This recipe; where no weights are loaded, `partial` BatchNorm is `train`: random statistics are not kept."""
        if self.model.weights or self.optim.batch_norm != "partial":
            return self
        return self.with_changes({"optim.batch_norm": "train"})

    def check_kept(self) -> None:
        """Raise UserError where a part of the backbone is to stay as it is, and no weights are loaded into it."""
        if self.model.weights:
            return
        kept = ["optim.batch_norm is frozen"] if self.optim.batch_norm == "frozen" else []
        kept += [f"optim.frozen_stages is {self.optim.frozen_stages}"] if self.optim.frozen_stages else []
        if kept:
            raise UserError(
                f"{self.name}: model.weights is None and {' and '.join(kept)}: what is kept would stay random; "
                "expected weights to start from, or optim.batch_norm train and optim.frozen_stages 0"
            )

    def with_changes(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Recipe:
        """This recipe with some settings changed; what is not named stays, also among the model's arguments.

        Names are nested or dotted: `with_changes(seed=1, optim={"epochs": 5})`, `with_changes({"optim.epochs": 5})`.

        Raises:
            UserError: a setting that does not exist (with the nearest name), or a value that it does not take.
        """
        values = dataclasses.asdict(self)
        for name, value in {**(changes or {}), **more}.items():
            _change(values, name.split("."), value, Recipe, "")
        return from_dict(Recipe, values, "")


def _change(values: dict[str, Any], path: list[str], value: Any, kind: Any, prefix: str) -> None:
    """Put `value` at a dotted path of nested settings; an object of settings is merged, not put in the place."""
    name, rest = path[0], path[1:]
    hint = field_types(kind).get(name) if dataclasses.is_dataclass(kind) else None
    if dataclasses.is_dataclass(kind) and hint is None:
        raise unknown("setting", prefix + name, [prefix + known for known in field_types(kind)])
    if rest or (isinstance(value, Mapping) and isinstance(values.get(name), dict)):
        if not isinstance(values.get(name), dict):
            raise UserError(f"{prefix}{name} holds no settings; found {'.'.join(rest)} below it")
        parts = {tuple(rest): value} if rest else {(key,): part for key, part in value.items()}
        for below, part in parts.items():
            _change(values[name], list(below), part, hint, f"{prefix}{name}.")
    else:
        values[name] = value


T = TypeVar("T")


def from_dict(kind: type[T], values: Mapping[str, Any], source: str) -> T:
    """Settings of `kind` from JSON values; fields left out keep their defaults.

    source: where the values come from, such as a file; it begins the messages.

    Raises:
        UserError: a field that does not exist (with the nearest name), that is missing, or that has a wrong value.
    """
    try:
        return _built(kind, values, "")
    except UserError as error:
        if not source:
            raise
        raise UserError(f"{source}: {error}") from error


def _built(kind: type[T], values: Mapping[str, Any], prefix: str) -> T:
    hints = field_types(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            raise unknown("setting", f"{prefix}{name}", [prefix + known for known in fields])
        if dataclasses.is_dataclass(hints[name]):
            if not isinstance(value, Mapping):
                raise UserError(f"{prefix}{name} is {value!r}; expected an object of settings")
            value = _built(hints[name], value, f"{prefix}{name}.")
        arguments[name] = value
    missing = dataclasses.MISSING
    for name, field_ in fields.items():
        if name not in arguments and field_.default is missing and field_.default_factory is missing:
            raise UserError(f"{prefix}{name} is missing")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def from_json(kind: type[T], text: str, source: str) -> T:
    """Settings of `kind` from JSON text. Raises UserError where it is not; `source` begins the message."""
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{source}: not JSON ({error})") from error
    if not isinstance(values, dict):
        raise UserError(f"{source}: expected a JSON object of settings")
    return from_dict(kind, values, source)
