"""A backbone and a head: clips in, class scores out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from kinesics.models.backbones.backbone import Backbone, InputNorm
from kinesics.models.heads.head import Head


class Recognizer(nn.Module):
    """The network of one model name. Parameters are `backbone.` + the backbone's public names, and `head.…`.

    `create_model(name, num_classes, modality=modality, **arguments)` builds it again; arguments are ready for JSON.
    input_norm: how pixels become its input, see `InputNorm`.
    """

    def __init__(
        self,
        name: str,
        backbone: Backbone,
        head: Head,
        *,
        num_classes: int,
        modality: str,
        arguments: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.name = name
        self.backbone = backbone
        self.head = head
        self.num_classes = num_classes
        self.modality = modality
        self.arguments = dict(arguments)
        self.input_norm = norm_of(backbone.input_norm, self.modality)

    @property
    def backbone_name(self) -> str:
        """The backbone's name: resnet50 of tsm_resnet50."""
        return self.name.partition("_")[2]

    @property
    def channels(self) -> int:
        """Channels of a time step: of a frame or a flow, times the frames of a time step."""
        return len(self.mean) * int(self.arguments["frames_per_segment"])

    @property
    def mean(self) -> tuple[float, ...]:
        """What is subtracted from each channel of a frame, on the scale 0–1, in `input_norm.order`."""
        return self.input_norm.mean

    @property
    def std(self) -> tuple[float, ...]:
        """What each channel of a frame is divided by, on the scale 0–1, in `input_norm.order`."""
        return self.input_norm.std

    @overload
    def forward(self, clips: Tensor) -> Tensor: ...

    @overload
    def forward(self, clips: Tensor, *, terms: Literal[True]) -> tuple[tuple[Tensor, float], ...]: ...

    def forward(self, clips: Tensor, *, terms: bool = False) -> Tensor | tuple[tuple[Tensor, float], ...]:
        """(N, T, C, H, W) float, normalised → (N, K) logits; with `terms`, what the loss is made of, see `Head.terms`.

        T is free, unless the head says otherwise.
        """
        features = self.backbone.forward_stages(clips, self.head.needs)
        if terms:
            return self.head.terms(features)
        logits: Tensor = self.head(features)
        return logits

    def frame_features(self, clips: Tensor) -> Tensor:
        """(N, T, C, H, W) float, normalised → (N, T', D): the backbone's last stage, averaged over the picture."""
        return self.backbone.forward_stages(clips)["layer5"].mean(dim=(3, 4))

    def channels_last(self) -> Recognizer:
        """Itself, its convolutions' weights laid out with channels last, which is quicker on a CPU by a third."""
        layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
        for parameter in self.parameters():
            if parameter.ndim in layouts:
                parameter.data = parameter.data.contiguous(memory_format=layouts[parameter.ndim])
        return self

    def is_added(self, parameter: str) -> bool:
        """Whether a parameter, by its full name, is the head's or the system's own, which published backbones lack."""
        return not parameter.startswith("backbone.") or ".temporal" in parameter

    def stage_of(self, parameter: str) -> int | None:
        """The backbone's stage of a parameter by its full name: 0 with the first convolution; None in the head."""
        kind, _, name = parameter.partition(".")
        return self.backbone.stage_of(name) if kind == "backbone" else None


def norm_of(norm: InputNorm, modality: str) -> InputNorm:
    """The backbone's norm for RGB; for flow, of two channels, TSN's: mean 128, no movement, and the mean of its std."""
    if modality == "rgb":
        return norm
    std = sum(norm.std) / len(norm.std)
    return replace(norm, mean=(128 / 255, 128 / 255), std=(std, std), order="rgb")
