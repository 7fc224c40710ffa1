"""TEA on Res2Net-50: excitation by motion, and aggregation over time (Li et al., CVPR 2020)."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def tea() -> Recipe:
    """TEA with 8 frames, with the settings of its paper's experiments on Kinetics and Something-Something.

    The paper's: ImageNet weights, 50 epochs of SGD, learning rate 0.01 for 64 clips (here scaled to a batch of 16)
    divided by ten at 30, 40 and 45, weight decay 5e-4, dropout 0.5. The authors' script: every BatchNorm learns, and
    twice that rate. Ours: classifier at 5 times the rate, gradients clipped at 20, TSN's crops. The paper reports 48.9
    % on Something-Something v1 with one clip, 51.9 % with 16 frames and `ten-by-three`, 76.1 % on Kinetics-400, and
    from Kinetics weights 96.9 % on UCF101 and 73.3 % on HMDB51.
    """
    base = tsn()
    return replace(
        base,
        name="tea",
        model=replace(base.model, system="tea", backbone="res2net50"),
        optim=replace(base.optim, weight_decay=5e-4, milestones=(0.6, 0.8, 0.9)),
    )
