"""TEFE: temporal extraction and feature enhancement inside ResNet-50, and the ablations of its tables 4 and 5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def tefe() -> Recipe:
    """TEFE with 8 frames, with the settings of its paper's section IV.B.

    ImageNet weights, 50 epochs of SGD, learning rate 0.001 divided by ten at 30, 40 and 45, weight decay 5e-4, batches
    of 20; TSN's crops, where the paper's are random ones. The paper reports 46.7 % on Something-Something v1, 59.6 % on
    v2 and 96.7 % on Jester; TSN 19.9 % on v1.
    """
    base = tsn()
    return replace(
        base,
        name="tefe",
        model=replace(base.model, system="tefe"),
        optim=replace(base.optim, learning_rate=0.001, milestones=(0.6, 0.8, 0.9), batch_size=20),
    )


def tefe16() -> Recipe:
    """TEFE with 16 frames and batches of 10; otherwise as with 8. `kinesics fuse` of both is the paper's 8 + 16.

    The paper reports 50.4 % on Something-Something v1 and 61.8 % on v2; both together 51.4 % and 63.5 %.
    """
    base = tefe()
    return replace(
        base,
        name="tefe16",
        input=replace(base.input, num_segments=16),
        optim=replace(base.optim, batch_size=10),
    )


PLACEMENTS = {
    "tefe_te": ((3, 4, 6, 3), (0, 0, 0, 0)),
    "tefe_fe": ((0, 0, 0, 0), (0, 4, 6, 3)),
    "tefe_3333": ((3, 3, 3, 3), (0, 1, 3, 0)),
    "tefe_2222": ((2, 2, 2, 2), (0, 2, 4, 1)),
}
"""Blocks with TE and with FE in layer2 to layer5: TE alone and FE alone (table 4), and the mixtures of table 5."""


def placed(name: str) -> Callable[[], Recipe]:
    """The recipe of a row of the paper's tables 4 and 5: 16 frames, and a placement of PLACEMENTS."""

    def made() -> Recipe:
        base, (te, fe) = tefe16(), PLACEMENTS[name]
        return replace(base, name=name, model=replace(base.model, arguments={"te": list(te), "fe": list(fe)}))

    made.__name__ = name
    made.__doc__ = (
        f"TEFE's ablation: TE in {PLACEMENTS[name][0]} blocks of the four stages, FE in {PLACEMENTS[name][1]}."
    )
    return made


ABLATIONS = {name: placed(name) for name in PLACEMENTS}
