"""The settings of a run: frozen dataclasses with checked values, JSON in and out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_type_hints

from kinesics.errors import UserError, unknown


@dataclass(frozen=True)
class ModelConfig:
    """Which network: `SYSTEM_BACKBONE` with its weights and the system's own arguments."""

    system: str = "tsm"
    """Temporal system: see `kinesics models`."""
    backbone: str = "resnet50"
    """Backbone: see `kinesics models`."""
    weights: str | None = "imagenet"
    """Where the backbone's weights come from: imagenet, kinetics, a file, or None for random."""
    dropout: float = 0.5
    """Probability of dropping a feature before the classifier."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the system itself, such as {"direction": "past"}."""

    @property
    def name(self) -> str:
        """The model's name, such as tsm_resnet50."""
        return f"{self.system}_{self.backbone}"


@dataclass(frozen=True)
class InputConfig:
    """What the network sees of a video in training."""

    modality: Literal["rgb", "flow"] = "rgb"
    """Frames, or the optical flow from each frame to the next (2 channels)."""
    num_segments: int = 8
    """Segments of a clip, each a time step; T of them."""
    steps_per_segment: int = 1
    """Time steps in each segment, `stride` frames apart: T is num_segments times as many. Not for dense sampling."""
    frames_per_segment: int = 1
    """Consecutive frames F stacked in a time step."""
    sampling: Literal["segments", "dense"] = "segments"
    """One frame from each equal share of the video, or T neighbours `stride` frames apart."""
    stride: int = 8
    """Frames between the time steps of dense sampling, or of a segment."""
    resize: int = 256
    """Short side that frames are decoded to, in pixels."""
    size: int = 224
    """Side of the square crop that the network sees, in pixels."""
    crop: Literal["multi-scale", "resized", "centre"] = "multi-scale"
    """TSN's corner and multi-scale crop, a random resized crop, or the centre."""
    flip: bool = True
    """Mirror half of the clips; left/right classes change places."""
    color_jitter: float = 0.0
    """Strength of brightness, contrast and saturation changes, one draw a clip."""
    erasing: float = 0.0
    """Probability of erasing a rectangle, the same in all frames of a clip."""
    mixup: float = 0.0
    """Alpha of mixup; 0 for none."""
    cutmix: float = 0.0
    """Alpha of cutmix; 0 for none."""


@dataclass(frozen=True)
class OptimConfig:
    """How the network learns."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD with momentum 0.9, or AdamW."""
    learning_rate: float = 0.01
    """For a batch of `batch_size` clips; it is scaled with devices and accumulation, and the log says so."""
    weight_decay: float = 5e-4
    """Not applied to biases and BatchNorm."""
    epochs: int = 50
    """Passes over the training split."""
    batch_size: int = 16
    """Clips a device sees at once."""
    accumulate: int = 1
    """Batches whose gradients are added up before a step."""
    schedule: Literal["step", "cosine"] = "step"
    """Divide by ten at each milestone, or a half cosine to zero."""
    milestones: tuple[float, ...] = (0.4, 0.8)
    """Where `step` divides, as shares of the epochs."""
    warmup_epochs: float = 0.0
    """Linear warm-up from a tenth of the rate."""
    clip_norm: float | None = 20.0
    """Largest norm of the gradient, or None."""
    batch_norm: Literal["train", "partial", "frozen"] = "partial"
    """Train all BatchNorms, all but the first frozen (TSN), or all frozen."""
    head_rate: float = 5.0
    """Learning rate of the classifier, as a multiple."""
    head_start: Literal["random", "probe"] = "random"
    """Start the classifier at random, or fitted to the untrained backbone's features of the training clips."""
    backbone_rate: float = 1.0
    """Learning rate of the first stage as a multiple; it rises evenly (in ratio) to 1 at the last."""
    frozen_stages: int = 0
    """How many of the backbone's stages, from the first, keep their weights."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes."""
    balance: Literal["none", "sampler", "weights"] = "none"
    """Draw classes equally often, weigh their losses, or neither."""
    ema: float = 0.0
    """Decay of the averaged weights that are tested and saved; 0 for none."""
    patience: int = 0
    """Epochs without a better macro F1 before training stops; 0 for never."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of the forward pass."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run but the clips."""

    name: str = "tsm"
    model: ModelConfig = field(default_factory=ModelConfig)
    input: InputConfig = field(default_factory=InputConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    seed: int = 0
    """Every random draw follows from it."""


T = TypeVar("T")


def to_json(config: Any) -> str:
    """The settings as JSON text, in the order of their fields."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_dict(kind: type[T], values: Mapping[str, Any], source: str) -> T:
    """Settings of `kind` from JSON values; fields left out keep their defaults.

    Raises:
        UserError: a field that does not exist (with the nearest name) or a value out of range; `source` says where.
    """
    hints = get_type_hints(kind)
    fields = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            raise UserError(f"{source}: {unknown('setting', name, sorted(fields))}")
        if dataclasses.is_dataclass(hints[name]):
            value = from_dict(hints[name], value, source)
        made[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**made)
    except (TypeError, ValueError) as error:
        raise UserError(f"{source}: {error}") from error


def from_json(kind: type[T], text: str, source: str) -> T:
    """Settings of `kind` from JSON text. Raises UserError where it is not."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{source}: not JSON ({error})") from error
    if not isinstance(values, dict):
        raise UserError(f"{source}: wanted a JSON object of settings")
    return from_dict(kind, values, source)
