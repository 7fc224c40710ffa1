"""One function a recipe; each returns a frozen Recipe and may derive from another."""

from __future__ import annotations

from collections.abc import Callable

from kinesics.config import Recipe
from kinesics.errors import unknown
from kinesics.recipes.few import few
from kinesics.recipes.mlfe import mlfe, mlfe_flow
from kinesics.recipes.stp import stp_flow, stp_rgb, stp_warped
from kinesics.recipes.tsm import tsm
from kinesics.recipes.tsn import tsn

RECIPES: dict[str, Callable[[], Recipe]] = {
    "tsn": tsn,
    "tsm": tsm,
    "mlfe": mlfe,
    "mlfe_flow": mlfe_flow,
    "stp_rgb": stp_rgb,
    "stp_flow": stp_flow,
    "stp_warped": stp_warped,
}
PRESETS: dict[str, Callable[[Recipe], Recipe]] = {"few": few}


def recipe(name: str, *, preset: str | None = None) -> Recipe:
    """The recipe called `name`, changed by `preset`. Raises UserError with the nearest name where there is none."""
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    made = RECIPES[name]()
    if preset is None:
        return made
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return PRESETS[preset](made)
