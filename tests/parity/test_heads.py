"""The heads that only pool and classify: TSN's, STP's pyramid and the ordered head."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kinesics.models.heads.average import AverageHead
from kinesics.models.heads.ordered import OrderedHead
from kinesics.models.heads.pyramid import PyramidHead
from tests.parity.loops import array, linear, randomised, same

pytestmark = pytest.mark.parity

WIDTHS = {"layer5": 6}


def test_average() -> None:
    """TSN, section 3.1: G is the mean of the segments' class scores."""
    head = randomised(AverageHead(WIDTHS, 3, 0.0))
    x = torch.randn(2, 5, 6, 3, 4, dtype=torch.float64)
    wanted = np.zeros((2, 3))
    for n in range(2):
        for t in range(5):
            wanted[n] += linear(array(x[n, t]).mean(axis=(1, 2)), head.fc) / 5
    same(head({"layer5": x}), wanted)


@pytest.mark.parametrize(("parts", "levels"), [(4, 3), (4, 2), (8, 4), (4, 1), (2, 2)])
def test_pyramid(parts: int, levels: int) -> None:
    """STP, section 3: level l cuts a segment into 2^(l−1) equal parts, each their mean, coarse to fine; then W and b.

    The scores of the segments are averaged.
    """
    head = randomised(PyramidHead(WIDTHS, 3, 0.0, parts=parts, levels=levels))
    x = torch.randn(2, 3 * parts, 6, 2, 3, dtype=torch.float64)
    wanted, summaries = np.zeros((2, 3)), np.zeros((2, 6 * (2**levels - 1)))
    for n in range(2):
        for segment in range(3):
            steps = [array(x[n, segment * parts + i]).mean(axis=(1, 2)) for i in range(parts)]
            cells = []
            for level in range(levels):
                length = parts // 2**level
                ends = range(length, parts + 1, length)
                cells += [sum(steps[end - length : end]) / length for end in ends]  # equation 2
            feature = np.concatenate(cells)
            wanted[n] += linear(feature, head.fc) / 3
            summaries[n] += feature / 3
    same(head({"layer5": x}), wanted)
    same(head.summary({"layer5": x}), summaries)


@pytest.mark.parametrize(("t", "moments"), [(1, 1), (3, 4), (4, 4), (8, 3), (25, 6)])
def test_ordered(t: int, moments: int) -> None:
    """Moment m is Σ_i x_i cos(π m (i + ½) / T) / T, times √2 for m > 0 (a cosine transform); none beyond T moments."""
    head = randomised(OrderedHead(WIDTHS, 3, 0.0, moments))
    x = torch.randn(2, t, 6, 3, 2, dtype=torch.float64)
    wanted = np.zeros((2, 3))
    for n in range(2):
        steps = [array(x[n, i]).mean(axis=(1, 2)) for i in range(t)]
        feature = np.zeros((moments, 6))
        for m in range(min(moments, t)):
            for i in range(t):
                scale = 1.0 if m == 0 else math.sqrt(2)
                feature[m] += steps[i] * scale * math.cos(math.pi * m * (i + 0.5) / t) / t
        wanted[n] = linear(feature.ravel(), head.fc)
    same(head({"layer5": x}), wanted)
