"""MDT-Net's parts in plain loops. Its paper has no formulas: docs/systems.md and the modules say how it is read.

Deformable convolution: Dai et al., ICCV 2017, equations 2 to 4.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from tests.parity.loops import Array, array, conv, linear, norm, relu, sigmoid

LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def cells_of(x: Array, size: int) -> Array:
    """(…, H, W) → means of size × size pixels; of those that are there, at the end of an axis that does not divide."""
    height, width = (math.ceil(n / size) for n in x.shape[-2:])
    out = np.zeros((*x.shape[:-2], height, width))
    for row in range(height):
        for column in range(width):
            box = x[..., row * size : (row + 1) * size, column * size : (column + 1) * size]
            out[..., row, column] = box.mean(axis=(-2, -1))
    return out


def whitened(signal: Array) -> Array:
    """(L,) → the inverse transform of F / (|F| + L/10), F the discrete Fourier transform without its constant."""
    length = len(signal)
    out = np.zeros(length)
    for k in range(1, length):
        term = sum(signal[i] * cmath.exp(-2j * math.pi * k * i / length) for i in range(length))
        term /= abs(term) + 0.1 * length
        for i in range(length):
            out[i] += (term * cmath.exp(2j * math.pi * k * i / length)).real / length
    return out


def smoothed(x: Array) -> Array:
    """(H, W) → under a Gaussian of σ = 1, cut at 3, edges repeated."""
    height, width = x.shape
    weights = {i: math.exp(-i * i / 2) for i in range(-3, 4)}
    total = sum(weights.values())
    out = np.zeros_like(x)
    for row in range(height):
        for column in range(width):
            for i, down in weights.items():
                for j, right in weights.items():
                    y, x_ = min(max(row + i, 0), height - 1), min(max(column + j, 0), width - 1)
                    out[row, column] += down * right / total**2 * x[y, x_]
    return out


def salience(luminance: Array) -> Array:
    """(T, F, H, W) of one clip → (T, H/4, W/4)."""
    t, f = luminance.shape[:2]
    cells = cells_of(luminance, 4)
    white = np.zeros_like(cells)
    for row in range(cells.shape[2]):
        for column in range(cells.shape[3]):
            white[:, :, row, column] = whitened(cells[:, :, row, column].ravel()).reshape(t, f)
    return np.stack([np.sqrt(smoothed((white[i] ** 2).mean(axis=0))) for i in range(t)])


def gain(maps: Array) -> Array:
    """(T, H, W) → 0.5 + S / (S + mean S)."""
    return np.stack([0.5 + one / (one + one.mean()) for one in maps])


def deformable(x: Array, offsets: Array, weight: Array) -> Array:
    """y(p0) = Σ w(pn) · x(p0 + pn + Δpn), x between pixels by bilinear interpolation, 0 outside the picture.

    offsets: (N, 2·k², H, W), for each tap, row by row, how far down and how far right.
    """
    n, _, height, width = x.shape
    k = weight.shape[-1]
    rows, columns = np.arange(height), np.arange(width)
    out = np.zeros((n, weight.shape[0], height, width))
    for i in range(n):
        for row in range(height):
            for column in range(width):
                for tap in range(k * k):
                    down, right = offsets[i, 2 * tap : 2 * tap + 2, row, column]
                    y, x_ = row + tap // k - k // 2 + down, column + tap % k - k // 2 + right
                    near = np.outer(np.maximum(0, 1 - np.abs(rows - y)), np.maximum(0, 1 - np.abs(columns - x_)))
                    value = (x[i] * near).sum(axis=(1, 2))
                    out[i, :, row, column] += weight[:, :, tap // k, tap % k] @ value
    return out


def deformable_excitation(x: Array, module: Any, t: int) -> Array:
    """A = sigmoid(BN(1×1(d))) − ½, d = ½ (D3(u(t+1)) + D5(u(t+1))) − u(t), 0 at the last frame; u = BN(1×1(x)).

    The offsets of both are a 3×3 convolution of u(t+1) − u(t): 18 channels for the 3×3 kernel, then 50 for the 5×5.
    """
    u = norm(conv(x, module.reduce.weight), module.reduce_bn)
    d = np.zeros_like(u)
    for frame in range(len(x)):
        if frame % t == t - 1:
            continue
        now, following = u[frame : frame + 1], u[frame + 1 : frame + 2]
        offsets = conv(following - now, module.offsets.weight, module.offsets.bias, 1, 1)
        assert offsets.shape[1] == 2 * 9 + 2 * 25
        three = deformable(following, offsets[:, :18], array(module.deform3.weight))
        five = deformable(following, offsets[:, 18:], array(module.deform5.weight))
        d[frame] = ((three + five) / 2 - now)[0]
    return sigmoid(norm(conv(d, module.expand.weight), module.expand_bn)) - 0.5


def pooled_to(x: Array, size: int) -> Array:
    """(H, W) → (size, size): means over the pixels from floor(i·H / size) to ceil((i + 1)·H / size)."""
    height, width = x.shape
    out = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            rows = slice(i * height // size, -(-(i + 1) * height // size))
            columns = slice(j * width // size, -(-(j + 1) * width // size))
            out[i, j] = x[rows, columns].mean()
    return out


def correlation_excitation(x: Array, module: Any, t: int) -> Array:
    """E = sigmoid(Linear(ReLU(BN(Conv1d(z))))) − ½, z the sum of two linear layers.

    One takes a channel's mean, the other 1 − the cosine of its 7×7 map and the next frame's; 0 at the last frame.
    """
    frames, channels = x.shape[:2]
    strength, change = np.zeros((frames, channels)), np.zeros((frames, channels))
    for frame in range(frames):
        for c in range(channels):
            strength[frame, c] = x[frame, c].mean()
            if frame % t < t - 1:
                here, there = pooled_to(x[frame, c], 7).ravel(), pooled_to(x[frame + 1, c], 7).ravel()
                norms = math.sqrt((here**2).sum()) * math.sqrt((there**2).sum())
                change[frame, c] = (norms - (here * there).sum()) / (norms + 1e-6)  # 1e-6: no division by 0
    z = linear(strength, module.strength) + linear(change, module.change)
    z = z.reshape(-1, t, z.shape[1]).swapaxes(1, 2)
    z = relu(norm(conv(z, module.conv.weight, padding=1), module.bn)).swapaxes(1, 2)
    return (sigmoid(linear(z, module.expand)) - 0.5).reshape(frames, channels, 1, 1)
