"""BN-Inception, with tsn-pytorch's parameter names and a temporal slot before conv2 and every inception block.

Source: Ioffe and Szegedy, Batch Normalization, ICML 2015, figure 5; with biases in the convolutions, as the published
weights have.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, Backbone, InputNorm
from kinesics.models.temporal.slot import Site, Slot, still

MEAN, SCALE = (104 / 255, 117 / 255, 128 / 255), 1 / 255
"""tsn-pytorch's weights see blue, green, red in 0–255, less these means."""

BLOCKS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 64, 64, 64, 96, 32),
    "3b": (64, 64, 96, 64, 96, 64),
    "3c": (0, 128, 160, 64, 96, 0),
    "4a": (224, 64, 96, 96, 128, 128),
    "4b": (192, 96, 128, 96, 128, 128),
    "4c": (160, 128, 160, 128, 160, 128),
    "4d": (96, 128, 192, 160, 192, 128),
    "4e": (0, 128, 192, 192, 256, 0),
    "5a": (352, 192, 320, 160, 224, 128),
    "5b": (352, 192, 320, 192, 224, 128),
}
"""Channels of each block: 1×1; 3×3 reduced, 3×3; double 3×3 reduced, double 3×3; pooled. Zeros where it halves."""
BLOCKS_OF = {"layer3": ("3a", "3b"), "layer4": ("3c", "4a", "4b", "4c", "4d"), "layer5": ("4e", "5a", "5b")}


class BNInception(Backbone):
    """BN-Inception: 1024 features. Any input of 32 pixels or more a side.

    layer2 is conv2_3x3, layer3 inception_3b, layer4 inception_4d and layer5 inception_5b: strides 4, 8, 16 and 32.
    What a slot gives is the whole input of conv2 or of a block, which has no shortcut: all branches see it, also those
    that pool. These are the eleven places that TSM's authors shift, in archs/bn_inception.py of
    github.com/mit-han-lab/temporal-shift-module by the place `block` (`build_temporal_ops`, `_temporal_forward_wrap`).
    Their default place, `blockres`, adds a block's input to its output, and cannot run here: the shapes differ.
    """

    input_norm = InputNorm(mean=MEAN, std=(SCALE, SCALE, SCALE), order="bgr")
    published_parameters = 11_295_240
    first_conv = "conv1_7x7_s2"
    stages = (
        ("conv1_7x7_s2", "conv1_7x7_s2_bn"),
        ("conv2_3x3_reduce", "conv2_3x3_reduce_bn", "conv2_3x3", "conv2_3x3_bn"),
        *(tuple(f"inception_{block}" for block in blocks) for blocks in BLOCKS_OF.values()),
    )

    def __init__(self, in_channels: int = 3, slot: Slot = still) -> None:
        super().__init__()
        self._add("conv1_7x7_s2", in_channels, 64, 7, stride=2)
        self._add("conv2_3x3_reduce", 64, 64, 1)
        self._add("conv2_3x3", 64, 192, 3)
        self.widths, channels = {"layer2": 192}, 192
        self.temporal = nn.ModuleDict({"conv2": slot(Site("layer2", 0, 64, 64))})
        for stage, blocks in BLOCKS_OF.items():
            for index, block in enumerate(blocks):
                self.temporal[block] = slot(Site(stage, index, channels, channels, len(blocks)))
                channels = self._add_block(block, channels)
            self.widths[stage] = channels
        self.num_features = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # all of them have one

    def _add(self, name: str, channels: int, width: int, size: int, stride: int = 1) -> None:
        self.add_module(name, nn.Conv2d(channels, width, size, stride, size // 2))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(width))

    def _add_block(self, block: str, channels: int) -> int:
        """The layers of one block in tsn-pytorch's order, and how many channels come out."""
        one, reduced, three, double_reduced, double, pooled = BLOCKS[block]
        stride, name = 1 if one else 2, f"inception_{block}"
        if one:
            self._add(f"{name}_1x1", channels, one, 1)
        self._add(f"{name}_3x3_reduce", channels, reduced, 1)
        self._add(f"{name}_3x3", reduced, three, 3, stride)
        self._add(f"{name}_double_3x3_reduce", channels, double_reduced, 1)
        self._add(f"{name}_double_3x3_1", double_reduced, double, 3)
        self._add(f"{name}_double_3x3_2", double, double, 3, stride)
        if pooled:
            self._add(f"{name}_pool_proj", channels, pooled, 1)
        return one + three + double + (pooled or channels)

    def _conv(self, name: str, x: Tensor) -> Tensor:
        y = self.get_submodule(f"{name}_bn")(self.get_submodule(name)(x))
        return F.relu(y, inplace=True)

    def _block(self, block: str, x: Tensor, t: int) -> Tensor:
        one, *_, pooled = BLOCKS[block]
        name = f"inception_{block}"
        x = self.temporal[block](x, t)
        branches = [self._conv(f"{name}_1x1", x)] if one else []
        branches.append(self._conv(f"{name}_3x3", self._conv(f"{name}_3x3_reduce", x)))
        double = self._conv(f"{name}_double_3x3_1", self._conv(f"{name}_double_3x3_reduce", x))
        branches.append(self._conv(f"{name}_double_3x3_2", double))
        if not pooled:
            branches.append(halved(x))
        elif block == "5b":
            branches.append(self._conv(f"{name}_pool_proj", F.max_pool2d(x, 3, 1, 1)))
        else:
            branches.append(self._conv(f"{name}_pool_proj", F.avg_pool2d(x, 3, 1, 1)))
        return torch.cat(branches, dim=1)

    def stem(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) → (N*T, 64, H/4, W/4)."""
        return halved(self._conv("conv1_7x7_s2", x))

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W')."""
        if name == STAGES[0]:
            return self._conv("conv2_3x3", self._conv("conv2_3x3_reduce", self.temporal["conv2"](x, t)))
        if name == STAGES[1]:
            x = halved(x)
        for block in BLOCKS_OF[name]:
            x = self._block(block, x, t)
        return x

    def stage_of(self, parameter: str) -> int:
        """0 with the first convolution, 4 for inception_4e, 5a and 5b."""
        if parameter.startswith("temporal.conv2."):
            return 1
        if parameter.startswith("temporal."):
            block = parameter.split(".")[1]
        elif parameter.startswith("inception_"):
            block = parameter.removeprefix("inception_")[:2]
        else:
            return super().stage_of(parameter)
        return 2 + next(i for i, blocks in enumerate(BLOCKS_OF.values()) if block in blocks)


def halved(x: Tensor) -> Tensor:
    """3×3 max pooling of stride 2 to half the size, rounded up, as a padded 3×3 convolution of stride 2 gives it.

    At even sizes it is the published network's; an odd size is made even first by a border that never wins.
    """
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), value=float("-inf"))
    return F.max_pool2d(x, 3, 2, ceil_mode=True)
