"""ResNet-18, -34 and -50, with torchvision's parameter names and a temporal slot in every block.

Source: He et al., CVPR 2016; the stride is in the 3×3 convolution of a bottleneck, as in torchvision.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, Backbone
from kinesics.models.temporal.slot import Site, Slot, still


class Block(nn.Module):
    """A residual block. Subclasses give `site`, `branch` and `downsample`.

    expansion: channels that come out for each of `width`, the stage's number in He et al.: 64, 128, 256 or 512.
    downsample: what brings the input to the output's shape, or None.
    """

    expansion: int
    downsample: nn.Module | None

    def __init__(self, site: Site, stride: int, slot: Slot) -> None:
        super().__init__()
        self.temporal = slot(site)

    @staticmethod
    def site(stage: str, index: int, slots: int, channels: int, width: int) -> Site:
        """Where the slot of such a block is."""
        raise TypeError("a kind of block says where its slot is")

    def branch(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'), what the block adds to its shortcut."""
        raise TypeError(f"{type(self).__name__} has no branch")

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W')."""
        kept = x if self.downsample is None else self.downsample(x)
        return F.relu(self.branch(x, t).add_(kept), inplace=True)


class BasicBlock(Block):
    """Two 3×3 convolutions and a shortcut (ResNet-18 and -34)."""

    expansion = 1

    def __init__(self, site: Site, stride: int, slot: Slot) -> None:
        super().__init__(site, stride, slot)
        self.conv1 = nn.Conv2d(site.channels, site.width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(site.width)
        self.conv2 = nn.Conv2d(site.width, site.width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(site.width)
        self.downsample = shortcut(site.channels, site.width, stride)

    @staticmethod
    def site(stage: str, index: int, slots: int, channels: int, width: int) -> Site:
        """Where the slot of such a block is."""
        return Site(stage, index, channels, width, slots, spatial=channels)

    def branch(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'), what the block adds to its shortcut."""
        x = self.temporal.spatial(self.conv1, self.temporal(x, t), t)
        x = self.temporal.hidden(F.relu(self.bn1(x), inplace=True), t)
        y: Tensor = self.bn2(self.conv2(x))
        return y


class Bottleneck(Block):
    """1×1, 3×3 and 1×1 convolutions and a shortcut (ResNet-50)."""

    expansion = 4

    def __init__(self, site: Site, stride: int, slot: Slot) -> None:
        super().__init__(site, stride, slot)
        width_out = site.width * self.expansion
        self.conv1 = nn.Conv2d(site.channels, site.width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(site.width)
        self.conv2 = nn.Conv2d(site.width, site.width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(site.width)
        self.conv3 = nn.Conv2d(site.width, width_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width_out)
        self.downsample = shortcut(site.channels, width_out, stride)

    @staticmethod
    def site(stage: str, index: int, slots: int, channels: int, width: int) -> Site:
        """Where the slot of such a block is."""
        return Site(stage, index, channels, width, slots, spatial=width, inner=True)

    def branch(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'), what the block adds to its shortcut."""
        x = F.relu(self.bn1(self.conv1(self.temporal(x, t))), inplace=True)
        x = self.temporal.spatial(self.conv2, self.temporal.inner(x, t), t)
        x = self.temporal.hidden(F.relu(self.bn2(x), inplace=True), t)
        y: Tensor = self.bn3(self.conv3(x))
        return y


def halved(x: Tensor) -> Tensor:
    """(M, C, H, W) → (M, C, H/2, W/2), the pooling of the stem."""
    return F.max_pool2d(x, 3, 2, 1)


class Halved(nn.Module):
    """The pooling of the stem as a module."""

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C, H/2, W/2)."""
        return halved(x)


def shortcut(channels: int, width_out: int, stride: int) -> nn.Sequential | None:
    """A 1×1 convolution where the block changes the shape, None where the input itself is added."""
    if stride == 1 and channels == width_out:
        return None
    return nn.Sequential(nn.Conv2d(channels, width_out, 1, stride, bias=False), nn.BatchNorm2d(width_out))


class ResNet(Backbone):
    """A ResNet of four stages of residual blocks: layer2 … layer5 are its modules layer1 … layer4.

    block, depths: the kind of block, and how many of them each stage has.
    """

    block: type[Block]
    depths: tuple[int, int, int, int]
    first_conv = "conv1"
    heat_stage = "layer5"
    stem_width = 64
    stages = (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",))

    def __init__(self, in_channels: int = 3, slot: Slot = still) -> None:
        super().__init__()
        block = self.block
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.widths, channels = {}, 64
        for number, (name, depth) in enumerate(zip(STAGES, self.depths, strict=True)):
            width = 64 * 2**number
            blocks = nn.Sequential()
            for index in range(depth):
                stride = 2 if number > 0 and index == 0 else 1
                blocks.append(block(block.site(name, index, depth, channels, width), stride, slot))
                channels = width * block.expansion
            self.add_module(f"layer{number + 1}", blocks)
            self.widths[name] = channels
        self.num_features = channels
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and ".temporal." not in name:  # what systems add starts as they say
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) → (N*T, 64, H/4, W/4)."""
        return halved(F.relu(self.bn1(self.conv1(x)), inplace=True))

    def first_blocks(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """The pooling of the stem, and the blocks of layer2."""
        return [Halved()], list(self.get_submodule("layer1").children())

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W')."""
        for block in self.get_submodule(f"layer{STAGES.index(name) + 1}").children():
            x = block(x, t)
        return x


class ResNet18(ResNet):
    """ResNet-18: 512 features."""

    block, depths = BasicBlock, (2, 2, 2, 2)
    published_parameters = 11_689_512


class ResNet34(ResNet):
    """ResNet-34: 512 features."""

    block, depths = BasicBlock, (3, 4, 6, 3)
    published_parameters = 21_797_672


class ResNet50(ResNet):
    """ResNet-50: 2048 features."""

    block, depths = Bottleneck, (3, 4, 6, 3)
    published_parameters = 25_557_032


class R3D50(ResNet50):
    """ResNet-50 as a 3D network whose kernels are 1×k×k, and a maximum over pairs of time steps after the stem.

    Such kernels are those of the 2D network, frame by frame: it is computed as that, and takes its weights as they are.
    Source: the KPSEM paper, section 4.4, with Hara et al., CVPR 2018.
    """

    sees_time = True
    time_strides = (2, 2, 2, 2)

    def pooled(self, x: Tensor, t: int) -> tuple[Tensor, int]:
        """(N*T, C, H, W) → (N*T/2, C, H, W); an odd last step stays by itself."""
        x_NTCHW = torch.unflatten(x, 0, (-1, t))
        second = torch.arange(1, t + 1, 2, device=x.device).clamp_max(t - 1)
        return torch.maximum(x_NTCHW[:, ::2], x_NTCHW[:, second]).flatten(0, 1), (t + 1) // 2
