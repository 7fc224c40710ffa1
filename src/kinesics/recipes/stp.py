"""STP: a temporal pyramid inside each segment, on BN-Inception."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def stp_rgb() -> Recipe:
    """STP on RGB frames, with the settings of its paper's section 4.2.

    3 segments of 20 frames, each in 4 parts whose first frame is looked at; 3 levels. 80 epochs of SGD, learning rate
    0.001 divided by ten at 30 and 60, batches of 32, dropout 0.8, partial BatchNorm, TSN's crops. Tested with 25
    segments and 10 crops. The paper reports 60.0 % on PEV, TSN 54.4 % (three folds, mean of the classes' accuracies).
    """
    base = tsn()
    return replace(
        base,
        name="stp_rgb",
        model=replace(base.model, system="stp", backbone="bninception", dropout=0.8),
        input=replace(base.input, num_segments=3, steps_per_segment=4, stride=5),
        optim=replace(base.optim, learning_rate=0.001, epochs=80, milestones=(0.375, 0.75), batch_size=32),
    )


def stp_flow() -> Recipe:
    """STP on optical flow, with the settings of its paper's section 4.2: the five flows of each part, 10 channels.

    320 epochs, learning rate divided by ten at 110 and 250, dropout 0.7, otherwise as on RGB. The paper reports 79.8 %
    on PEV, TSN 74.1 %; with RGB at 1 : 1.5, 80.6 % and 75.9 %.
    """
    base = stp_rgb()
    return replace(
        base,
        name="stp_flow",
        model=replace(base.model, dropout=0.7),
        input=replace(base.input, modality="flow", warped=False, frames_per_segment=5),
        optim=replace(base.optim, epochs=320, milestones=(110 / 320, 250 / 320)),
    )


def stp_warped() -> Recipe:
    """STP on warped flow (`kinesics flow --warp`): trained as on flow. The paper reports 76.6 % on PEV, TSN 74.0 %;
    RGB, flow and warped flow at 1 : 1.5 : 1, 81.7 % and 77.7 %.
    """
    base = stp_flow()
    return replace(base, name="stp_warped", input=replace(base.input, warped=True))
