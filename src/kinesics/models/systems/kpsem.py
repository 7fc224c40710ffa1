"""KPSEM: where the key points of the features move."""

from __future__ import annotations

from kinesics.models.system import System, even_backbone
from kinesics.models.systems.tsn import no_module

SYSTEM = System(
    "kpsem",
    "Key Point Shifts Embedding: where each channel's highest points move from frame to frame",
    no_module,
    heads=("keypoints",),
    backbones=even_backbone,
)
