"""TEFE: temporal extraction and feature enhancement inside ResNet-50, and the ablations of its tables 4 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.recipes.variants import Row, variants
from kinesics.settings import Recipe


def tefe() -> Recipe:
    """TEFE with 8 frames, with the settings of its paper's section IV.B.

    The paper's: ImageNet weights, 50 epochs of SGD, learning rate 0.001 divided by ten at 30, 40 and 45, weight decay
    5e-4, batches of 20, random crops of frames with a short side of 256 to 320; tested on one whole frame, 224 high and
    256 wide (`--views whole-256x224`). It reports 46.7 % on Something-Something v1, 59.6 % on v2 and 96.7 % on Jester;
    TSN 19.9 % on v1. Ours: every BatchNorm learns, dropout 0.5, classifier at 5 times the rate, gradients clipped at
    20, mirror images.
    """
    base = tsn()
    return replace(
        base,
        name="tefe",
        model=replace(base.model, system="tefe"),
        input=replace(base.input, resize="256-320", crop="random"),
        optim=replace(base.optim, learning_rate=0.001, weight_decay=5e-4, milestones=(0.6, 0.8, 0.9), batch_size=20),
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


def placed(te: Sequence[int], fe: Sequence[int]) -> Row:
    """A row of tables 4 and 5: how many blocks of layer2 to layer5 have TE, and how many FE."""
    description = f"TEFE's ablation, 16 frames: TE in {tuple(te)} blocks of the four stages, FE in {tuple(fe)}."
    return Row(description, {"te": list(te), "fe": list(fe)})


ROWS = {
    "tefe_te": placed((3, 4, 6, 3), (0, 0, 0, 0)),
    "tefe_fe": placed((0, 0, 0, 0), (0, 4, 6, 3)),
    "tefe_3333": placed((3, 3, 3, 3), (0, 1, 3, 0)),
    "tefe_2222": placed((2, 2, 2, 2), (0, 2, 4, 1)),
}
"""TE alone and FE alone (table 4), and the mixtures of table 5."""
ABLATIONS = variants(tefe16, ROWS)
