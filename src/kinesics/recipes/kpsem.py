"""KPSEM: key point shifts on MFNet or R3D-50, the backbones alone, and the ablations of its figure 5 and table 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kinesics.recipes.tsn import tsn
from kinesics.settings import Recipe


def mfnet() -> Recipe:
    """MFNet-3D alone: 16 frames, every second one, with the settings of KPSEM's section 4.1.

    Its Kinetics weights are its authors' to give: name their file by --weights, or none. SGD, learning rate
    0.005, weight decay 1e-4, batches of 16; the paper does not say for how long: 50 epochs, divided by ten at 40 % and
    80 %. It finds 70.8 % on split 1 of HMDB51.
    """
    base = tsn()
    return replace(
        base,
        name="mfnet",
        model=replace(base.model, system="plain", backbone="mfnet"),
        input=replace(base.input, num_segments=16, sampling="dense", stride=2),
        optim=replace(base.optim, learning_rate=0.005, weight_decay=1e-4),
    )


def r3d() -> Recipe:
    """R3D-50 alone, from ImageNet weights, otherwise as `mfnet`. The paper finds 62.0 % on split 1 of HMDB51."""
    base = mfnet()
    return replace(base, name="r3d", model=replace(base.model, backbone="r3d50"))


def kpsem() -> Recipe:
    """KPSEM on MFNet, after its fourth stage: four regions, eight sets. Otherwise as `mfnet`.

    The paper finds 82.05 % on Mini-Kinetics (MFNet 78.35), 97.4 % on UCF101 (96.0), 48.1 % on Something-Something v1
    (43.0) and 77.7 % on HMDB51 (74.6), all splits; 74.0 % on split 1 with batches of 16.
    """
    base = mfnet()
    return replace(base, name="kpsem", model=replace(base.model, system="kpsem"))


def kpsem_r3d() -> Recipe:
    """KPSEM on R3D-50, after res3. The paper finds 65.8 % on split 1 of HMDB51 (62.0 without)."""
    base = r3d()
    model = replace(base.model, system="kpsem", arguments={"stage": "layer3"})
    return replace(base, name="kpsem_r3d", model=model)


VARIANTS: dict[str, Mapping[str, Any]] = {
    "kpsem_conv2": {"stage": "layer2"},
    "kpsem_conv3": {"stage": "layer3"},
    "kpsem_conv5": {"stage": "layer5"},
    "kpsem_single": {"regions": 1},
    "kpsem_k9": {"regions": 9},
    "kpsem_k16": {"regions": 16},
    "kpsem_one_set": {"sets": 1},
    "kpsem_sets4": {"sets": 4},
    "kpsem_sets16": {"sets": 16},
    "kpsem_embed12": {"embed": 12},
    "kpsem_embed48": {"embed": 48},
    "kpsem_fixed": {"adaptive": False},
}
"""What each ablation changes: position (figure 5a), regions (5b, table 2a), sets (5c, 2c), the embedding (5d), and
regions that stay where they are (2b)."""


def varied(name: str) -> Callable[[], Recipe]:
    """The recipe of one of VARIANTS."""

    def made() -> Recipe:
        base = kpsem()
        return replace(base, name=name, model=replace(base.model, arguments=dict(VARIANTS[name])))

    made.__name__ = name
    made.__doc__ = "KPSEM's ablation: " + ", ".join(f"{key} {value}" for key, value in VARIANTS[name].items()) + "."
    return made


ABLATIONS = {name: varied(name) for name in VARIANTS}
