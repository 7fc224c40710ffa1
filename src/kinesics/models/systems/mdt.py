"""MDT-Net: a stream of motion beside the first stages, and gains of channels from motion in the later ones."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.temporal.mdt import FRAMES, MDT, MotionStream

SYSTEM = System(
    "mdt",
    "MDT-Net: motion salience, fine and coarse differences, deformable and correlated gains",
    MDT,
    backbones=("resnet18", "resnet34", "resnet50", "efficientnet_lite0"),
    stream=MotionStream,
    frames=FRAMES,
)
