"""TEFE: gates over time, and feature enhancement by products of 3D convolutions."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.temporal.tefe import TEFE

SYSTEM = System(
    "tefe",
    "Temporal Extraction and Feature Enhancement: gates over time, and products of 3D convolutions",
    TEFE,
    backbones=("resnet18", "resnet34", "resnet50", "efficientnet_lite0"),
)
