"""TSN: one classifier over sparse frames, averaged (Wang et al., ECCV 2016)."""

from __future__ import annotations

from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe


def tsn() -> Recipe:
    """TSN on ResNet-50 with the settings that TSM's paper trains both with (Lin et al., ICCV 2019, section 5.1).

    8 segments, SGD, learning rate 0.01 for 64 clips (here scaled to a batch of 16), divided by ten at 40 % and 80 % of
    50 epochs, weight decay 5e-4, dropout 0.5, partial BatchNorm, classifier at 5 times the rate.
    """
    return Recipe(
        name="tsn",
        model=ModelConfig(system="tsn"),
        input=InputConfig(),
        optim=OptimConfig(learning_rate=0.0025, batch_size=16),
    )
