"""Res2Net-50, 26w × 4s, with the parameter names of the public Res2Net repository and a temporal slot in every block.

Source: Gao et al., Res2Net, TPAMI 2021; github.com/Res2Net/Res2Net-PretrainedModels, res2net50_26w_4s.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.resnet import Block, ResNet, shortcut
from kinesics.models.temporal.slot import Site, Slot

GROUPS, GROUP_WIDTH = 4, 26
"""4s and 26w: groups of channels in a block, and channels of a group where ResNet's bottleneck has 64."""


class Res2Block(Block):
    """A bottleneck with a 3×3 convolution for each of its groups of channels but the last, which has none.

    A convolution also takes what the one before it gave, so that the groups see ever more of the picture. In the first
    block of a stage each convolution takes its own group alone, and the last group is averaged over 3×3 at the stride.
    """

    expansion = 4

    def __init__(self, site: Site, stride: int, slot: Slot) -> None:
        super().__init__(site, stride, slot)
        group, width_out = site.width // site.groups, site.width * 64 // GROUP_WIDTH
        self.conv1 = nn.Conv2d(site.channels, site.width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(site.width)
        self.convs = nn.ModuleList(nn.Conv2d(group, group, 3, stride, 1, bias=False) for _ in range(site.groups - 1))
        self.bns = nn.ModuleList(nn.BatchNorm2d(group) for _ in range(site.groups - 1))
        self.conv3 = nn.Conv2d(site.width, width_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width_out)
        self.pool = nn.AvgPool2d(3, stride, 1) if site.index == 0 else None
        self.downsample = shortcut(site.channels, width_out, stride)

    @staticmethod
    def site(stage: str, index: int, slots: int, channels: int, width: int) -> Site:
        """Where the slot of such a block is."""
        return Site(stage, index, channels, GROUPS * (width * GROUP_WIDTH // 64), slots, inner=True, groups=GROUPS)

    def branch(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'), what the block adds to its shortcut."""
        x = F.relu(self.bn1(self.conv1(self.temporal(x, t))), inplace=True)
        *groups, last = self.temporal.inner(x, t).chunk(GROUPS, dim=1)
        made: list[Tensor] = []
        for index, (group, conv, bn) in enumerate(zip(groups, self.convs, self.bns, strict=True)):
            if made and self.pool is None:
                group = group + made[-1]
            made.append(F.relu(bn(conv(self.temporal.group(group, t, index))), inplace=True))
        last = self.temporal.group(last, t, len(groups))
        made.append(last if self.pool is None else self.pool(last))
        x = self.temporal.hidden(torch.cat(made, dim=1), t)
        y: Tensor = self.bn3(self.conv3(x))
        return y


class Res2Net50(ResNet):
    """Res2Net-50, 26w × 4s: 2048 features."""

    block, depths = Res2Block, (3, 4, 6, 3)
    heat_stage = "layer4"
    published_parameters = 25_699_120
