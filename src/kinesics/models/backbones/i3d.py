"""I3D-ResNet-50: ResNet-50, some of whose kernels reach over time, with torchvision's parameter names of ResNet-50.

Source: Wang & Gupta, Videos as Space-Time Region Graphs, ECCV 2018, section 3; Wang et al., Non-local Neural Networks,
CVPR 2018, for which blocks reach over time. The last stage keeps the stride of 16, as in the former.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES
from kinesics.models.backbones.volume import Volume

REACH = ((1, 1, 1), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0), (0, 1, 0))
"""Which blocks of the four stages begin with 3×1×1 rather than 1×1×1."""
STRIDES = (1, 2, 2, 1)


class InflatedBottleneck(nn.Module):
    """3×1×1 or 1×1×1, 1×3×3 and 1×1×1 convolutions and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, reach: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, width, (1 + 2 * reach, 1, 1), padding=(reach, 0, 0), bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(4 * width)
        self.downsample = None
        if stride != 1 or channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv3d(channels, 4 * width, 1, (1, stride, stride), bias=False), nn.BatchNorm3d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, C', T, H', W')."""
        kept = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)).add_(kept), inplace=True)


class I3D50(Volume):
    """I3D-ResNet-50: 2048 features, half as many time steps as the clip. Made for 32 frames of 224²; T is free.

    layer5 has a stride of 16. On a clip without motion, ResNet-50's weights give its features, away from the clip's
    ends.
    """

    num_features = 2048
    strides = (4, 8, 16, 16)
    time_strides = (1, 2, 2, 2)
    first_conv = "conv1"
    stages = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, 64, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.widths, channels = {}, 64
        for number, (name, reaches, stride) in enumerate(zip(STAGES, REACH, STRIDES, strict=True)):
            blocks, width = nn.Sequential(), 64 * 2**number
            for index, reach in enumerate(reaches):
                blocks.append(InflatedBottleneck(channels, width, 1 if index else stride, reach))
                channels = 4 * width
            self.add_module(f"layer{number + 1}", blocks)
            self.widths[name] = channels
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, 64, T, H/4, W/4)."""
        return F.max_pool3d(F.relu(self.bn1(self.conv1(x)), inplace=True), (1, 3, 3), (1, 2, 2), (0, 1, 1))

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N, C, T, H, W) → (N, C', T', H', W'); layer3 begins with a maximum that halves T."""
        if name == "layer3":
            x = F.max_pool3d(x, (3, 1, 1), (2, 1, 1), (1, 0, 0))
        y: Tensor = self.get_submodule(f"layer{STAGES.index(name) + 1}")(x)
        return y
