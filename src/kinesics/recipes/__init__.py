"""One function a recipe; each returns a frozen Recipe and may derive from another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kinesics.errors import unknown
from kinesics.recipes.clip_networks import c3d, i3d, r2plus1d
from kinesics.recipes.few import few
from kinesics.recipes.kpsem import ABLATIONS as KPSEM_ABLATIONS
from kinesics.recipes.kpsem import kpsem, kpsem_r3d, kpsem_region, mfnet, r3d
from kinesics.recipes.mdt import mdt, mdt16, mdt_plain, mdt_plain16
from kinesics.recipes.mlfe import ABLATIONS as MLFE_ABLATIONS
from kinesics.recipes.mlfe import mlfe, mlfe_bninception, mlfe_bninception_flow, mlfe_flow, mlfe_tsm
from kinesics.recipes.stp import ABLATIONS as STP_ABLATIONS
from kinesics.recipes.stp import stp_flow, stp_rgb, stp_warped
from kinesics.recipes.tea import tea
from kinesics.recipes.tefe import ABLATIONS as TEFE_ABLATIONS
from kinesics.recipes.tefe import tefe, tefe16
from kinesics.recipes.tsm import tsm
from kinesics.recipes.tsn import tsn, tsn16
from kinesics.settings import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    "tsn": tsn,
    "tsm": tsm,
    "tsn16": tsn16,
    "mlfe": mlfe,
    "mlfe_flow": mlfe_flow,
    "mlfe_tsm": mlfe_tsm,
    "mlfe_bninception": mlfe_bninception,
    "mlfe_bninception_flow": mlfe_bninception_flow,
    **MLFE_ABLATIONS,
    "stp_rgb": stp_rgb,
    "stp_flow": stp_flow,
    "stp_warped": stp_warped,
    **STP_ABLATIONS,
    "tefe": tefe,
    "tefe16": tefe16,
    **TEFE_ABLATIONS,
    "mfnet": mfnet,
    "r3d": r3d,
    "kpsem": kpsem,
    "kpsem_region": kpsem_region,
    "kpsem_r3d": kpsem_r3d,
    **KPSEM_ABLATIONS,
    "c3d": c3d,
    "r2plus1d": r2plus1d,
    "i3d": i3d,
    "tea": tea,
    "mdt": mdt,
    "mdt16": mdt16,
    "mdt_plain": mdt_plain,
    "mdt_plain16": mdt_plain16,
}
STREAMS = {
    "mlfe": 1.0,
    "mlfe_flow": 1.5,
    "mlfe_bninception": 1.0,
    "mlfe_bninception_flow": 1.5,
    **{
        name: weight
        for stream, weight in (("stp_rgb", 1.0), ("stp_flow", 1.5), ("stp_warped", 1.0))
        for name in (stream, *(row for row in STP_ABLATIONS if row.startswith(stream)))
    },
}
"""What each stream of a paper weighs when its scores are fused with the others' of that paper (its section 4)."""
PRESETS: dict[str, Callable[[Recipe], Recipe]] = {"few": few}


def recipe(name: str, *, preset: str | None = None, **changes: Any) -> Recipe:
    """The recipe called `name`, changed by `preset` and then by `changes`; see `Recipe.with_changes`.

    recipe("tsm", preset="few", optim={"epochs": 5}, model={"arguments": {"fold_div": 2}}) keeps the preset's head.

    Raises:
        UserError: no such recipe, preset or setting (with the nearest name), or a value that a setting does not take.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    base = RECIPES[name]()
    if preset is None:
        return base.with_changes(changes)
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    return PRESETS[preset](base).with_changes(changes)


def stream_weights(names: Sequence[str]) -> list[float]:
    """What streams trained by these recipes weigh, one by one; all alike unless each is a stream of the same paper."""
    streams = [name.partition("-")[0] for name in names]  # with or without a preset: stp_flow, stp_flow-few
    papers = {stream.partition("_")[0] for stream in streams}
    if len(papers) == 1 and len(set(streams)) == len(streams) and STREAMS.keys() >= set(streams):
        return [STREAMS[stream] for stream in streams]
    return [1.0] * len(streams)
