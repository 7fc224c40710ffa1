"""MDT-Net on ResNet-50: motion salience, differences of frames and gains of channels."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def mdt() -> Recipe:
    """MDT-Net with 8 segments of five consecutive frames, with the settings of its paper's experiments.

    The paper's: ImageNet weights, 70 epochs of SGD, learning rate 0.01 divided by ten at 30, 40 and 50, weight decay
    1e-4; tested with one clip, or with ten clips and three crops (`ten-by-three`). It reports 77.2 % on Kinetics-400
    and 53.5 % on Something-Something v1. Ours: batches of 16, every BatchNorm learns, dropout 0.5, classifier at 5
    times the rate, gradients clipped at 20, TSN's crops and mirror images.
    """
    base = tsn()
    return replace(
        base,
        name="mdt",
        model=replace(base.model, system="mdt"),
        input=replace(base.input, frames_per_segment=5),
        optim=replace(
            base.optim, learning_rate=0.01, weight_decay=1e-4, epochs=70, milestones=(30 / 70, 40 / 70, 50 / 70)
        ),
    )


def mdt16() -> Recipe:
    """MDT-Net with 16 segments; its motion stream starts at a third, as TDN's code has ¾ : ¼ there.

    The paper reports 96.8 % on UCF101 and 73.5 % on HMDB51.
    """
    base = mdt()
    return replace(
        base,
        name="mdt16",
        model=replace(base.model, arguments={"scale": 1 / 3}),
        input=replace(base.input, num_segments=16),
    )


def mdt_plain() -> Recipe:
    """MDT-Net without salience, the ablation of the paper's table 1, with 8 segments.

    75.1 % on Kinetics-400 (77.2 with), 53.2 % on Something-Something v1 (53.5).
    """
    return without_salience(mdt(), "mdt_plain")


def mdt_plain16() -> Recipe:
    """`mdt_plain` with 16 segments: 94.9 % on UCF101 (96.8 with salience), 71.2 % on HMDB51 (73.5)."""
    return without_salience(mdt16(), "mdt_plain16")


def without_salience(base: Recipe, name: str) -> Recipe:
    """`base` whose differences are not weighed by motion salience."""
    return base.with_changes({"name": name, "model.arguments.salience": False})
