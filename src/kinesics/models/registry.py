"""Which systems, backbones and heads there are, and how a user's own ones join them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

from kinesics.errors import UserError, unknown
from kinesics.models.backbones.backbone import Backbone
from kinesics.models.backbones.bninception import BNInception
from kinesics.models.backbones.c3d import C3D
from kinesics.models.backbones.efficientnet_lite import EfficientNetLite0
from kinesics.models.backbones.i3d import I3D50
from kinesics.models.backbones.mfnet import MFNet
from kinesics.models.backbones.mobilenetv2 import MobileNetV2
from kinesics.models.backbones.r2plus1d import R2Plus1D18, R2Plus1D34
from kinesics.models.backbones.res2net import Res2Net50
from kinesics.models.backbones.resnet import R3D50, ResNet18, ResNet34, ResNet50
from kinesics.models.heads.average import AverageHead
from kinesics.models.heads.head import Head
from kinesics.models.heads.keypoints import KeyPointHead
from kinesics.models.heads.local import LocalHead
from kinesics.models.heads.ordered import OrderedHead
from kinesics.models.heads.pyramid import PyramidHead
from kinesics.models.system import System
from kinesics.models.systems import BUILT_IN
from kinesics.models.weights.sources import PUBLIC, public_file

BACKBONES: dict[str, type[Backbone]] = {
    "resnet18": ResNet18,
    "resnet34": ResNet34,
    "resnet50": ResNet50,
    "res2net50": Res2Net50,
    "mobilenetv2": MobileNetV2,
    "efficientnet_lite0": EfficientNetLite0,
    "bninception": BNInception,
    "r3d50": R3D50,
    "mfnet": MFNet,
    "c3d": C3D,
    "r2plus1d18": R2Plus1D18,
    "r2plus1d34": R2Plus1D34,
    "i3d50": I3D50,
}
HEADS: dict[str, Callable[..., Head]] = {
    "average": AverageHead,
    "ordered": OrderedHead,
    "local": LocalHead,
    "pyramid": PyramidHead,
    "keypoints": KeyPointHead,
}
SYSTEMS: dict[str, System] = {system.name: system for system in BUILT_IN}


def register_system(system: System) -> None:
    """Make models of a system: create_model("NAME_BACKBONE", …) builds them from now on, in this process.

    Raises:
        UserError: a name that is taken or not one word, or a head that does not exist.
    """
    check_name(system.name, "system", SYSTEMS, r"[a-z][a-z0-9]*")
    if not system.heads:
        raise UserError(f"system {system.name}: has no head; expected at least one of {', '.join(HEADS)}")
    for head in system.heads:
        if head not in HEADS:
            raise unknown(f"head of system {system.name}", head, HEADS)
    SYSTEMS[system.name] = system


def register_backbone(name: str, backbone: type[Backbone]) -> None:
    """Let every system that can run on a backbone have a model on it.

    backbone: called with the number of input channels and, where `sees_time` is false, a slot.

    Raises:
        UserError: a name that is taken or not one word.
    """
    check_name(name, "backbone", BACKBONES, r"[a-z][a-z0-9_]*")
    BACKBONES[name] = backbone


def register_head(name: str, head: Callable[..., Head]) -> None:
    """Let systems name a head. It is called with the stages' widths, the number of classes and the dropout.

    Raises:
        UserError: a name that is taken or not one word.
    """
    check_name(name, "head", HEADS, r"[a-z][a-z0-9_]*")
    HEADS[name] = head


def check_name(name: str, kind: str, existing: object, pattern: str) -> None:
    """Raise UserError where a name of a new part is taken, or has other characters than expected."""
    if not re.fullmatch(pattern, name):
        allowed = "letters and digits" if "_" not in pattern else "letters, digits and underscores"
        raise UserError(f"{kind} '{name}': expected a name of small {allowed}, such as my{kind}")
    if isinstance(existing, dict) and name in existing:
        raise UserError(f"{kind} '{name}': the name is taken; choose another")


def list_models(pattern: str = "*", *, pretrained: str | bool | None = None) -> list[str]:
    """The names of all models, SYSTEM_BACKBONE, that match a pattern such as "tsm_*" or "*resnet50".

    pretrained: only those with public weights: "imagenet", "kinetics", or True for any; False for none.

    Raises:
        UserError: other weights than these.
    """
    if isinstance(pretrained, str) and pretrained not in PUBLIC:
        raise unknown("public weights", pretrained, PUBLIC)
    return [
        f"{system.name}_{name}"
        for system in SYSTEMS.values()
        for name, backbone in BACKBONES.items()
        if system.runs_on(name, backbone)
        and fnmatch.fnmatchcase(f"{system.name}_{name}", pattern)
        and has_weights(f"{system.name}_{name}", pretrained)
    ]


def has_weights(model: str, pretrained: str | bool | None) -> bool:
    """Whether a model has the public weights that are asked for."""
    if pretrained is None:
        return True
    if isinstance(pretrained, str):
        return public_file(pretrained, model) is not None
    return pretrained == any(public_file(source, model) for source in PUBLIC)


def parts_of(model: str) -> tuple[System, str]:
    """The system and the name of the backbone of a model.

    Raises:
        UserError: there is no such model; the nearest name is given.
    """
    system, _, backbone = model.partition("_")
    if backbone in BACKBONES and system not in SYSTEMS:
        raise UserError(
            f"unknown system '{system}' in '{model}'; expected one of {', '.join(SYSTEMS)}; a system of your own is "
            "known once its module is imported (docs/extending.md)"
        )
    if system in SYSTEMS and backbone in BACKBONES and SYSTEMS[system].runs_on(backbone, BACKBONES[backbone]):
        return SYSTEMS[system], backbone
    raise unknown("model", model, list_models(f"{system}_*" if system in SYSTEMS else "*"))
