"""Whole backbones at a tiny size, stage by stage: the order, depths, strides and poolings of their blocks.

The blocks' own equations, in training too, are in test_blocks.py. Statistics are those of a batch, so that features do
not vanish on the way; the clip that is compared is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from kinesics.models.backbones.backbone import STAGES
from kinesics.models.backbones.c3d import C3D
from kinesics.models.build import create_model
from tests.parity import blocks
from tests.parity.loops import Array, array, conv, linear, max_pool, norm, randomised, relu, relu6, same, settled

pytestmark = pytest.mark.parity

Stages = dict[str, Array]
T = 2


def frames_of(clips: Array) -> Array:
    """(N, T, C, H, W) → (N·T, C, H, W)."""
    return clips.reshape(-1, *clips.shape[2:])


def residual_stages(network: Any, clips: Array, block: Callable[[Array, Any, int, bool], Array]) -> Stages:
    """He et al., table 1: 7×7 of stride 2, 3×3 maximum of stride 2, four stages, the last three begin with stride 2."""
    x = relu(norm(conv(frames_of(clips), network.conv1.weight, None, 2, 3), network.bn1))
    x, found = max_pool(x, (3, 3), 2, 1), {}
    for number, name in enumerate(STAGES, start=1):
        for index, module in enumerate(network.get_submodule(f"layer{number}")):
            x = block(x, module, 2 if number > 1 and index == 0 else 1, index == 0)
        found[name] = x
    return found


def resnet18(network: Any, clips: Array) -> Stages:
    assert [len(network.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [2, 2, 2, 2]
    return residual_stages(network, clips, lambda x, block, stride, opens: blocks.basic_block(x, block, stride))


def tsm_resnet50(network: Any, clips: Array) -> Stages:
    """TSM, sections 3.3 and 4.1: a shift before the first convolution of every block, not on the shortcut."""
    assert [len(network.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 4, 6, 3]
    shift = blocks.shifted(T)
    return residual_stages(network, clips, lambda x, block, stride, opens: blocks.bottleneck(x, block, stride, shift))


def res2net50(network: Any, clips: Array) -> Stages:
    assert [len(network.get_submodule(f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 4, 6, 3]
    return residual_stages(network, clips, blocks.res2_block)


def bninception(network: Any, clips: Array) -> Stages:
    """Ioffe and Szegedy, figure 5."""

    def made(y: Array, layer: str, stride: int, padding: int) -> Array:
        found = network.get_submodule(layer)
        y = conv(y, found.weight, found.bias, stride, padding)
        return relu(norm(y, network.get_submodule(f"{layer}_bn")))

    x = blocks.pool_up(made(frames_of(clips), "conv1_7x7_s2", 2, 3))
    x = made(made(x, "conv2_3x3_reduce", 1, 0), "conv2_3x3", 1, 1)
    found = {"layer2": x}
    x = blocks.pool_up(x)
    for stage, names in (("layer3", "3a 3b"), ("layer4", "3c 4a 4b 4c 4d"), ("layer5", "4e 5a 5b")):
        for name in names.split():
            x = blocks.inception_block(x, network, name)
        found[stage] = x
    return found


def mobilenetv2(network: Any, clips: Array) -> Stages:
    """Sandler et al., table 2: (expansion, channels, blocks, stride)."""
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    ends = {3: "layer2", 6: "layer3", 13: "layer4"}
    x = relu6(norm(conv(frames_of(clips), network.features[0][0].weight, None, 2, 1), network.features[0][1]))
    found, number = {}, 0
    for _, width, depth, stride in rows:
        for index in range(depth):
            number += 1
            x = blocks.inverted_residual(x, network.features[number], stride if index == 0 else 1)
            assert x.shape[1] == width
            if number in ends:
                found[ends[number]] = x
    x = relu6(norm(conv(x, network.features[18][0].weight), network.features[18][1]))
    return {**found, "layer5": x}


def efficientnet_lite0(network: Any, clips: Array) -> Stages:
    """Tan and Le, table 1, with the stem and the head of the lite networks: (channels, blocks, stride, kernel)."""
    rows = ((16, 1, 1, 3), (24, 2, 2, 3), (40, 2, 2, 5), (80, 3, 2, 3), (112, 3, 1, 5), (192, 4, 2, 5), (320, 1, 1, 3))
    ends = {2: "layer2", 4: "layer3", 10: "layer4"}
    x = blocks.tensorflow_same(frames_of(clips), 3, 2)
    x = relu6(norm(conv(x, network._conv_stem.weight, None, 2), network._bn0, 1e-3))
    found, number = {}, 0
    for width, depth, stride, kernel in rows:
        for index in range(depth):
            block = network._blocks[number]
            x = blocks.lite_block(x, block, kernel, stride if index == 0 else 1, expands=number > 0)
            assert x.shape[1] == width
            if number in ends:
                found[ends[number]] = x
            number += 1
    x = relu6(norm(conv(x, network._conv_head.weight), network._bn1, 1e-3))
    return {**found, "layer5": x}


def mfnet(network: Any, clips: Array) -> Stages:
    """Chen et al., table 1: 3×5×5 of stride 1×2×2, 1×3×3 maximum, four stages; time is halved by the second."""
    x = conv(clips.swapaxes(1, 2), network.conv1.conv.weight, None, (1, 2, 2), (1, 2, 2))
    x = max_pool(relu(norm(x, network.conv1.bn)), (1, 3, 3), (1, 2, 2), (0, 1, 1))
    found = {}
    for number, depth in ((2, 3), (3, 4), (4, 6), (5, 3)):
        for index in range(depth):
            unit = network.get_submodule(f"conv{number}.B{index + 1:02d}")
            stride = (2, 1, 1) if number == 2 else (1, 2, 2)
            x = blocks.multi_fiber_unit(x, unit, stride if index == 0 else (1, 1, 1), index == 0)
        found[f"layer{number}"] = relu(norm(x, network.tail.bn)) if number == 5 else x
    return found


def r2plus1d(network: Any, clips: Array, depths: Sequence[int], eps: float) -> Stages:
    """Tran et al., table 1: 1×7×7 of stride 1×2×2 and 3×1×1, four stages, the last three halve time and picture."""
    stem = network.stem
    x = relu(norm(conv(clips.swapaxes(1, 2), stem[0].weight, None, (1, 2, 2), (0, 3, 3)), stem[1], eps))
    x = relu(norm(conv(x, stem[3].weight, padding=(1, 0, 0)), stem[4], eps))
    found = {}
    for number, (name, depth) in enumerate(zip(STAGES, depths, strict=True), start=1):
        for index in range(depth):
            block = network.get_submodule(f"layer{number}.{index}")
            stride = 2 if number > 1 and index == 0 else 1
            x = blocks.split_block(x, block, stride, alike=eps == 1e-5, eps=eps)
        found[name] = x
    return found


def r2plus1d18(network: Any, clips: Array) -> Stages:
    return r2plus1d(network, clips, (2, 2, 2, 2), 1e-5)


def r2plus1d34(network: Any, clips: Array) -> Stages:
    """As the authors' weights have it: epsilon 1e-3, and channels between by each convolution's own input."""
    return r2plus1d(network, clips, (3, 4, 6, 3), 1e-3)


def i3d50(network: Any, clips: Array) -> Stages:
    """Wang and Gupta, table 1. Every second block reaches over time, as in Wang et al., CVPR 2018."""
    x = conv(clips.swapaxes(1, 2), network.conv1.weight, None, (1, 2, 2), (2, 3, 3))
    x = max_pool(relu(norm(x, network.bn1)), (1, 3, 3), (1, 2, 2), (0, 1, 1))
    found = {}
    for number, reaches in enumerate(([1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0, 1, 0], [0, 1, 0]), start=1):
        if number == 2:
            x = max_pool(x, (3, 1, 1), (2, 1, 1), (1, 0, 0))
        for index, reach in enumerate(reaches):
            stride = 2 if number in (2, 3) and index == 0 else 1
            x = blocks.inflated_bottleneck(x, network.get_submodule(f"layer{number}.{index}"), stride, reach)
        found[STAGES[number - 1]] = x
    return found


@pytest.mark.parametrize(
    ("name", "reference", "t", "size"),
    [
        ("tsn_resnet18", resnet18, T, 32),
        ("tsm_resnet50", tsm_resnet50, T, 32),
        ("tsn_res2net50", res2net50, T, 32),
        ("tsn_bninception", bninception, T, 64),
        ("tsn_mobilenetv2", mobilenetv2, T, 33),
        ("tsn_efficientnet_lite0", efficientnet_lite0, T, 34),
        ("plain_mfnet", mfnet, 4, 33),
        ("plain_r2plus1d18", r2plus1d18, 8, 16),
        ("plain_r2plus1d34", r2plus1d34, 8, 16),
        ("plain_i3d50", i3d50, 4, 32),
    ],
)
def test_every_stage(name: str, reference: Callable[[Any, Array], Stages], t: int, size: int) -> None:
    batch, clips = torch.randn(4, t, 3, size, size).double(), torch.randn(2, t, 3, size, size).double()
    network = settled(randomised(create_model(name, 2)), batch).backbone
    found = network.forward_stages(clips, STAGES)
    wanted = reference(network, array(clips))
    assert list(found) == list(wanted) == list(STAGES)
    for stage, features in found.items():
        x = features.transpose(1, 2) if network.sees_time else features.flatten(0, 1)
        same(x, wanted[stage])


def test_c3d() -> None:
    """Tran et al., ICCV 2015, figure 3: eight convolutions, five maxima of which the first leaves time, fc6, fc7.

    Up to conv4b on 8 frames of 32², whose sizes halve without a rest, as 16 frames of 112² do; the last stage on the
    2 × 7 × 7 places that those have there.
    """
    with torch.device("meta"):  # nothing is drawn twice: it has 78 million parameters
        network: Any = C3D()
    randomised(network.double().to_empty(device="cpu"))
    clips = torch.randn(1, 8, 3, 32, 32).double()
    x = clips.numpy().swapaxes(1, 2)
    found = network.forward_stages(clips, STAGES[:3])
    wanted = {}
    for stage, layers, window in (
        ("", ("conv1",), (1, 2, 2)),
        ("layer2", ("conv2",), (2, 2, 2)),
        ("layer3", ("conv3a", "conv3b"), (2, 2, 2)),
        ("layer4", ("conv4a", "conv4b"), (2, 2, 2)),
    ):
        for layer in layers:
            module = network.get_submodule(layer)
            x = relu(conv(x, module.weight, module.bias, padding=1))
        x = max_pool(x, window, window)
        wanted[stage] = x
    for stage in STAGES[:3]:
        same(found[stage].transpose(1, 2), wanted[stage])
    x = np.abs(np.random.default_rng(0).standard_normal((1, 512, 2, 7, 7)))
    found_end = network.stage("layer5", torch.from_numpy(x), 2)
    for layer in ("conv5a", "conv5b"):
        module = network.get_submodule(layer)
        x = relu(conv(x, module.weight, module.bias, padding=1))
    x = max_pool(x, (2, 2, 2), (2, 2, 2), (0, 1, 1)).reshape(1, -1)
    x = relu(linear(relu(linear(x, network.fc6)), network.fc7))
    same(found_end, x[..., None, None, None])
