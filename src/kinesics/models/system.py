"""What a system is: what its temporal slots hold, the heads it may have, and the backbones it runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kinesics.models.backbones.backbone import Backbone
from kinesics.models.temporal.slot import Slot
from kinesics.models.temporal.stream import TemporalStream

MEANS = ("average", "ordered", "keypoints")
"""Heads for what any module leaves in the last stage."""


def frame_backbone(backbone: type[Backbone]) -> bool:
    """Whether a backbone sees every frame by itself, and so has slots for a module over time."""
    return not backbone.sees_time


def even_backbone(backbone: type[Backbone]) -> bool:
    """Whether all stages of a backbone have the same number of time steps."""
    return len(set(backbone.time_strides)) == 1


@dataclass(frozen=True)
class System:
    """A way to use time. `register_system` makes models of it, one for each backbone that it runs on.

    name: the first part of its models' names; no underscore. title: one line for the list of systems.
    slot: makes the temporal module of each block; its arguments are the model's. heads: names of heads, its own first.
    backbones: their names, or a test of a backbone's class.
    stream: what is made beside the backbone, from the backbone; see `Backbone.temporal_stream`.
    frames: consecutive frames of one time step.
    """

    name: str
    title: str
    slot: Callable[..., Slot]
    heads: tuple[str, ...] = MEANS
    backbones: tuple[str, ...] | Callable[[type[Backbone]], bool] = frame_backbone
    stream: Callable[..., TemporalStream] | None = None
    frames: int = 1

    def runs_on(self, name: str, backbone: type[Backbone]) -> bool:
        """Whether there is a model of this system on a backbone."""
        return self.backbones(backbone) if callable(self.backbones) else name in self.backbones
