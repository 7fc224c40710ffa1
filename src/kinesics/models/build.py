"""Models by name: SYSTEM_BACKBONE → a recognizer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from kinesics.errors import UserError, unknown
from kinesics.models.backbones.backbone import Backbone
from kinesics.models.backbones.bninception import BNInception
from kinesics.models.backbones.c3d import C3D
from kinesics.models.backbones.efficientnet_lite import EfficientNetLite0
from kinesics.models.backbones.i3d import I3D50
from kinesics.models.backbones.mfnet import MFNet
from kinesics.models.backbones.mobilenetv2 import MobileNetV2
from kinesics.models.backbones.r2plus1d import r2plus1d18, r2plus1d34
from kinesics.models.backbones.res2net import res2net50
from kinesics.models.backbones.resnet import R3D50, resnet18, resnet34, resnet50
from kinesics.models.heads.average import AverageHead
from kinesics.models.heads.head import Head
from kinesics.models.heads.keypoints import KeyPointHead
from kinesics.models.heads.local import LocalHead
from kinesics.models.heads.ordered import OrderedHead
from kinesics.models.heads.pyramid import PyramidHead
from kinesics.models.recognizer import Recognizer
from kinesics.models.temporal.mdt import FRAMES, MDT, MotionStream
from kinesics.models.temporal.shift import Direction, TemporalShift
from kinesics.models.temporal.slot import Slot, still
from kinesics.models.temporal.tea import TEA
from kinesics.models.temporal.tefe import TEFE
from kinesics.models.weights.load import load_weights


def tsn() -> Slot:
    """TSN's slot: empty."""
    return still


def plain() -> Slot:
    """An empty slot, for backbones that see time by themselves."""
    return still


def tsm(*, direction: Direction = "both", fold_div: int = 8) -> Slot:
    """TSM's slot: the temporal shift."""
    return lambda site: TemporalShift(direction, fold_div)


def tea() -> Slot:
    """TEA's slot: gains from motion, and convolutions over time from group to group."""
    return lambda site: TEA(site.width, site.groups)


@dataclass(frozen=True)
class System:
    """A way to use time: what stands in the blocks' slots, and the heads it may have, its own first.

    backbones: those that it can stand in; None for all of FRAME_BACKBONES. frames: consecutive frames of a time step.
    stream: what is made beside the backbone, of the backbone.
    """

    slot: Callable[..., Slot]
    heads: tuple[str, ...]
    title: str
    backbones: tuple[str, ...] | None = None
    stream: Callable[..., nn.Module] | None = None
    frames: int = 1


FRAME_BACKBONES = ("resnet18", "resnet34", "resnet50", "res2net50", "mobilenetv2", "efficientnet_lite0", "bninception")
"""Backbones that see every frame for itself, and have slots."""
EVEN_BACKBONES = ("r3d50", "mfnet")
"""Backbones that see time by themselves, all stages at the same time steps."""
CLIP_BACKBONES = (*EVEN_BACKBONES, "c3d", "r2plus1d18", "r2plus1d34", "i3d50")
"""Backbones that see time by themselves."""
MEANS = ("average", "ordered", "keypoints")
"""Heads for what any module leaves in the last stage."""
SYSTEMS: dict[str, System] = {
    "tsn": System(tsn, MEANS, "Temporal Segment Networks: every frame for itself"),
    "tsm": System(tsm, MEANS, "Temporal Shift Module: channels from the neighbouring frames"),
    "plain": System(plain, MEANS, "No module: the backbone sees time by itself", CLIP_BACKBONES),
    "kpsem": System(
        plain,
        ("keypoints",),
        "Key Point Shifts Embedding: where each channel's highest points go from frame to frame",
        (*FRAME_BACKBONES, *EVEN_BACKBONES),
    ),
    "mlfe": System(tsm, ("local",), "Multi-Layer Local Features: TSM, and patches of low stages where classes peak"),
    "stp": System(tsn, ("pyramid",), "Segment-level Temporal Pyramid: means of a segment, its halves and its quarters"),
    "tefe": System(
        TEFE,
        MEANS,
        "Temporal Extraction and Feature Enhancement: gates over time, and products of 3D convolutions",
        ("resnet18", "resnet34", "resnet50", "efficientnet_lite0"),
    ),
    "tea": System(
        tea,
        MEANS,
        "Temporal Excitation and Aggregation: gains from motion, and convolutions over time from group to group",
        ("res2net50",),
    ),
    "mdt": System(
        MDT,
        MEANS,
        "MDT-Net: motion salience, fine and coarse differences, deformable and correlated gains",
        ("resnet18", "resnet34", "resnet50", "efficientnet_lite0"),
        stream=MotionStream,
        frames=FRAMES,
    ),
}
BACKBONES: dict[str, Callable[..., Backbone]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "res2net50": res2net50,
    "mobilenetv2": MobileNetV2,
    "efficientnet_lite0": EfficientNetLite0,
    "bninception": BNInception,
    "r3d50": R3D50,
    "mfnet": MFNet,
    "c3d": C3D,
    "r2plus1d18": r2plus1d18,
    "r2plus1d34": r2plus1d34,
    "i3d50": I3D50,
}
HEADS: dict[str, Callable[..., Head]] = {
    "average": AverageHead,
    "ordered": OrderedHead,
    "local": LocalHead,
    "pyramid": PyramidHead,
    "keypoints": KeyPointHead,
}
CHANNELS = {"rgb": 3, "flow": 2}


