"""MDT-Net's parts and its stream against plain loops.

Salience, correlations and the places of a deformable convolution are computed in float32 on purpose, and in float64
here (see `wide`), so that all is compared to 1e-9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kinesics.models.backbones.resnet import BasicBlock, Block, Bottleneck
from kinesics.models.build import create_model
from kinesics.models.temporal import salience
from kinesics.models.temporal.deformable import DeformableConv2d, deformable
from kinesics.models.temporal.mdt import CorrelationExcitation, DeformableExcitation, MotionGain
from tests.parity import motion_loops as loops
from tests.parity.blocks import basic_block, bottleneck, shifted
from tests.parity.loops import Array, array, conv, doubled, max_pool, norm, randomised, relu, same, settled

pytestmark = [pytest.mark.parity, pytest.mark.usefixtures("wide")]

TRAINING = pytest.mark.parametrize("training", [False, True])
T = 3


@pytest.mark.parametrize(("height", "width"), [(20, 24), (18, 25)])
def test_salience_and_gain(height: int, width: int) -> None:
    clips = torch.rand(2, T, 5, height, width, dtype=torch.float64)
    wanted = np.stack([loops.salience(array(clip)) for clip in clips])
    found = salience.motion_salience(clips)
    same(found, wanted)
    same(salience.gain(found), np.stack([loops.gain(maps) for maps in wanted]))


@pytest.mark.parametrize("kernel", [3, 5])
def test_deformable_convolution(kernel: int) -> None:
    module = randomised(DeformableConv2d(3, kernel))
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    offsets = 1.5 * torch.randn(2, module.num_offsets, 5, 6, dtype=torch.float64)  # some leave the picture
    wanted = loops.deformable(array(x), array(offsets), array(module.weight))
    same(module(x, offsets), wanted)
    same(deformable(x, offsets, module.weight), wanted)


@TRAINING
@pytest.mark.parametrize("t", [1, T])
def test_excitation_from_deformed_differences(training: bool, t: int) -> None:
    module = randomised(DeformableExcitation(32)).train(training)
    x = torch.randn(2 * t, 32, 5, 4, dtype=torch.float64)
    same(module(x, t), loops.deformable_excitation(array(x), module, t))


@TRAINING
@pytest.mark.parametrize(("t", "height", "width"), [(1, 8, 8), (T, 9, 8), (T, 4, 14)])
def test_excitation_from_correlations(training: bool, t: int, height: int, width: int) -> None:
    module = randomised(CorrelationExcitation(32)).train(training)
    x = torch.randn(2 * t, 32, height, width, dtype=torch.float64)
    same(module(x, t), loops.correlation_excitation(array(x), module, t))


@pytest.mark.parametrize(("dcme", "stce", "shift"), [(True, True, False), (True, False, True), (False, True, False)])
def test_blocks_with_gains(dcme: bool, stce: bool, shift: bool) -> None:
    """o · (1 + A + E), after the first convolution, its norm and ReLU."""
    x = torch.randn(2 * T, 32, 6, 5, dtype=torch.float64)

    def made(kind: type[Block]) -> Any:
        site = kind.site("layer3", 0, 4, 32, 32)
        arguments = {"inner": site.inner, "dcme": dcme, "stce": stce, "shift": shift}
        return randomised(kind(site, 2, lambda site: MotionGain(site.width, **arguments)))

    def gained(y: Array, block: Any) -> Array:
        factor = np.ones_like(y)
        if dcme:
            factor = factor + loops.deformable_excitation(y, block.temporal.dcme, T)
        if stce:
            factor = factor + loops.correlation_excitation(y, block.temporal.stce, T)
        return y * factor

    first = shifted(T) if shift else lambda y: y
    deep, basic = made(Bottleneck), made(BasicBlock)
    same(deep(x, T), bottleneck(array(x), deep, 2, first, inner=lambda y: gained(y, deep)))
    same(basic(x, T), basic_block(array(x), basic, 2, first, hidden=lambda y: gained(y, basic)))


def differences(clip: Array, gains: Array | None, fine: bool) -> Array:
    """(T, 5, 3, H, W) → (T, C, H/2, W/2), times the gains, each of which lies over 2 × 2 of the halved pixels.

    Fine: the four differences within a time step. Coarse: the key frame after less this one, this one less the one
    before, zero at the ends; the gain of two steps is the larger.
    """
    t, key = len(clip), 3
    height, width = clip.shape[3] // 2, clip.shape[4] // 2
    out = np.zeros((t, 12 if fine else 6, height, width))
    for i in range(t):
        if fine:
            steps = [(clip[i, f + 1] - clip[i, f], i, i) for f in range(4)]
        else:
            ends = [(i + 1, i), (i, i - 1)]
            steps = [
                (clip[a, key] - clip[b, key], a, b) if b >= 0 and a < t else (np.zeros(clip.shape[2:]), i, i)
                for a, b in ends
            ]
        for number, (step, a, b) in enumerate(steps):
            part = loops.cells_of(step, 2)
            if gains is not None:
                part = part * doubled(np.maximum(gains[a], gains[b])[None, None])[0]
            out[i, 3 * number : 3 * number + 3] = part
    return out


def added(stream: Any, clips: Array, salient: bool, parts: list[str]) -> dict[str, Array]:
    """What the stream adds to the stem and to layer2 of a ResNet-18: f(differences) − f(0), times scales per channel.

    f: a stem 7×7 of stride 2, norm and ReLU for each kind of difference, their mean, a 3×3 maximum, and a copy of the
    first stage's blocks.
    """

    def features(pictures: dict[str, Array]) -> tuple[Array, Array]:
        stems = []
        for name, picture in pictures.items():
            stem = getattr(stream, name)
            stems.append(relu(norm(conv(picture, stem.conv.weight, None, 2, 3), stem.bn)))
        x = max_pool(sum(stems) / len(stems), (3, 3), 2, 1)
        y = x
        for block in stream.blocks:
            y = basic_block(y, block, 1)
        return x, y

    found = []
    luminance = array(stream.luminance)  # weights of the luminance times the std of the input, rounded to float32
    assert np.allclose(luminance, np.array(loops.LUMINANCE) * (0.229, 0.224, 0.225), rtol=1e-6)
    for clip in clips.reshape(*clips.shape[:2], 5, 3, *clips.shape[3:]):
        gains = None
        if salient:
            gains = loops.gain(loops.salience((clip * luminance[:, None, None]).sum(axis=2)))
        moving = {name: differences(clip, gains, name == "fine") for name in parts}
        still = features({name: np.zeros_like(picture[:1]) for name, picture in moving.items()})
        found.append([one - other for one, other in zip(features(moving), still, strict=True)])
    scales = array(stream.scale_stem), array(stream.scale_layer2)
    return {
        name: np.concatenate([one[place] for one in found]) * scales[place][:, None, None]
        for place, name in enumerate(("stem", "layer2"))
    }


@pytest.mark.parametrize(
    ("salient", "parts"), [(True, ["fine", "coarse"]), (False, ["fine"]), (True, ["coarse"]), (False, [])]
)
def test_the_stream_and_where_it_is_added(salient: bool, parts: list[str]) -> None:
    made = create_model("mdt_resnet18", 2, salience=salient, fine="fine" in parts, coarse="coarse" in parts)
    clips = torch.randn(2, T, 15, 32, 32, dtype=torch.float64)
    network = settled(randomised(made), torch.randn(2, T, 15, 32, 32, dtype=torch.float64)).backbone
    stream, key_frames = network.temporal_stream, array(clips[:, :, 9:12].flatten(0, 1))
    frames, found = stream(clips)
    same(frames, key_frames)
    wanted = added(stream, array(clips), salient, parts) if parts else {}
    assert set(found) == set(wanted)
    for name, x in found.items():
        same(x, wanted[name])
    x = max_pool(relu(norm(conv(key_frames, network.conv1.weight, None, 2, 3), network.bn1)), (3, 3), 2, 1)
    x = x + doubled(wanted["stem"]) if parts else x
    for block in network.layer1:
        x = basic_block(x, block, 1)
    x = x + doubled(wanted["layer2"]) if parts else x
    same(network.forward_stages(clips, ("layer2",))["layer2"].flatten(0, 1), x)
