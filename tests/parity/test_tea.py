"""TEA's two modules in a block of Res2Net: sections 3.1 and 3.2 of its paper, one frame and channel at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kinesics.models.backbones.res2net import Res2Block
from kinesics.models.temporal.slot import Site
from kinesics.models.temporal.tea import TEA, MotionExcitation, TemporalConv
from tests.parity.blocks import res2_block
from tests.parity.loops import Array, array, conv, norm, randomised, same, sigmoid

pytestmark = pytest.mark.parity

TRAINING = pytest.mark.parametrize("training", [False, True])


def excitation(x: Array, module: Any, t: int) -> Array:
    """Section 3.1: X + X ⊙ A, A the sigmoid of the expanded mean motion, less ½ as in the authors' code.

    The motion M(t) is K(X(t+1)) − X(t) of reduced features, a kernel for each channel; that of the last frame is 0.
    """
    reduced = norm(conv(x, module.reduce.weight), module.reduce_bn)
    channels = reduced.shape[1]
    motion = np.zeros((len(x), channels, 1, 1))
    for frame in range(len(x)):
        if frame % t == t - 1:
            continue
        following = conv(reduced[frame + 1][None], module.transform.weight, None, 1, 1, channels)[0]
        for channel in range(channels):
            motion[frame, channel] = (following[channel] - reduced[frame, channel]).mean()
    gain = sigmoid(norm(conv(motion, module.expand.weight), module.expand_bn)) - 0.5
    return x + x * gain


def over_time(x: Array, weight: Any, t: int) -> Array:
    """Section 3.2's convolution over time: three weights of each channel, zero beyond the clip."""
    out, taps = np.zeros_like(x), array(weight)
    for frame in range(len(x)):
        for channel in range(x.shape[1]):
            for tap in range(3):
                source = frame % t + tap - 1
                if 0 <= source < t:
                    out[frame, channel] += taps[channel, 0, tap] * x[frame + tap - 1, channel]
    return out


@TRAINING
@pytest.mark.parametrize("t", [1, 2, 4])
def test_motion_excitation(training: bool, t: int) -> None:
    module = randomised(MotionExcitation(32)).train(training)
    x = torch.randn(8, 32, 4, 3, dtype=torch.float64)
    same(module(x, t), excitation(array(x), module, t))


@pytest.mark.parametrize("t", [1, 2, 4])
def test_convolution_over_time(t: int) -> None:
    module = randomised(TemporalConv(5))
    x = torch.randn(8, 5, 3, 2, dtype=torch.float64)
    same(module(x, t), over_time(array(x), module.weight, t))


@TRAINING
@pytest.mark.parametrize(("index", "stride", "channels"), [(0, 1, 64), (0, 2, 128), (1, 1, 128)])
def test_a_block_is_excitation_then_groups_over_time_and_space(
    training: bool, index: int, stride: int, channels: int
) -> None:
    """Section 3.2: a group's convolution over time is before its spatial one; the last group has the former alone."""
    t = 3
    site = Site("layer2", index, channels, 52, 3, inner=True, groups=4)
    block = randomised(Res2Block(site, stride, lambda site: TEA(site.width, site.groups))).train(training)
    x = torch.randn(2 * t, channels, 5, 4, dtype=torch.float64)
    me, mta = block.temporal.me, block.temporal.mta
    wanted = res2_block(
        array(x),
        block,
        stride,
        index == 0,
        lambda y: excitation(y, me, t),
        lambda group: lambda y: over_time(y, mta[group].weight, t),
    )
    same(block(x, t), wanted)
