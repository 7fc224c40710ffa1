"""C3D, R(2+1)D and I3D-ResNet-50: networks of 3D convolutions that the papers compare with."""

from __future__ import annotations

from dataclasses import replace

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def c3d() -> Recipe:
    """C3D: 16 neighbouring frames of 112², with the settings of its paper's trainings on UCF101 (section 3.1).

    SGD, batches of 30, learning rate 0.003, divided by ten after every 4 of 16 epochs. It starts from random weights:
    those for Sports-1M have no address that we could check; name the PyTorch port's file by --weights. From
    Sports-1M and with a linear SVM, the paper finds 82.3 % on UCF101, 85.2 % with three networks; STP's paper finds
    53.8 % on PEV. Ours: weight decay 5e-4, dropout 0.5, gradients clipped at 20, TSN's crops and mirror images.
    """
    base = tsn()
    return replace(
        base,
        name="c3d",
        model=replace(base.model, system="plain", backbone="c3d", weights=None),
        input=replace(base.input, num_segments=16, sampling="dense", stride=1, resize=128, size=112),
        optim=replace(
            base.optim,
            learning_rate=0.003,
            weight_decay=5e-4,
            batch_size=30,
            epochs=16,
            milestones=(0.25, 0.5, 0.75),
            head_rate=1.0,
        ),
    )


def r2plus1d() -> Recipe:
    """R(2+1)D-18 from torchvision's weights for Kinetics: 16 neighbouring frames of 112².

    SGD, 45 epochs, of which ten warm up, learning rate 0.01 divided by ten every ten epochs, as the paper trains on
    Kinetics (section 4); here that rate is for 64 clips, scaled to a batch of 16. Every BatchNorm learns. The paper's
    own network has 34 layers and sees 32 frames (--backbone r2plus1d34 --num-segments 32 --weights FILE): from Kinetics
    96.8 % on UCF101 and 74.5 % on HMDB51, 97.3 and 78.7 % with optical flow; MLFE's paper has 65.4 % on PEV for both.
    Ours: weight decay 5e-4, dropout 0.5, gradients clipped at 20, TSN's crops and mirror images.
    """
    base = tsn()
    return replace(
        base,
        name="r2plus1d",
        model=replace(base.model, system="plain", backbone="r2plus1d18", weights="kinetics"),
        input=replace(base.input, num_segments=16, sampling="dense", stride=1, resize=128, size=112),
        optim=replace(
            base.optim,
            epochs=45,
            warmup_epochs=10,
            milestones=(20 / 45, 30 / 45, 40 / 45),
            weight_decay=5e-4,
            head_rate=1.0,
        ),
    )


def i3d() -> Recipe:
    """I3D-ResNet-50 from ImageNet weights, inflated: 32 frames of 224², every second one.

    The settings of Wang et al., CVPR 2018 (section 4): SGD, learning rate 0.01 for 64 clips, here scaled to a batch of
    8, divided by ten at 3/8 and 6/8, weight decay 1e-4, dropout 0.5; every BatchNorm learns. They train for 400,000
    steps, here it is 50 epochs. Ours: gradients clipped at 20, TSN's crops. Wang & Gupta find 41.6 % on
    Something-Something v1, from ImageNet and Kinetics.
    """
    base = tsn()
    return replace(
        base,
        name="i3d",
        model=replace(base.model, system="plain", backbone="i3d50"),
        input=replace(base.input, num_segments=32, sampling="dense", stride=2),
        optim=replace(
            base.optim,
            learning_rate=0.01 / 8,
            batch_size=8,
            milestones=(0.375, 0.75),
            head_rate=1.0,
        ),
    )
