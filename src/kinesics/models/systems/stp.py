"""STP: a temporal pyramid inside each segment."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.systems.tsn import no_module

SYSTEM = System(
    "stp",
    "Segment-level Temporal Pyramid: means of a segment, its halves and its quarters",
    no_module,
    heads=("pyramid",),
)
