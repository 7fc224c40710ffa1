"""The operations that networks are made of, from their definitions, in NumPy and float64.

Nothing here comes from the package or from PyTorch's operators. Arrays are (N, C, …). Strides, padding and epsilons are
arguments, so that a reference says what the paper says and not what the module happens to have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Array = npt.NDArray[np.float64]
Sizes = int | Sequence[int]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def array(x: Tensor | None) -> Any:
    """A copy of a tensor."""
    return None if x is None else x.detach().cpu().numpy().astype(np.float64)


def randomised(module: nn.Module, seed: int = 0, dtype: torch.dtype = torch.float64) -> Any:
    """The module in evaluation mode, its parameters and statistics random: none is 0, none is 1, no two are alike."""
    generator = torch.Generator().manual_seed(seed)

    def fill(x: Tensor, low: float, high: float) -> None:
        x.data = torch.empty(x.shape, dtype=dtype).uniform_(low, high, generator=generator)

    module.to(dtype)
    for part in module.modules():
        own = dict(part.named_parameters(recurse=False))
        if isinstance(part, NORMS):
            for name, x in own.items() | dict(part.named_buffers(recurse=False)).items():
                if name != "num_batches_tracked":
                    fill(x, *((0.5, 1.5) if name in ("weight", "running_var") else (-0.5, 0.5)))
            continue
        for x in own.values():
            width = math.sqrt(3 / max(1, x[0].numel() if x.ndim > 1 else 4))  # outputs about as large as inputs
            fill(x, -width, width)
    return module.eval()


def settled(module: nn.Module, x: Tensor, *arguments: Any) -> Any:
    """A randomised module whose statistics are those of `x`, so that deep features keep their size."""
    for part in module.modules():
        if isinstance(part, NORMS):
            part.momentum = 1.0
    with torch.no_grad():
        module.train()(x, *arguments)
    return module.eval()


def same(found: Tensor, wanted: Array, tolerance: float = 1e-9) -> None:
    """Both are the same to `tolerance`, of the largest value where that is more than 1, and not all but constant."""
    assert tuple(found.shape) == wanted.shape
    assert np.isfinite(wanted).all()
    assert wanted.size == 1 or wanted.std() > 1e-3
    gap = np.abs(array(found) - wanted).max()
    assert gap <= tolerance * max(1.0, np.abs(wanted).max()), f"{gap:.1e}"


def each(size: Sizes, axes: int) -> tuple[int, ...]:
    """One number per axis."""
    return (size,) * axes if isinstance(size, int) else tuple(size)


def windows(x: Array, kernel: Sequence[int], stride: Sizes, padding: Sizes, value: float = 0.0) -> Any:
    """The shape of the output, and for each of its places the patch (N, C, *kernel) of the padded input."""
    axes = len(kernel)
    strides, pads = each(stride, axes), each(padding, axes)
    wide = np.pad(x, [(0, 0), (0, 0), *((pad, pad) for pad in pads)], constant_values=value)
    sizes = [(n - k) // s + 1 for n, k, s in zip(wide.shape[2:], kernel, strides, strict=True)]

    def patches() -> Any:
        for place in itertools.product(*map(range, sizes)):
            box = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, strides, kernel, strict=True))
            yield (slice(None), slice(None), *place), wide[(slice(None), slice(None), *box)]

    return sizes, patches()


def conv(
    x: Array, weight: Tensor | Array, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0, groups: int = 1
) -> Array:
    """A convolution over one, two or three axes: at each place the sum of the patch times the kernel."""
    kernel = array(weight) if isinstance(weight, Tensor) else weight
    sizes, patches = windows(x, kernel.shape[2:], stride, padding)
    flat = kernel.reshape(groups, kernel.shape[0] // groups, -1)
    out = np.zeros((x.shape[0], kernel.shape[0], *sizes))
    for place, patch in patches:
        parts = patch.reshape(x.shape[0], groups, -1)
        if groups == 1:
            out[place] = parts[:, 0] @ flat[0].T
        else:
            out[place] = (parts[:, :, None] * flat[None]).sum(axis=3).reshape(x.shape[0], -1)
    return out if bias is None else out + across(array(bias), out.ndim)


def across(values: Array, ndim: int) -> Array:
    """(C,) → (1, C, 1, …)."""
    return values.reshape(1, -1, *(1,) * (ndim - 2))


def norm(x: Array, module: nn.Module, eps: float = 1e-5) -> Array:
    """Batch normalisation (Ioffe and Szegedy, algorithms 1 and 2) with a module's four vectors.

    In training the mean and the (biased) variance are those of the batch, in evaluation those that are kept.
    """
    found: Any = module
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axis=axes) if module.training else array(found.running_mean)
    variance = x.var(axis=axes) if module.training else array(found.running_var)
    scale = array(found.weight) / np.sqrt(variance + eps)
    return (x - across(mean, x.ndim)) * across(scale, x.ndim) + across(array(found.bias), x.ndim)


def relu(x: Array) -> Array:
    return np.where(x > 0, x, 0.0)


def relu6(x: Array) -> Array:
    return np.minimum(relu(x), 6.0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def linear(x: Array, module: nn.Module) -> Array:
    """(…, D) → (…, K)."""
    layer: Any = module
    y = x @ array(layer.weight).T
    return y if layer.bias is None else y + array(layer.bias)


def max_pool(x: Array, kernel: Sequence[int], stride: Sizes, padding: Sizes = 0) -> Array:
    """The largest value in each window; what is outside never is."""
    sizes, patches = windows(x, kernel, stride, padding, -np.inf)
    out = np.zeros((*x.shape[:2], *sizes))
    for place, patch in patches:
        out[place] = patch.reshape(*x.shape[:2], -1).max(axis=2)
    return out


def mean_pool(x: Array, kernel: Sequence[int], stride: Sizes, padding: Sizes = 0) -> Array:
    """The mean of each window; what is outside is 0 and counts."""
    sizes, patches = windows(x, kernel, stride, padding)
    out = np.zeros((*x.shape[:2], *sizes))
    for place, patch in patches:
        out[place] = patch.reshape(*x.shape[:2], -1).mean(axis=2)
    return out


def doubled(x: Array) -> Array:
    """(N, C, H, W) → twice the size, each value four times."""
    return x.repeat(2, axis=2).repeat(2, axis=3)
