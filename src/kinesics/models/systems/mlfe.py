"""MLFE: TSM, and patches of the lower stages where a class has its highest activation."""

from __future__ import annotations

from kinesics.models.system import System
from kinesics.models.systems.tsm import shift

SYSTEM = System(
    "mlfe",
    "Multi-Layer Local Features: TSM, and patches of lower stages where class activation peaks",
    shift,
    heads=("local",),
)
