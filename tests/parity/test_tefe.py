"""TEFE's two modules, alone and in their blocks: section III of its paper, one clip, channel and frame at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kinesics.models.backbones.efficientnet_lite import LiteBlock
from kinesics.models.backbones.resnet import BasicBlock, Bottleneck
from kinesics.models.temporal.slot import Site
from kinesics.models.temporal.tefe import FeatureEnhancement, TemporalExtraction
from tests.parity.blocks import basic_block, bottleneck, lite_block, shortcut
from tests.parity.loops import Array, array, conv, linear, norm, randomised, relu, same, sigmoid, softmax

pytestmark = pytest.mark.parity

T = 4
TRAINING = pytest.mark.parametrize("training", [False, True])


def extraction(x: Array, module: Any) -> Array:
    """Equations 1 to 6. x: (N·T, C, H, W). BatchNorm and ReLU between each two layers, which have no biases."""
    clips = x.reshape(-1, T, *x.shape[1:])
    num_clips, _, channels = clips.shape[:3]
    means = np.zeros((num_clips, channels, T))  # equation 1
    for n in range(num_clips):
        for c in range(channels):
            for t in range(T):
                means[n, c, t] = clips[n, t, c].mean()
    narrow = relu(norm(conv(means, module.gate_conv1.weight, padding=1), module.gate_bn))  # equation 2, r = 4
    assert narrow.shape == (num_clips, channels // 4, T)
    gates = sigmoid(conv(narrow, module.gate_conv2.weight))  # equation 3
    rows = relu(norm(linear(means.reshape(-1, T), module.mix_fc1), module.mix_bn))  # equation 5, a row per channel
    weights = softmax(linear(rows, module.mix_fc2), axis=1).reshape(num_clips, channels, 3)
    out = np.zeros_like(clips)
    for n in range(num_clips):
        for t in range(T):
            for c in range(channels):
                for k in range(3):  # equation 6: a kernel of three weights over time, zero beyond the clip
                    source = t + k - 1
                    if 0 <= source < T:
                        gated = gates[n, c, source] * clips[n, source, c]  # equation 4
                        out[n, t, c] += weights[n, c, k] * gated
    return out.reshape(x.shape)


def enhancement(x: Array, module: Any, kernel: Any, stride: int) -> Array:
    """Equation 10 without U: Conv1(X) · Conv2(X). Conv1 is three 2D kernels, the middle one the block's own."""
    clips = x.reshape(-1, T, *x.shape[1:]).swapaxes(1, 2)
    width = len(kernel)
    before, after = array(module.sides)[:width], array(module.sides)[width:]
    second = array(module.second)
    one = conv(clips, np.stack([before, array(kernel), after], axis=2), None, (1, stride, stride), 1)
    kernels = np.stack([second[:width], second[width : 2 * width], second[2 * width :]], axis=2)
    other = conv(clips, kernels, module.bias, (1, stride, stride), 1)
    product = (one * other).swapaxes(1, 2)
    return product.reshape(-1, *product.shape[2:])


@TRAINING
def test_temporal_extraction(training: bool) -> None:
    module = randomised(TemporalExtraction(8, T)).train(training)
    x = torch.randn(3 * T, 8, 4, 3, dtype=torch.float64)
    same(module.hidden(x, T), extraction(array(x), module))


@pytest.mark.parametrize("stride", [1, 2])
def test_feature_enhancement(stride: int) -> None:
    module = randomised(FeatureEnhancement(3, 4))
    kernel = torch.nn.Conv2d(3, 4, 3, stride, 1, bias=False).double()
    x = torch.randn(2 * T, 3, 6, 5, dtype=torch.float64)
    same(module.spatial(kernel, x, T), enhancement(array(x), module, kernel.weight, stride))


@TRAINING
@pytest.mark.parametrize("stride", [1, 2])
def test_a_bottleneck_with_te(training: bool, stride: int) -> None:
    """TE is after the 3×3 convolution, its norm and ReLU, and before the last one: section III.C."""
    site = Bottleneck.site("layer2", 0, 3, 16, 8)
    block = randomised(Bottleneck(site, stride, lambda site: TemporalExtraction(site.width, T))).train(training)
    x = torch.randn(2 * T, 16, 6, 5, dtype=torch.float64)
    te = block.temporal
    same(block(x, T), bottleneck(array(x), block, stride, hidden=lambda y: extraction(y, te)))


@TRAINING
@pytest.mark.parametrize("stride", [1, 2])
def test_a_bottleneck_with_fe(training: bool, stride: int) -> None:
    """FE takes the place of the 3×3 convolution, and U of equation 10 is the block's last one."""
    site = Bottleneck.site("layer3", 1, 4, 16, 8)
    block = randomised(Bottleneck(site, stride, lambda site: FeatureEnhancement(site.spatial, site.width)))
    block.train(training)
    x = torch.randn(2 * T, 16, 6, 5, dtype=torch.float64)

    def product(y: Array) -> Array:
        return enhancement(y, block.temporal, block.conv2.weight, stride)

    same(block(x, T), bottleneck(array(x), block, stride, spatial=product))


@TRAINING
def test_other_blocks_with_te_and_fe(training: bool) -> None:
    """In ResNet-18 TE is before the second convolution, and FE is the first one. EfficientNet-Lite0 has TE alone."""
    x = torch.randn(2 * T, 8, 6, 5, dtype=torch.float64)
    site = BasicBlock.site("layer2", 0, 2, 8, 8)
    with_te = randomised(BasicBlock(site, 1, lambda site: TemporalExtraction(site.width, T))).train(training)
    same(with_te(x, T), basic_block(array(x), with_te, 1, hidden=lambda y: extraction(y, with_te.temporal)))
    lite = LiteBlock(Site("", 0, 8, 48), 8, 3, 1, lambda site: TemporalExtraction(site.width, T))
    lite = randomised(lite).train(training)
    same(lite(x, T), lite_block(array(x), lite, 3, 1, hidden=lambda y: extraction(y, lite.temporal)))
    with_fe = randomised(BasicBlock(site, 2, lambda site: FeatureEnhancement(site.spatial, site.width))).train(training)
    y = relu(norm(enhancement(array(x), with_fe.temporal, with_fe.conv1.weight, 2), with_fe.bn1))
    y = norm(conv(y, with_fe.conv2.weight, padding=1), with_fe.bn2)
    same(with_fe(x, T), relu(y + shortcut(array(x), with_fe, 2)))
