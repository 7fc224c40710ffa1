"""MLFE: TSM with local features of three low stages, where the classes peak."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsm import tsm
from kinesics.settings import Recipe


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


def mlfe_flow() -> Recipe:
    """MLFE on optical flow: 8 stacks of five flows, otherwise as on RGB.

    The paper fuses it with RGB at 1 : 1.5 as TSN does, and reports 82.4 % on PEV and 79.1 % on MA10 (table 3).
    """
    base = mlfe()
    return replace(
        base, name="mlfe_flow", input=replace(base.input, modality="flow", warped=False, frames_per_segment=5)
    )
