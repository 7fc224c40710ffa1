"""No module over time: for backbones that see time themselves."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.systems.tsn import no_module

SYSTEM = System(
    "plain", "No module: the backbone sees time itself", no_module, backbones=lambda backbone: backbone.sees_time
)
