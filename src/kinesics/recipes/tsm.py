"""TSM: TSN with a temporal shift in every residual block (Lin et al., ICCV 2019)."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def tsm() -> Recipe:
    """TSM with 1/8 + 1/8 of the channels shifted on the residual branch (sections 3.2, 4.1), otherwise as TSN."""
    base = tsn()
    return replace(base, name="tsm", model=replace(base.model, system="tsm"))
