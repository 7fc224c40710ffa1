"""What every backbone has: stages by name, widths, depths of its parameters and the input that its weights expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.temporal.stream import TemporalStream

STAGES = ("layer2", "layer3", "layer4", "layer5")
"""The papers' Conv2_x … Conv5_x: strides 4, 8, 16 and 32. layer5 is what the classifier sees."""


@dataclass(frozen=True)
class InputNorm:
    """How pixels become the network's input: (x / 255 − mean) / std, with one value per channel of a frame.

    order: "bgr" for weights that expect the channels reversed; mean and std are then in that order too.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Literal["rgb", "bgr"] = "rgb"

    def __call__(self, clips: Tensor) -> Tensor:
        """(…, C, H, W) uint8, or float on the scale 0–255, C a multiple of the channels of a frame → float32."""
        channels = clips.shape[-3]
        if channels % len(self.mean):
            raise ValueError(f"frames have {len(self.mean)} channels each, found {channels} in a time step")
        frames = torch.unflatten(clips.float(), -3, (-1, len(self.mean)))
        if self.order == "bgr":
            frames = frames.flip(-3)
        mean = frames.new_tensor(self.mean)[:, None, None]
        scale = 1 / (255 * frames.new_tensor(self.std))[:, None, None]
        return ((frames - 255 * mean) * scale).flatten(-4, -3)


IMAGENET = InputNorm(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class Backbone(nn.Module):
    """A backbone without its classifier. Subclasses give `stem` and `stage`, and fill in the facts below.

    A class is called with the number of input channels and, unless it `sees_time`, a slot.

    num_features: channels of layer5. widths: channels of every stage. first_conv: the first convolution's name.
    sees_time: whether its own convolutions go over time; such a backbone has no slots.
    strides: pixels of the input for one place of each stage of STAGES, where its features have places.
    published_parameters: how many its authors count, with a classifier of 1000 classes; None where they count another.
    time_strides: time steps of a clip for one of each stage of STAGES.
    mapped: the stages whose features have places; the last may have fully connected layers at its end.
    heat_stage: the stage of `mapped` whose heat maps lie most where things move, as measured: see docs/explain.md.
    stem_width: channels of the stem's output, where the backbone takes a stream beside it.
    stages: the name prefixes of the parameters, shallow to deep, the first convolution's stage being 0. They
        decide what learns slower or stays frozen.
    temporal_stream: None, or a module beside the first stages.
    """

    input_norm: InputNorm = IMAGENET
    num_features: int
    widths: dict[str, int]
    stem_width: int
    sees_time: bool = False
    strides: tuple[int, int, int, int] = (4, 8, 16, 32)
    published_parameters: int | None = None
    time_strides: tuple[int, int, int, int] = (1, 1, 1, 1)
    mapped: tuple[str, ...] = STAGES
    heat_stage: str = "layer4"
    first_conv: str
    stages: tuple[tuple[str, ...], ...]

    def __init__(self) -> None:
        super().__init__()
        self.temporal_stream: TemporalStream | None = None

    def stem(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'), what comes before layer2 and has no slots."""
        raise TypeError(f"{type(self).__name__} has no stem")

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'), one stage of STAGES on the output of the one before."""
        raise TypeError(f"{type(self).__name__} has no stages")

    def pooled(self, x: Tensor, t: int) -> tuple[Tensor, int]:
        """(N*T, C, H, W), T → what layer2 sees, (N*T', C, H, W), T'. The same, unless a backbone pools over time."""
        return x, t

    def first_blocks(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """What follows the first convolution in the stem, and layer2: modules of (x, t), to run beside them."""
        raise TypeError(f"{type(self).__name__} takes no stream beside its first stages")

    def forward_stages(self, clips: Tensor, names: Sequence[str] = ("layer5",)) -> dict[str, Tensor]:
        """(N, T, C, H, W) normalised → {name: (N, T', C', H', W')} for the names asked for, and no stage beyond them.

        T' is T / time_strides of the stage, rounded up. What follows a stage is computed from the features that are
        given, so that gradients reach them.
        """
        n, t = clips.shape[:2]
        features: dict[str, Tensor] = {}
        frames, added = self.temporal_stream(clips) if self.temporal_stream else (clips.flatten(0, 1), {})
        x, t = self.pooled(with_added(self.stem(frames), added.get("stem")), t)
        for name in STAGES:
            x = with_added(self.stage(name, x, t), added.get(name))
            if name in names:
                features[name] = torch.unflatten(x, 0, (n, t))
                if not torch.compiler.is_exporting():  # a graph has no use for it, and would bind T by it
                    x = features[name].flatten(0, 1)
            if len(features) == len(names):
                return features
        raise KeyError(f"stages are {', '.join(STAGES)}; expected some of them, found {', '.join(names)}")

    def stage_of(self, parameter: str) -> int:
        """The stage of a parameter by its name: 0 with the first convolution, len(stages) − 1 for the deepest."""
        if parameter.startswith("temporal_stream."):
            return len(self.stages) - 1
        for stage, prefixes in enumerate(self.stages):
            if any(parameter.startswith(f"{prefix}.") for prefix in prefixes):
                return stage
        raise KeyError(parameter)


def with_added(x: Tensor, added: Tensor | None) -> Tensor:
    """(N*T, C, H, W) plus a tensor of fewer pixels, each repeated; or x itself."""
    return x if added is None else x + F.interpolate(added, x.shape[2:])
