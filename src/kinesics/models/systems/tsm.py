"""TSM: some channels come from the neighbouring frames."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.temporal.shift import Direction, TemporalShift
from kinesics.models.temporal.slot import Slot


def shift(*, direction: Direction = "both", fold_div: int = 8) -> Slot:
    """The temporal shift in every block."""
    return lambda site: TemporalShift(direction, fold_div)


SYSTEM = System("tsm", "Temporal Shift Module: channels from the neighbouring frames", shift)
