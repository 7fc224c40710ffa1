"""TSN: every frame by itself, and the mean of their features."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.temporal.slot import Slot, still


def no_module() -> Slot:
    """A slot without a module."""
    return still


SYSTEM = System("tsn", "Temporal Segment Networks: every frame by itself", no_module)
