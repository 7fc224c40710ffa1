"""MLFE: TSM with local features of three low stages, where the classes peak; its baseline and its tables' rows."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsm import tsm
from kinesics.recipes.variants import Row, variants
from kinesics.settings import Recipe


def mlfe() -> Recipe:
    """MLFE on ResNet-50 and RGB, with the settings of its paper's section 4.1.

    The paper's: 8 sparse frames, 50 epochs, learning rate 0.001 divided by ten at 20 and 40, weight decay 1e-4, batches
    of 16, λ = 0.1; tested with two clips of 256² (`--views two-clip`). It starts from Kinetics weights (`--weights
    kinetics`) and reports 70.8 % on PEV and 76.3 % on MA10, TSM 67.9 % and 74.1 % (table 1). Ours, since it does not
    say: SGD, partial BatchNorm, dropout 0.5, classifier at 5 times the rate, gradients clipped at 20, TSN's crops and
    mirror images.
    """
    base = tsm()
    return replace(
        base,
        name="mlfe",
        model=replace(base.model, system="mlfe"),
        optim=replace(
            base.optim, learning_rate=0.001, weight_decay=1e-4, epochs=50, batch_size=16, batch_norm="partial"
        ),
    )


def mlfe_tsm() -> Recipe:
    """TSM trained as MLFE is, the baseline of the paper's table 1: 67.9 % on PEV and 74.1 % on MA10."""
    base = mlfe()
    return replace(base, name="mlfe_tsm", model=replace(base.model, system="tsm"))


def mlfe_flow() -> Recipe:
    """MLFE on optical flow: 8 stacks of five flows, otherwise as on RGB.

    The paper fuses it with RGB at 1 : 1.5 as TSN does, and reports 82.4 % on PEV and 79.1 % on MA10 (table 3). The
    first convolution learns 5 times and biases twice as fast, as in TSN's code.
    """
    return on_flow(mlfe(), "mlfe_flow")


def mlfe_bninception() -> Recipe:
    """MLFE on BN-Inception from ImageNet weights, otherwise as `mlfe`: 69.2 % on PEV and 75.1 % on MA10 (table 3)."""
    base = mlfe()
    return replace(base, name="mlfe_bninception", model=replace(base.model, backbone="bninception"))


def mlfe_bninception_flow() -> Recipe:
    """`mlfe_bninception` on optical flow. With RGB at 1 : 1.5: 82.0 % on PEV and 78.8 % on MA10 (table 3)."""
    return on_flow(mlfe_bninception(), "mlfe_bninception_flow")


def on_flow(base: Recipe, name: str) -> Recipe:
    """`base` on stacks of five flows."""
    return replace(
        base,
        name=name,
        input=replace(base.input, modality="flow", warped=False, frames_per_segment=5),
        optim=replace(base.optim, first_conv_rate=5.0, bias_rate=2.0),
    )


ROWS = {
    "mlfe_layer2": Row(
        "Local features of Conv2_x alone (table 1): 70.1 % on PEV, 75.7 on MA10.", {"layers": ["layer2"]}
    ),
    "mlfe_layer3": Row(
        "Local features of Conv3_x alone (table 1): 69.5 % on PEV, 75.1 on MA10.", {"layers": ["layer3"]}
    ),
    "mlfe_layer4": Row(
        "Local features of Conv4_x alone (table 1): 69.7 % on PEV, 75.2 on MA10.", {"layers": ["layer4"]}
    ),
    "mlfe_star": Row(
        "TSM* + MLFE (table 1): O_MLFE alone is trained; O_TSM, part of the answer, stays random unless --weights "
        "names a trained TSM. 69.3 % on PEV, 75.0 on MA10.",
        {"tsm_loss": False},
    ),
    "mlfe_sum": Row("Scores of the stages added up (table 2): 70.1 % on PEV, 75.8 on MA10.", {"fusion": "sum"}),
    "mlfe_concat": Row(
        "One score for the stages' features (table 2): 70.3 % on PEV, 76.0 on MA10.", {"fusion": "concat"}
    ),
    **{
        f"mlfe_lambda{tenths:02d}": Row(f"λ = {tenths / 10:g} (figure 5).", {"weight": tenths / 10})
        for tenths in range(2, 11)
    },
}
"""λ = 0 is `mlfe_tsm`, λ = 0.1 `mlfe`."""
ABLATIONS = variants(mlfe, ROWS)