def build(
    system: str,
    backbone: str,
    num_classes: int,
    *,
    modality: str,
    frames_per_segment: int,
    dropout: float,
    head: str | None,
    **model_args: Any,
) -> Recognizer:
    """The recognizer of one system on one backbone, with random weights. See `create_model`."""
    kind = SYSTEMS[system]
    head = head or kind.heads[0]
    if head not in kind.heads:
        raise unknown("head", head, kind.heads)
    if modality not in CHANNELS:
        raise unknown("modality", modality, CHANNELS)
    if num_classes < 1 or frames_per_segment < 1:
        raise UserError(f"a model needs a class and a frame, found {num_classes} and {frames_per_segment}")
    if not 0 <= dropout < 1:
        raise UserError(f"dropout is a probability below 1, found {dropout}")
    parts = {"slot": kind.slot, "stream": kind.stream, "head": HEADS[head]}
    known = {part: own_arguments(made) if made else set() for part, made in parts.items()}
    for name in model_args:
        if not any(name in names for names in known.values()):
            raise unknown(f"argument of {system} with head {head}", name, sorted(set().union(*known.values())))
    given = {
        part: {name: value for name, value in model_args.items() if name in names} for part, names in known.items()
    }
    frames = 1 if kind.stream else frames_per_segment  # a stream takes the time steps apart itself
    made, channels = BACKBONES[backbone], CHANNELS[modality] * frames
    slot = kind.slot(**given["slot"])
    network = made(channels, slot) if "slot" in inspect.signature(made).parameters else made(channels)
    if kind.stream:
        network.temporal_stream = kind.stream(network, **given["stream"])
    if "time_stride" in inspect.signature(HEADS[head]).parameters:
        given["head"]["time_stride"] = network.time_strides[0]  # the same in all stages, see EVEN_BACKBONES
    tail = HEADS[head](network.widths, num_classes, dropout, **given["head"])
    return Recognizer(
        f"{system}_{backbone}",
        network,
        tail,
        num_classes=num_classes,
        modality=modality,
        arguments={"frames_per_segment": frames_per_segment, "dropout": dropout, "head": head, **model_args},
    )


def own_arguments(function: Callable[..., Any]) -> set[str]:
    """The names of the arguments that a slot, stream or head has of its own."""
    settled = {"backbone", "widths", "num_classes", "dropout", "time_stride"}
    return set(inspect.signature(function).parameters) - settled


PARTS: dict[str, tuple[str, str]] = {
    f"{name}_{backbone}": (name, backbone)
    for name, system in SYSTEMS.items()
    for backbone in system.backbones or FRAME_BACKBONES
}
"""Every model's system and backbone."""
MODELS: dict[str, Callable[..., Recognizer]] = {name: partial(build, *parts) for name, parts in PARTS.items()}


def fixes_steps(name: str, head: str | None = None) -> bool:
    """Whether a model with this head is made for one number of time steps, its argument num_steps.

    Raises UserError where there is no such model or head.
    """
    if name not in PARTS:
        raise unknown("model", name, PARTS)
    system = SYSTEMS[PARTS[name][0]]
    head = head or system.heads[0]
    if head not in HEADS:
        raise unknown("head", head, HEADS)
    return any("num_steps" in own_arguments(part) for part in (system.slot, HEADS[head]))


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
        modality: "rgb" (3 channels a frame) or "flow" (2).
        frames_per_segment: F, consecutive frames stacked in a time step: clips have 3·F or 2·F channels. By default as
            many as the system takes: 5 for mdt, 1 for the others.
        weights: None for random ones, "imagenet", "kinetics", or a file. `load_weights` does the same and returns its
            report.
        head: "average", "ordered", "keypoints", or None for the system's own.
        model_args: the system's and the head's own, such as direction="past" (tsm) or moments=4 (ordered).

    Raises:
        UserError: an unknown name, with the nearest known one, or weights that cannot be had.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    model = MODELS[name](
        num_classes,
        modality=modality,
        frames_per_segment=frames_per_segment or SYSTEMS[PARTS[name][0]].frames,
        dropout=dropout,
        head=head,
        **model_args,
    )
    if weights is not None:
        load_weights(model, weights)
    return model


def model_table() -> list[dict[str, str]]:
    """One row a model: its name, system, backbone and what the system is."""
    return [
        {"model": name, "system": system, "backbone": backbone, "title": SYSTEMS[system].title}
        for name, (system, backbone) in PARTS.items()
    ]
