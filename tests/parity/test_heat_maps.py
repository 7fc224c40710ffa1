"""The explanation methods on a small network, from their definitions, without automatic differentiation.

The network is piecewise linear, so that central differences are its derivatives to rounding. Maps are made float32 for
the user, and stay float64 here (see `wide`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.explanation.class_score import ClassScore
from kinesics.explanation.methods import MethodSettings, explain
from kinesics.explanation.pixels import integrated_gradients
from kinesics.models.backbones.backbone import STAGES, Backbone
from kinesics.models.heads.average import AverageHead
from kinesics.models.recognizer import Recognizer
from tests.parity.loops import Array, array, conv, linear, randomised, relu, same

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("wide")]

T, SIZE, CLASSES, CLASS = 2, 6, 3, 1
CHANNELS = (3, 4, 5)
STEP = 1e-4
SEED = 30
"""With these parameters the class has heat by every method."""


class Small(Backbone):
    """Two convolutions of 3×3 with biases and ReLUs, the first of stride 2: layer2 to layer4, and layer5."""

    first_conv = "one"
    stages = (("one",), ("two",))

    def __init__(self) -> None:
        super().__init__()
        self.widths = {**dict.fromkeys(STAGES[:-1], CHANNELS[1]), "layer5": CHANNELS[2]}
        self.one, self.two = nn.Conv2d(3, CHANNELS[1], 3, 2, 1), nn.Conv2d(CHANNELS[1], CHANNELS[2], 3, 1, 1)

    def stem(self, x: Tensor) -> Tensor:
        return F.relu(self.one(x), inplace=True)

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        return F.relu(self.two(x)) if name == "layer5" else x


def made(multi_label: bool = False) -> ClassScore:
    torch.manual_seed(3)
    network = Small()
    model = Recognizer(
        "tsn_resnet18",
        network,
        AverageHead(network.widths, CLASSES, 0.0),
        num_classes=CLASSES,
        modality="rgb",
        arguments={"frames_per_segment": 1},
    )
    clip = torch.randn(1, T, 3, SIZE, SIZE, dtype=torch.float64)
    return ClassScore(randomised(model, SEED), clip, CLASS, multi_label)


def first(score: ClassScore, pixels: Array) -> Array:
    """(M, 3, H, W) → (M, 4, H/2, W/2), before the ReLU."""
    return conv(pixels, score.model.backbone.one.weight, score.model.backbone.one.bias, 2, 1)


def second(score: ClassScore, x: Array) -> Array:
    """(M, 4, H/2, W/2) → (M, 5, H/2, W/2), before the ReLU."""
    return conv(x, score.model.backbone.two.weight, score.model.backbone.two.bias, 1, 1)


def of_last(score: ClassScore, features: Array) -> Array:
    """(N·T, 5, h, w) of layer5 → (N,): the class's logit less the mean logit, or the logit of independent labels."""
    logits = linear(features.mean(axis=(2, 3)), score.model.head.fc).reshape(-1, T, CLASSES).mean(axis=1)
    return logits[:, CLASS] - (0 if score.multi_label else logits.mean(axis=1))


def of_features(score: ClassScore, features: Array) -> Array:
    """The same of layer4."""
    return of_last(score, relu(second(score, features)))


def of_pixels(score: ClassScore, pixels: Array) -> Array:
    """The same of clips, (N·T, 3, H, W)."""
    return of_features(score, relu(first(score, pixels)))


def slope(function: Callable[[Array], Array], x: Array) -> Array:
    """dS/dx by central differences, one value of x after the other."""
    moved = np.tile(x, (2 * x.size, *(1,) * x.ndim))
    for i in range(x.size):
        moved[2 * i].flat[i] += STEP
        moved[2 * i + 1].flat[i] -= STEP
    values = function(moved.reshape(-1, *x.shape[1:]))
    return ((values[::2] - values[1::2]) / (2 * STEP)).reshape(x.shape)


def features_and_slope(score: ClassScore, stage: str) -> tuple[Array, Array]:
    low = relu(first(score, array(score.clip[0])))
    if stage == "layer4":
        return low, slope(lambda x: of_features(score, x), low)
    last = relu(second(score, low))
    return last, slope(lambda x: of_last(score, x), last)


def by_channel(features: Array, weights: Array) -> Array:
    """ReLU(Σ_k α_k A^k): (T, C, h, w), (T, C) → (T, h, w)."""
    out = np.zeros((features.shape[0], *features.shape[2:]))
    for t in range(features.shape[0]):
        for k in range(features.shape[1]):
            out[t] += weights[t, k] * features[t, k]
    return relu(out)


def gradcam(features: Array, gradient: Array) -> Array:
    """Selvaraju et al., equations 1 and 2, frame by frame: α_k = (1/Z) Σ_ij dS/dA^k_ij."""
    return by_channel(features, gradient.mean(axis=(2, 3)))


def gradcam_pp(features: Array, gradient: Array) -> Array:
    """Chattopadhay et al., equations 19 and 11: α_ij = g² / (2 g² + Σ_ab A_ab · g³), w_k = Σ_ij α_ij · ReLU(g)."""
    weights = np.zeros(features.shape[:2])
    for t in range(features.shape[0]):
        for k in range(features.shape[1]):
            total = features[t, k].sum()
            for g in gradient[t, k].ravel():
                if abs(g) > 1e-9:
                    weights[t, k] += g**2 / (2 * g**2 + total * g**3) * max(g, 0.0)
    return by_channel(features, weights)


