"""Deformable convolution: each tap of the kernel looks where its offset says.

Source: Dai et al., Deformable Convolutional Networks, ICCV 2017, equation 2. torchvision's operator computes it where
that package is there; else one bilinear sampling does, which every runtime has.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.precision import full_precision


class DeformableConv2d(nn.Module):
    """A k×k convolution of stride 1 that keeps the size, without bias. It starts as the identity (Dirac kernels)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(channels, channels, kernel, kernel))
        nn.init.dirac_(self.weight)

    @property
    def num_offsets(self) -> int:
        """Offset channels that it takes: down and right for each tap."""
        return 2 * self.kernel**2

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        """(N, C, H, W) and (N, 2·k², H, W), tap by tap how many pixels down and right → (N, C, H, W)."""
        operator = torchvision_operator()
        if operator and x.device.type != "meta" and not torch.compiler.is_compiling():
            y: Tensor = operator(x, offsets.to(x.dtype), self.weight.to(x.dtype), padding=self.kernel // 2)
            return y
        return deformable(x, offsets, self.weight)

    def extra_repr(self) -> str:
        """What print(model) shows."""
        return f"{self.weight.shape[0]}, kernel={self.kernel}"


def deformable(x: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """The convolution by sampling; 0 outside the picture. Places are float32: bfloat16 would miss by a tenth pixel."""
    n, channels, height, width = x.shape
    kernel = weight.shape[-1]
    with full_precision(x):
        taps = torch.arange(kernel, device=x.device, dtype=torch.float32) - kernel // 2
        down, right = (axis.flatten() for axis in torch.meshgrid(taps, taps, indexing="ij"))
        moves = torch.unflatten(offsets.float(), 1, (-1, 2))
        y = moves[:, :, 0] + down[:, None, None] + torch.arange(height, device=x.device)[:, None]
        x_places = moves[:, :, 1] + right[:, None, None] + torch.arange(width, device=x.device)
        grid = torch.stack([(2 * x_places + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
        seen = F.grid_sample(x.float(), grid.flatten(1, 2), mode="bilinear", padding_mode="zeros", align_corners=False)
    columns = seen.to(x.dtype).view(n, channels * kernel**2, height, width)
    return F.conv2d(columns, weight.to(columns.dtype).reshape(channels, channels * kernel**2, 1, 1))


@cache
def torchvision_operator() -> Any:
    """torchvision's deform_conv2d, or None where it is not there or does not load beside this torch."""
    if importlib.util.find_spec("torchvision") is None:
        return None
    try:
        return importlib.import_module("torchvision.ops").deform_conv2d
    except (RuntimeError, OSError, ImportError, AttributeError):  # made for another torch
        return None
