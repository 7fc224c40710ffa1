"""KPSEM from feature maps to logits: its paper, sections 3.1 to 3.3 and 4.2.

All of it is computed in float32 on purpose (a float32 value and its cell share one float64), so it is compared in
float32, to 1e-5. The reference takes the same float32 numbers and goes on in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from kinesics.models.heads.keypoints import KeyPointHead
from kinesics.models.temporal.keypoints import RegionalShifts
from tests.models.key_point_loops import key_point_shifts
from tests.parity.loops import Array, array, conv, linear, norm, randomised, relu, same

pytestmark = pytest.mark.parity

NEAR = 1e-5
HIDDEN = 8


def lines(x: Array, module: Any, k: int) -> tuple[Array, Array]:
    """Equations 4 and 5: the centre of the map plus what a perceptron of each set makes of the frame's mean.

    The perceptron has 8 hidden units; its last layer's tanh times the reach, so that each region keeps a cell. With K
    regions of k × k there are k − 1 lines across each axis, each of them around its even place. The first half of the
    outputs is across, the second down.
    """
    n, t, _, height, width = x.shape
    sets, count = module.sets, k - 1
    found = [np.zeros((n, t, sets, k + 1)) for _ in range(2)]
    for i in range(n):
        for f in range(t):
            mean = x[i, f].mean(axis=(1, 2))
            for g in range(sets):
                if module.adaptive:
                    rows = slice(g * HIDDEN, (g + 1) * HIDDEN)
                    hidden = relu(array(module.hidden.weight)[rows] @ mean + array(module.hidden.bias)[rows])
                    rows = slice(g * 2 * count, (g + 1) * 2 * count)
                    bias = array(module.place.weight)[rows, :, 0] @ hidden + array(module.place.bias)[rows]
                else:
                    bias = array(module.offsets)[g]
                for axis, (size, part) in enumerate(((height, bias[count:]), (width, bias[:count]))):
                    reach = size / 2 - 1 if k == 2 else (size / k - 1) / 2 * (1 - 1e-4)
                    for j in range(count):
                        found[axis][i, f, g, j + 1] = size * (j + 1) / k + reach * np.tanh(part[j])
                    found[axis][i, f, g, -1] = size
    return found[0], found[1]


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("regions", [4, 9])
def test_lines_and_shifts(regions: int, adaptive: bool) -> None:
    module = randomised(RegionalShifts(3, regions=regions, sets=2, adaptive=adaptive), dtype=torch.float32)
    x = torch.randn(2, 3, 3, 7, 8)
    ys, xs = lines(array(x), module, math.isqrt(regions))
    assert ys[..., 1].std() > 0.1
    found, wanted = module(x), key_point_shifts(x, torch.from_numpy(ys), torch.from_numpy(xs))
    for name in ("points", "values", "weights", "shifts"):
        same(getattr(found, name), array(getattr(wanted, name)), NEAR)


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize(("regions", "sets", "between"), [(4, 2, None), (1, 1, 5), (9, 1, None)])
def test_from_maps_to_logits(normed: bool, regions: int, sets: int, between: int | None) -> None:
    widths = {"layer4": 8, "layer5": 5}
    made = KeyPointHead(
        widths, 4, num_steps=3, regions=regions, sets=sets, between=between, embed=12, norm=normed, dropout=0.0
    )
    head = randomised(made, dtype=torch.float32)
    maps, last = torch.randn(2, 3, 8, 7, 6), torch.randn(2, 3, 5, 4, 3)
    ys, xs = lines(array(maps), head.shifts, math.isqrt(regions)) if regions > 1 else whole(2, 3, sets, 7, 6)
    found = key_point_shifts(maps, torch.from_numpy(ys), torch.from_numpy(xs))
    regional = array(found.weights)[..., None] * array(found.shifts)  # equation 12: (N, T−1, G, K, C, 2)
    n, steps, _, k, channels, _ = regional.shape
    weight = array(head.embed.weight)
    y = np.zeros((n, channels, steps, 12))
    for g in range(sets):  # equation 3: a linear layer of each set, and their sum
        layer = weight[:, g * 2 * k : (g + 1) * 2 * k]
        for c in range(channels):
            y[:, c] += regional[:, :, g, :, c].reshape(n, steps, 2 * k) @ layer.T
    y += array(head.embed.bias)
    for module, batch_norm in zip(head.convs, head.norms, strict=True):  # section 4.2: 1×3 of stride 1×2, twice
        y = conv(y, module.weight, None, (1, 2), (0, 1))
        if normed:
            y = relu(norm(y, batch_norm))
    assert y.shape[1:] == (2, steps, 3)
    temporal = y.mean(axis=3).reshape(n, -1)
    joined = np.concatenate([array(last).mean(axis=(1, 3, 4)), temporal], axis=1)  # equation 1
    same(head({"layer4": maps, "layer5": last}), linear(joined, head.fc), NEAR)


def whole(n: int, t: int, sets: int, height: int, width: int) -> tuple[Array, Array]:
    """The lines of a single region."""
    return tuple(np.tile([0.0, size], (n, t, sets, 1)) for size in (height, width))  # type: ignore[return-value]
