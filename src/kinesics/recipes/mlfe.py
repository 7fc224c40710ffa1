"""MLFE: TSM with local features of three low stages, where the classes peak."""

from __future__ import annotations

from dataclasses import replace

from kinesics.config import Recipe
from kinesics.recipes.tsm import tsm


def mlfe() -> Recipe:
    """MLFE on ResNet-50 and RGB, with the settings of its paper's section 4.1.

    8 sparse frames, 50 epochs of SGD, learning rate 0.001 divided by ten at 20 and 40, weight decay 1e-4, batches of
    16; λ = 0.1. Tested with two clips of 256². The paper starts from Kinetics weights (give the file by --weights) and
    reports 70.8 % on PEV and 76.3 % on MA10, TSM 67.9 % and 74.1 % (table 1).
    """
    base = tsm()
    return replace(
        base,
        name="mlfe",
        model=replace(base.model, system="mlfe"),
        optim=replace(base.optim, learning_rate=0.001, weight_decay=1e-4, epochs=50, batch_size=16),
    )
