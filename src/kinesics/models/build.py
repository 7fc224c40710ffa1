"""Models by name: SYSTEM_BACKBONE → a recognizer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

from kinesics.checks import Count, Range, ShareBelowOne, checked
from kinesics.errors import unknown
from kinesics.models.backbones.backbone import Backbone
from kinesics.models.heads.head import Head
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import BACKBONES, HEADS, SYSTEMS, list_models, parts_of
from kinesics.models.temporal.slot import Slot
from kinesics.models.temporal.stream import TemporalStream
from kinesics.models.weights.load import load_weights

CHANNELS = {"rgb": 3, "flow": 2}
"""Channels of one frame by modality."""
MOST_CLASSES = 100_000
"""A limit that only a damaged or hostile file exceeds."""
GIVEN = {"backbone", "widths", "num_classes", "dropout", "time_stride"}
"""Arguments of slots, streams and heads that follow from the model itself."""


def create_model(
    name: str,
    num_classes: int,
    *,
    modality: str = "rgb",
    frames_per_segment: int | None = None,
    weights: str | None = None,
    dropout: float = 0.5,
    head: str | None = None,
    **model_args: Any,
) -> Recognizer:
    """A recognizer by its name, such as tsm_resnet50.

    Args:
        modality: "rgb" (3 channels per frame) or "flow" (2).
        frames_per_segment: F, consecutive frames stacked in a time step: clips have 3·F or 2·F channels. By default as
            many as the system takes.
        weights: None for random ones, "imagenet", "kinetics", or a file. `load_weights` does the same and returns its
            report.
        head: "average", "ordered", "keypoints", or None for the system's own.
        model_args: the system's and the head's own, such as direction="past" (tsm) or moments=4 (ordered).

    Raises:
        UserError: an unknown name, with the nearest known one, an argument that does not fit, or weights that are not
            found.
    """
    system, backbone = parts_of(name)
    frames_per_segment = frames_per_segment or system.frames
    if modality not in CHANNELS:
        raise unknown("modality", modality, CHANNELS)
    checked(num_classes, Annotated[int, Range(1, MOST_CLASSES)], f"{name}: num_classes")
    checked(frames_per_segment, Count, f"{name}: frames_per_segment")
    checked(dropout, ShareBelowOne, f"{name}: dropout")
    checked(head, str | None, f"{name}: head")
    parts = Parts.of(name, head)
    given = parts.sorted_arguments(model_args)
    frames = 1 if system.stream else frames_per_segment  # a stream splits the time steps itself
    network = build_backbone(BACKBONES[backbone], CHANNELS[modality] * frames, system.slot(**given["slot"]))
    if system.stream:
        network.temporal_stream = system.stream(network, **given["stream"])
    if "time_stride" in inspect.signature(parts.head).parameters:
        given["head"]["time_stride"] = network.time_strides[0]  # the same in all stages, see `even_backbone`
    model = Recognizer(
        name,
        network,
        parts.head(network.widths, num_classes, dropout, **given["head"]),
        num_classes=num_classes,
        modality=modality,
        arguments={
            "frames_per_segment": frames_per_segment,
            "dropout": dropout,
            "head": parts.head_name,
            **model_args,
        },
    )
    if weights is not None:
        load_weights(model, weights)
    return model


def build_backbone(backbone: type[Backbone], channels: int, slot: Slot) -> Backbone:
    """A backbone for so many input channels; with a module in each slot where it has slots."""
    if "slot" in inspect.signature(backbone).parameters:
        return backbone(channels, slot)  # type: ignore[call-arg]
    return backbone(channels)  # type: ignore[call-arg]


@dataclass(frozen=True)
class Parts:
    """What a model is made from: its slot, its head, and the stream beside its backbone where it has one."""

    name: str
    head_name: str
    slot: Callable[..., Slot]
    head: Callable[..., Head]
    stream: Callable[..., TemporalStream] | None

    @staticmethod
    def of(name: str, head: str | None = None) -> Parts:
        """The parts of a model with one of its heads. Raises UserError where there is no such model or head."""
        system, _ = parts_of(name)
        head = head or system.heads[0]
        if head not in system.heads:
            raise unknown(f"head of {system.name}", head, system.heads)
        return Parts(name, head, system.slot, HEADS[head], system.stream)

    @property
    def arguments(self) -> dict[str, set[str]]:
        """The names of the arguments of each part: slot, head, stream."""
        made = {"slot": self.slot, "head": self.head, "stream": self.stream}
        return {part: own_arguments(function) if function else set() for part, function in made.items()}

    @property
    def types(self) -> dict[str, Any]:
        """The types of the arguments that say theirs."""
        types: dict[str, Any] = {}
        for function in (self.slot, self.head, self.stream):
            if function is not None:
                own = own_arguments(function)
                hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
                types.update({name: hint for name, hint in hints.items() if name in own})
        return types

    def sorted_arguments(self, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The arguments of each part among `values`.

        Raises:
            UserError: a name that no part has, or a value of another type than its argument.
        """
        known = self.arguments
        names = set().union(*known.values())
        for name in values:
            if name not in names:
                raise unknown(f"argument of {self.name} with head {self.head_name}", name, sorted(names))
        for name, hint in self.types.items():
            if name in values:
                checked(values[name], hint, f"{self.name}: argument {name}")
        return {part: {name: values[name] for name in values if name in own} for part, own in known.items()}


def own_arguments(function: Callable[..., Any]) -> set[str]:
    """The names of the arguments that a slot, stream or head has of its own."""
    return set(inspect.signature(function).parameters) - GIVEN


def fixes_steps(name: str, head: str | None = None) -> bool:
    """Whether a model with this head is made for one number of time steps, its argument num_steps."""
    return "num_steps" in argument_names(name, head)


def argument_names(name: str, head: str | None = None) -> set[str]:
    """The names of the arguments that a model with this head takes for its slot and its head.

    Raises:
        UserError: there is no such model or head.
    """
    arguments = Parts.of(name, head).arguments
    return arguments["slot"] | arguments["head"]


def model_table() -> list[dict[str, str]]:
    """One row per model: its name, system, backbone and what the system is."""
    rows = []
    for name in list_models():
        system, backbone = parts_of(name)
        rows.append({"model": name, "system": system.name, "backbone": backbone, "title": SYSTEMS[system.name].title})
    return rows
