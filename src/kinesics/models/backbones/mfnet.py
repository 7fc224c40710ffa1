"""MFNet-3D, with the parameter names of its authors' repository.

Source: Chen et al., Multi-Fiber Networks for Video Recognition, ECCV 2018; github.com/cypw/PyTorch-MFNet.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, InputNorm
from kinesics.models.backbones.volume import Volume
from kinesics.models.precision import full_precision

FIBERS = 16
DEPTHS = (3, 4, 6, 3)
WIDTHS = (96, 192, 384, 768)
Triple = tuple[int, int, int]


class NormedConv3d(nn.Module):
    """BatchNorm, ReLU and a 3D convolution, in this order."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: Triple = (1, 1, 1),
        stride: Triple = (1, 1, 1),
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.bn = nn.BatchNorm3d(channels)
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(channels, width, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W')."""
        x = F.relu(self.bn(x), inplace=True)
        # In bfloat16, PyTorch 2.13's grouped 3D convolution crashes or gives NaN on CPUs with AMX.
        if self.conv.groups > 1 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with full_precision(x):
                wide: Tensor = self.conv(x.float())
                return wide
        y: Tensor = self.conv(x)
        return y


class MultiFiberUnit(nn.Module):
    """A multiplexer between the fibers (two 1×1×1 convolutions), two convolutions of separate fibers, and a shortcut.

    The first unit of a stage changes the shape: its second convolution is a full 1×1×1 one, its shortcut has one too.
    """

    def __init__(self, channels: int, width: int, stride: Triple, *, first: bool) -> None:
        super().__init__()
        between = width // 4
        self.conv_i1 = NormedConv3d(channels, between)
        self.conv_i2 = NormedConv3d(between, channels)
        self.conv_m1 = NormedConv3d(channels, width, (3, 3, 3), stride, FIBERS)
        if first:
            self.conv_m2 = NormedConv3d(width, width)
            self.conv_w1 = NormedConv3d(channels, width, stride=stride)
        else:
            self.conv_m2 = NormedConv3d(width, width, (1, 3, 3), groups=FIBERS)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W')."""
        y = self.conv_m2(self.conv_m1(x + self.conv_i2(self.conv_i1(x))))
        z: Tensor = y + (self.conv_w1(x) if self.first else x)
        return z


class MFNet(Volume):
    """MFNet-3D: 768 features, half as many time steps as the clip. Made for 16 frames; T is free.

    Its convolutions start by Xavier's uniform rule with a gain of 1, as network/initializer.py of its authors'
    repository has it (`xavier`). The fan-out of a convolution of separate fibers counts the channels of all of them.
    Their classifier starts by that rule too; here it is the head's, and starts as every head does.
    """

    # Its weights expect pixels less (124, 117, 104), times 0.0167.
    input_norm = InputNorm(mean=(124 / 255, 117 / 255, 104 / 255), std=(1 / (0.0167 * 255),) * 3)
    num_features = WIDTHS[-1]
    time_strides = (2, 2, 2, 2)
    first_conv = "conv1.conv"
    stages = (("conv1",), ("conv2",), ("conv3",), ("conv4",), ("conv5", "tail"))

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.widths = dict(zip(STAGES, WIDTHS, strict=True))
        self.conv1 = nn.Sequential()
        self.conv1.add_module("conv", nn.Conv3d(in_channels, 16, (3, 5, 5), (1, 2, 2), (1, 2, 2), bias=False))
        self.conv1.add_module("bn", nn.BatchNorm3d(16))
        channels = 16
        for number, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True), start=2):
            units = nn.Sequential()
            for index in range(depth):
                stride = (1, 1, 1) if index else (2, 1, 1) if number == 2 else (1, 2, 2)
                units.add_module(f"B{index + 1:02d}", MultiFiberUnit(channels, width, stride, first=index == 0))
                channels = width
            self.add_module(f"conv{number}", units)
        self.tail = nn.Sequential()
        self.tail.add_module("bn", nn.BatchNorm3d(channels))
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.xavier_uniform_(module.weight)

    def stem(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, 16, T, H/4, W/4)."""
        return F.max_pool3d(F.relu(self.conv1(x), inplace=True), (1, 3, 3), (1, 2, 2), (0, 1, 1))

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W'); layer2 halves T. Without norm and ReLU, but for layer5."""
        x = self.get_submodule(f"conv{STAGES.index(name) + 2}")(x)
        return F.relu(self.tail(x), inplace=True) if name == "layer5" else x
