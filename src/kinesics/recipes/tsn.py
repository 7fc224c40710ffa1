"""TSN: one classifier over sparse frames, averaged (Wang et al., ECCV 2016)."""

from __future__ import annotations

from dataclasses import replace

from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe


def tsn() -> Recipe:
    """TSN on ResNet-50, trained as TSM's authors train both (Lin et al., ICCV 2019, section 5.1, and their commands).

    Theirs: 8 segments, SGD, learning rate 0.01 for 64 clips (here scaled to a batch of 16), divided by ten at 40 % and
    80 % of 50 epochs, weight decay 1e-4, dropout 0.5, every BatchNorm learns, classifier at 5 times the rate, gradients
    clipped at 20, corner and multi-scale crops, mirror images. For sets as small as HMDB51 they start from Kinetics and
    keep every BatchNorm (`--batch-norm frozen`).
    """
    return Recipe(
        name="tsn",
        model=ModelConfig(system="tsn"),
        input=InputConfig(),
        optim=OptimConfig(learning_rate=0.0025, batch_size=16, weight_decay=1e-4),
    )


def tsn16() -> Recipe:
    """TSN with 16 segments, the baseline of the systems that see 16 time steps; otherwise as `tsn`."""
    base = tsn()
    return replace(base, name="tsn16", input=replace(base.input, num_segments=16))
