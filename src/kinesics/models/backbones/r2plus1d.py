"""R(2+1)D-18 and -34, with torchvision's parameter names.

Source: Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, InputNorm
from kinesics.models.backbones.volume import Volume

WIDTHS = (64, 128, 256, 512)


def channels_between(channels: int, width: int) -> int:
    """How many channels give a split convolution as many parameters as a whole one."""
    return 27 * channels * width // (9 * channels + 3 * width)


def split_conv(channels: int, width: int, between: int, stride: int = 1) -> nn.Sequential:
    """A 3×3×3 convolution in two: 1×3×3 to `between` channels, norm and ReLU, then 3×1×1."""
    return nn.Sequential(
        nn.Conv3d(channels, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        nn.BatchNorm3d(between),
        nn.ReLU(inplace=True),
        nn.Conv3d(between, width, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
    )


class SplitBlock(nn.Module):
    """Two split convolutions, each with the parameters of one of 3×3×3, and a shortcut.

    alike: the second one has as many channels between its parts as the first, as in torchvision.
    """

    def __init__(self, channels: int, width: int, stride: int, *, alike: bool) -> None:
        super().__init__()
        between = channels_between(channels, width)
        self.conv1 = nn.Sequential(
            split_conv(channels, width, between, stride), nn.BatchNorm3d(width), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            split_conv(width, width, between if alike else channels_between(width, width)), nn.BatchNorm3d(width)
        )
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(nn.Conv3d(channels, width, 1, stride, bias=False), nn.BatchNorm3d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W')."""
        kept = x if self.downsample is None else self.downsample(x)
        return F.relu(self.conv2(self.conv1(x)).add_(kept), inplace=True)


class R2Plus1D(Volume):
    """R(2+1)D: 512 features, one time step for every eight. Made for 16 or 32 frames of 112²; T and size are free.

    depths: blocks of each stage. alike: see `SplitBlock`. eps: of its BatchNorms.
    """

    # As torchvision's weights for Kinetics expect pixels.
    input_norm = InputNorm(mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989))
    num_features = WIDTHS[-1]
    strides = (2, 4, 8, 16)
    time_strides = (1, 2, 4, 8)
    first_conv = "stem.0"
    stages = (("stem",), ("layer1",), ("layer2",), ("layer3",), ("layer4",))
    depths: tuple[int, int, int, int]
    alike: bool
    eps: float

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.widths = dict(zip(STAGES, WIDTHS, strict=True))
        self._modules["stem"] = nn.Sequential(
            nn.Conv3d(in_channels, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(45),
            nn.ReLU(inplace=True),
            nn.Conv3d(45, 64, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )
        channels = 64
        for number, (depth, width) in enumerate(zip(self.depths, WIDTHS, strict=True), start=1):
            blocks = nn.Sequential()
            for index in range(depth):
                blocks.append(SplitBlock(channels, width, 2 if number > 1 and index == 0 else 1, alike=self.alike))
                channels = width
            self.add_module(f"layer{number}", blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, nn.BatchNorm3d):
                module.eps = self.eps

    @property
    def stem(self) -> nn.Module:
        """(N, C, T, H, W) → (N, 64, T, H/2, W/2), as torchvision calls the module."""
        return cast("nn.Module", self._modules["stem"])

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W'); all but layer2 halve T, H and W."""
        y: Tensor = self.get_submodule(f"layer{STAGES.index(name) + 1}")(x)
        return y


class R2Plus1D18(R2Plus1D):
    """R(2+1)D-18 as torchvision has it."""

    depths, alike, eps = (2, 2, 2, 2), True, 1e-5


class R2Plus1D34(R2Plus1D):
    """R(2+1)D-34 as its authors have it, the network of the paper's results."""

    depths, alike, eps = (3, 4, 6, 3), False, 1e-3