@pytest.mark.parametrize("multi_label", [False, True])
def test_cam(multi_label: bool) -> None:
    """Zhou et al., equation 2: M_c = Σ_k w_k^c f_k, less the mean class's, by the number of places and frames."""
    score = made(multi_label)
    features, _ = features_and_slope(score, "layer5")
    weight = array(score.model.head.fc.weight)
    weights = weight[CLASS] - (0 if multi_label else weight.mean(axis=0))
    share = 1 / (T * features.shape[2] * features.shape[3])
    same(explain(score, "cam"), by_channel(features, np.tile(weights, (T, 1))) * share)


@pytest.mark.parametrize("stage", ["layer4", "layer5"])
def test_methods_that_weigh_features(stage: str) -> None:
    score = made()
    features, gradient = features_and_slope(score, stage)
    assert np.abs(gradient).max() > 1e-2
    settings = MethodSettings(stage)
    hirescam = relu((features * gradient).sum(axis=1))  # Draelos and Carin: Σ_k A^k ⊙ dS/dA^k
    for method, wanted in (
        ("cam", hirescam),
        ("gradcam", gradcam(features, gradient)),
        ("gradcam++", gradcam_pp(features, gradient)),
    ):
        found = explain(score, method, settings)
        same(found / wanted.max(), wanted / wanted.max())


def guided_slope(score: ClassScore) -> Array:
    """Springenberg et al., section 3.4: going back, a ReLU lets pass what is positive where its input was positive.

    Convolutions and the head are linear: what goes back through them is found by what single values become of.
    """
    pixels = array(score.clip[0])
    low, high = first(score, pixels), second(score, relu(first(score, pixels)))
    back = passed(high, slope(lambda x: of_last(score, x), np.zeros_like(high)))
    low_back = passed(low, slope(lambda x: weighed(second(score, x), back), np.zeros_like(low)))
    return slope(lambda x: weighed(first(score, x), low_back), np.zeros_like(pixels))


def passed(before: Array, back: Array) -> Array:
    return np.where((before > 0) & (back > 0), back, 0.0)


def weighed(features: Array, weights: Array) -> Array:
    """(N·T, C, h, w), (T, C, h, w) → (N,)."""
    return (features.reshape(-1, *weights.shape) * weights).sum(axis=(1, 2, 3, 4))


def enlarged(maps: Array, factor: int) -> Array:
    """(T, h, w) → factor times as high and wide: linear between the centres of cells, level beyond the outer ones."""
    out = np.zeros((len(maps), maps.shape[1] * factor, maps.shape[2] * factor))
    for row in range(out.shape[1]):
        for column in range(out.shape[2]):
            y = min(max((row + 0.5) / factor - 0.5, 0), maps.shape[1] - 1)
            x = min(max((column + 0.5) / factor - 0.5, 0), maps.shape[2] - 1)
            for i in range(maps.shape[1]):
                for j in range(maps.shape[2]):
                    out[:, row, column] += max(0.0, 1 - abs(i - y)) * max(0.0, 1 - abs(j - x)) * maps[:, i, j]
    return out


def test_guided_gradcam() -> None:
    """Selvaraju et al., section 3.2: guided backpropagation times Grad-CAM, enlarged to the picture."""
    score = made()
    wanted = np.abs(guided_slope(score)).sum(axis=1) * enlarged(gradcam(*features_and_slope(score, "layer5")), 2)
    found = explain(score, "guided-gradcam", MethodSettings("layer5"))
    same(found / wanted.max(), wanted / wanted.max())


@pytest.mark.parametrize("baseline", ["grey", "still"])
def test_integrated_gradients(baseline: Any) -> None:
    """Sundararajan et al., equation 1: (x − x') · ∫ dS/dx along the line from x' to x, here at five midpoints.

    The map is the sum over the channels, the mean over cells of about 8 × 8 pixels (one here), and nothing below 0.
    """
    score = made()
    clip = array(score.clip[0])
    start = np.zeros_like(clip) if baseline == "grey" else np.tile(clip.mean(axis=0), (T, 1, 1, 1))
    total = np.zeros_like(clip)
    for step in range(5):
        total += slope(lambda x: of_pixels(score, x), start + (step + 0.5) / 5 * (clip - start))
    wanted = (clip - start) * total / 5
    same(integrated_gradients(score, baseline, steps=5), wanted)
    found = explain(score, "integrated-gradients", MethodSettings(baseline=baseline, steps=5))
    heat = relu(wanted.sum(axis=1).mean(axis=(1, 2)))[:, None, None]
    same(found / heat.max(), heat / heat.max())


@pytest.mark.parametrize("baseline", ["grey", "still"])
def test_occlusion(baseline: Any) -> None:
    """Zeiler and Fergus, section 4.2: how much the score falls when a cell of one frame is covered."""
    score = made()
    clip = array(score.clip[0])
    cover = np.zeros_like(clip) if baseline == "grey" else np.tile(clip.mean(axis=0), (T, 1, 1, 1))
    wanted = np.zeros((T, 3, 3))
    for t in range(T):
        for i in range(3):
            for j in range(3):
                covered = clip.copy()
                box = (t, slice(None), slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2))
                covered[box] = cover[box]
                wanted[t, i, j] = (of_pixels(score, clip) - of_pixels(score, covered))[0]
    found = explain(score, "occlusion", MethodSettings(baseline=baseline, grid=3))
    same(found, relu(wanted))
