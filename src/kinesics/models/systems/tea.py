"""TEA: gains from motion, and convolutions over time from group to group of Res2Net's channels."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.temporal.slot import Slot
from kinesics.models.temporal.tea import TEA


def tea() -> Slot:
    """TEA's module in every block."""
    return lambda site: TEA(site.width, site.groups)


SYSTEM = System(
    "tea",
    "Temporal Excitation and Aggregation: gains from motion, and convolutions over time from group to group",
    tea,
    backbones=("res2net50",),
)
