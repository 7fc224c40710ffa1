"""STP: a temporal pyramid inside each segment, on BN-Inception; and the other rows of its table 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kinesics.recipes.tsn import tsn
from kinesics.recipes.variants import Row, variants
from kinesics.settings import Recipe


def stp_rgb() -> Recipe:
    """STP on RGB frames, with the settings of its paper's section 4.2.

    The paper's: ImageNet weights, frames of 340 × 256, 3 segments of 20 frames, each in 4 parts whose first frame is
    looked at, 3 levels; 80 epochs of SGD, learning rate 0.001 divided by ten at 30 and 60, batches of 32, partial
    BatchNorm, corner crops and scale jittering, tested with 25 segments. It reports 60.0 % on PEV, TSN 54.4 % (three
    folds, mean of the classes' accuracies). TSN's, which it follows: dropout 0.8, weight decay 5e-4, mirror images, ten
    crops in the test. Ours: classifier at 5 times the rate, gradients clipped at 20.
    """
    base = tsn()
    return replace(
        base,
        name="stp_rgb",
        model=replace(base.model, system="stp", backbone="bninception", dropout=0.8),
        input=replace(base.input, num_segments=3, steps_per_segment=4, stride=5, resize="340x256"),
        optim=replace(
            base.optim,
            learning_rate=0.001,
            weight_decay=5e-4,
            epochs=80,
            milestones=(0.375, 0.75),
            batch_size=32,
            batch_norm="partial",
        ),
    )


def stp_flow() -> Recipe:
    """STP on optical flow, with the settings of its paper's section 4.2: the five flows of each part, 10 channels.

    320 epochs, learning rate divided by ten at 110 and 250, otherwise as on RGB. The paper reports 79.8 % on PEV, TSN
    74.1 %; with RGB at 1 : 1.5, 80.6 % and 75.9 %. TSN's: dropout 0.7, the first convolution 5 times and biases twice
    as fast.
    """
    base = stp_rgb()
    return replace(
        base,
        name="stp_flow",
        model=replace(base.model, dropout=0.7),
        input=replace(base.input, modality="flow", warped=False, frames_per_segment=5),
        optim=replace(base.optim, epochs=320, milestones=(110 / 320, 250 / 320), first_conv_rate=5.0, bias_rate=2.0),
    )


def stp_warped() -> Recipe:
    """STP on warped flow (`kinesics flow --warp`): trained as on flow. The paper reports 76.6 % on PEV, TSN 74.0 %;
    RGB, flow and warped flow at 1 : 1.5 : 1, 81.7 % and 77.7 %.
    """
    base = stp_flow()
    return replace(base, name="stp_warped", input=replace(base.input, warped=True))


BASELINE: dict[str, Any] = {"model.system": "tsn", "input.steps_per_segment": 1}
PUBLISHED = {
    stp_rgb: (54.4, 58.1, 59.1, 59.4),
    stp_flow: (74.1, 77.2, 78.1, 78.5),
    stp_warped: (74.0, 74.2, 76.1, 76.2),
}
"""Table 1 on PEV: the baseline, then one, two and four levels."""
ABLATIONS = {
    name: made
    for stream, (baseline, one, two, four) in PUBLISHED.items()
    for name, made in variants(
        stream,
        {
            f"{stream.__name__}_baseline": Row(
                f"TSN with 3 segments of five frames: {baseline} % on PEV.", {}, BASELINE
            ),
            f"{stream.__name__}_levels1": Row(f"STP with one level: {one} % on PEV.", {"levels": 1}),
            f"{stream.__name__}_levels2": Row(f"STP with two levels: {two} % on PEV.", {"levels": 2}),
            f"{stream.__name__}_levels4": Row(
                f"STP with four levels, of 8 parts and 40 frames: {four} % on PEV.",
                {"levels": 4},
                {"input.steps_per_segment": 8},
            ),
        },
    ).items()
}
