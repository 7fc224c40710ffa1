"""The blocks of the backbones, in training and in evaluation, with TSM's shift where it may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kinesics.models.backbones.efficientnet_lite import LiteBlock
from kinesics.models.backbones.i3d import InflatedBottleneck
from kinesics.models.backbones.mfnet import MultiFiberUnit
from kinesics.models.backbones.mobilenetv2 import InvertedResidual
from kinesics.models.backbones.r2plus1d import SplitBlock
from kinesics.models.backbones.res2net import Res2Block
from kinesics.models.backbones.resnet import R3D50, BasicBlock, Bottleneck
from kinesics.models.temporal.shift import TemporalShift
from kinesics.models.temporal.slot import Site, still
from tests.parity import blocks
from tests.parity.loops import array, randomised, same

pytestmark = pytest.mark.parity

T = 4
TRAINING = pytest.mark.parametrize("training", [False, True])


@TRAINING
@pytest.mark.parametrize("direction", ["none", "both", "past"])
@pytest.mark.parametrize(("channels", "stride"), [(32, 1), (16, 2), (16, 1)])
def test_residual_blocks_with_and_without_a_shift(training: bool, direction: Any, channels: int, stride: int) -> None:
    slot = still if direction == "none" else lambda site: TemporalShift(direction, 8)
    first = blocks.unchanged if direction == "none" else blocks.shifted(T, direction)
    x = torch.randn(2 * T, channels, 6, 5, dtype=torch.float64)
    for kind, width, reference in ((BasicBlock, 32, blocks.basic_block), (Bottleneck, 8, blocks.bottleneck)):
        block = randomised(kind(kind.site("layer2", 0, 1, channels, width), stride, slot)).train(training)
        assert (block.downsample is None) == (channels == 32 and stride == 1)
        same(block(x, T), reference(array(x), block, stride, first))  # type: ignore[operator]


@pytest.mark.parametrize("fold_div", [2, 3, 8])
@pytest.mark.parametrize("direction", ["both", "past"])
def test_other_shares_of_shifted_channels(direction: Any, fold_div: int) -> None:
    x = torch.randn(2 * T, 7, 2, 3, dtype=torch.float64)
    same(TemporalShift(direction, fold_div)(x, T), blocks.shifted(T, direction, fold_div)(array(x)))


@pytest.mark.parametrize("steps", [4, 5])
def test_r3d_keeps_the_maximum_of_each_two_time_steps(steps: int) -> None:
    x = torch.randn(2 * steps, 3, 2, 2, dtype=torch.float64)
    clips = array(x).reshape(2, steps, 3, 2, 2)
    wanted = [clips[:, i : i + 2].max(axis=1) for i in range(0, steps, 2)]
    found, t = R3D50().pooled(x, steps)
    assert t == len(wanted)
    same(found, np.stack(wanted, axis=1).reshape(-1, 3, 2, 2))


@TRAINING
@pytest.mark.parametrize(("index", "stride", "channels"), [(0, 1, 64), (0, 2, 128), (1, 1, 128)])
def test_res2net_block(training: bool, index: int, stride: int, channels: int) -> None:
    site = Site("layer2", index, channels, 52, 3, inner=True, groups=4)
    block = randomised(Res2Block(site, stride, still)).train(training)
    x = torch.randn(2, channels, 6, 5, dtype=torch.float64)
    same(block(x, 1), blocks.res2_block(array(x), block, stride, index == 0))


@TRAINING
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(("expansion", "width_out", "stride"), [(6, 8, 1), (6, 12, 1), (6, 8, 2), (1, 8, 1)])
def test_inverted_residual(training: bool, shift: bool, expansion: int, width_out: int, stride: int) -> None:
    slot = (lambda site: TemporalShift("both", 8)) if shift else still
    block = randomised(InvertedResidual(Site("", 0, 8, 8 * expansion), width_out, stride, slot)).train(training)
    x = torch.randn(2 * T, 8, 6, 5, dtype=torch.float64)
    first = blocks.shifted(T) if shift else blocks.unchanged
    same(block(x, T), blocks.inverted_residual(array(x), block, stride, first))


@TRAINING
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "width_out"), [(3, 1, 4), (5, 1, 4), (3, 2, 4), (5, 2, 6)])
def test_lite_block(training: bool, shift: bool, kernel: int, stride: int, width_out: int) -> None:
    slot = (lambda site: TemporalShift("both", 4)) if shift else still
    block = randomised(LiteBlock(Site("", 0, 4, 24), width_out, kernel, stride, slot)).train(training)
    x = torch.randn(2 * T, 4, 7, 6, dtype=torch.float64)
    first = blocks.shifted(T, fold_div=4) if shift else blocks.unchanged
    same(block(x, T), blocks.lite_block(array(x), block, kernel, stride, first))


@TRAINING
@pytest.mark.parametrize(("channels", "stride", "reach"), [(32, 1, 1), (16, 2, 0), (16, 1, 1)])
def test_inflated_bottleneck(training: bool, channels: int, stride: int, reach: int) -> None:
    block = randomised(InflatedBottleneck(channels, 8, stride, reach)).train(training)
    x = torch.randn(2, channels, 3, 5, 6, dtype=torch.float64)
    same(block(x), blocks.inflated_bottleneck(array(x), block, stride, reach))


@TRAINING
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize(("channels", "stride"), [(6, 1), (4, 2)])
def test_split_block(training: bool, alike: bool, channels: int, stride: int) -> None:
    block = randomised(SplitBlock(channels, 6, stride, alike=alike)).train(training)
    x = torch.randn(2, channels, 4, 5, 4, dtype=torch.float64)
    same(block(x), blocks.split_block(array(x), block, stride, alike=alike))


@TRAINING
@pytest.mark.parametrize(("channels", "stride"), [(16, (2, 1, 1)), (16, (1, 2, 2)), (32, None)])
def test_multi_fiber_unit(training: bool, channels: int, stride: tuple[int, int, int] | None) -> None:
    unit = randomised(MultiFiberUnit(channels, 32, stride or (1, 1, 1), first=stride is not None)).train(training)
    x = torch.randn(2, channels, 4, 5, 4, dtype=torch.float64)
    same(unit(x), blocks.multi_fiber_unit(array(x), unit, stride or (1, 1, 1), stride is not None))
