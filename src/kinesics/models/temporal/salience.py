"""Motion salience: where in the picture something moves by itself, from a Fourier transform over time.

The MDT-Net paper (step 2 of its method) has no formulas; this is a reading of its text. No parameters, no gradient.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kinesics.models.precision import full_precision

POOL = 4
"""Pixels to a cell of the map, each way."""
FLOOR = 0.1
"""Amplitudes below this share of the transform's length count less: they are noise."""
LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


@torch.no_grad()
def motion_salience(luminance_NTFHW: Tensor) -> Tensor:
    """(N, T, F, H, W), T segments of F consecutive frames → (N, T, H/4, W/4), 0 and up, one map per segment.

    Every cell's brightness over all T·F frames is whitened: its spectrum keeps the phases, and amplitudes that rise
    above the noise become alike, so that texture that shakes with the camera, at all times, gains no more than what
    moves once. The constant is dropped; what comes back is squared, averaged over a segment and smoothed.
    """
    n, t, f = luminance_NTFHW.shape[:3]
    with full_precision(luminance_NTFHW):
        cells = F.avg_pool2d(luminance_NTFHW.flatten(0, 2)[:, None].float(), POOL, ceil_mode=True)
        height, width = cells.shape[2:]
        white = whitened(cells.reshape(n, t * f, height * width))
        energy = white.square().reshape(n * t, f, height, width).mean(dim=1)
        return smoothed(energy).sqrt().view(n, t, height, width)


def gain(salience: Tensor) -> Tensor:
    """(N, T, H, W) salience → the same, 0.5 where nothing moves, less than 1.5 where most does."""
    mean = salience.mean(dim=(2, 3), keepdim=True)
    return 0.5 + salience / (salience + mean).clamp(min=1e-4)


def whitened(x_NLP: Tensor) -> Tensor:
    """(N, L, P), P signals over L steps → the same without their means, their amplitudes all but alike.

    The transform is two products with fixed matrices, which every runtime has.
    """
    length = x_NLP.shape[1]
    cosine, sine = fourier(length, x_NLP)
    real, imaginary = cosine @ x_NLP, sine @ x_NLP
    scale = 1 / ((real.square() + imaginary.square()).sqrt() + FLOOR * length)
    return (cosine.T @ (real * scale) + sine.T @ (imaginary * scale)) / length


def fourier(length: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """(L, L) cosines and sines of the discrete Fourier transform, one row per frequency; that of the constant is 0."""
    steps = torch.arange(length, device=like.device)
    turns = torch.outer(steps, steps).remainder(steps[-1] + 1).to(like.dtype) * (2 * math.pi / length)
    keep = (steps > 0)[:, None].to(like.dtype)
    return turns.cos() * keep, turns.sin()


def smoothed(maps_NHW: Tensor) -> Tensor:
    """(N, H, W) → the same under a Gaussian of σ = 1, edges repeated."""
    places = torch.arange(-3, 4, device=maps_NHW.device, dtype=maps_NHW.dtype)
    kernel = (-0.5 * places.square()).exp()
    kernel = kernel / kernel.sum()
    x = F.pad(maps_NHW[:, None], (3, 3, 3, 3), mode="replicate")
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, 7)), kernel.view(1, 1, 7, 1))[:, 0]
