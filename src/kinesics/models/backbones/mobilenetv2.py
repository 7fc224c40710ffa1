"""MobileNetV2, with torchvision's parameter names and a temporal slot in the blocks that have a shortcut.

Source: Sandler et al., CVPR 2018; the slots are where TSM's published MobileNetV2 has its shifts.
"""

from __future__ import annotations

from torch import Tensor, nn

from kinesics.models.backbones.backbone import STAGES, Backbone
from kinesics.models.temporal.slot import Site, Slot, still

# (expansion, width, blocks, stride, the stage that the blocks belong to)
SETTINGS = (
    (1, 16, 1, 1, ""),
    (6, 24, 2, 2, "layer2"),
    (6, 32, 3, 2, "layer3"),
    (6, 64, 4, 2, "layer4"),
    (6, 96, 3, 1, "layer4"),
    (6, 160, 3, 2, "layer5"),
    (6, 320, 1, 1, "layer5"),
)


def conv_norm(channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, BatchNorm and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise 3×3, 1×1 projection; a shortcut, and then a slot, where the shape stays."""

    def __init__(self, site: Site, width_out: int, stride: int, slot: Slot) -> None:
        super().__init__()
        self.residual = stride == 1 and site.channels == width_out
        if self.residual:
            self.temporal = slot(site)
        layers = [] if site.width == site.channels else [conv_norm(site.channels, site.width, 1)]
        self.conv = nn.Sequential(
            *layers,
            conv_norm(site.width, site.width, 3, stride, groups=site.width),
            nn.Conv2d(site.width, width_out, 1, bias=False),
            nn.BatchNorm2d(width_out),
        )

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W')."""
        y: Tensor = self.conv(self.temporal(x, t) if self.residual else x)
        return x + y if self.residual else y


class MobileNetV2(Backbone):
    """MobileNetV2 of width 1: 1280 features."""

    num_features = 1280
    published_parameters = 3_504_872
    first_conv = "features.0.0"

    def __init__(self, in_channels: int = 3, slot: Slot = still) -> None:
        super().__init__()
        self.features = nn.Sequential(conv_norm(in_channels, 32, 3, 2))
        self._indices: dict[str, list[int]] = {name: [] for name in ("", *STAGES)}
        channels = 32
        for expansion, width_out, depth, stride, name in SETTINGS:
            for index in range(depth):
                site = Site(name, len(self._indices[name]), channels, channels * expansion)
                self._indices[name].append(len(self.features))
                self.features.append(InvertedResidual(site, width_out, stride if index == 0 else 1, slot))
                channels = width_out
        self.features.append(conv_norm(channels, self.num_features, 1))
        self.widths = {"layer2": 24, "layer3": 32, "layer4": 96, "layer5": self.num_features}
        blocks = [tuple(f"features.{i}" for i in indices) for indices in self._indices.values()]
        self.stages = (("features.0", *blocks[0]), *blocks[1:-1], (*blocks[-1], "features.18"))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def stem(self, x: Tensor) -> Tensor:
        """(N*T, C, H, W) → (N*T, 16, H/2, W/2)."""
        return self._run("", self.features[0](x), t=1)

    def stage(self, name: str, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, C', H', W'); layer5 ends with the 1×1 convolution to 1280 features."""
        x = self._run(name, x, t)
        return self.features[-1](x) if name == "layer5" else x

    def _run(self, name: str, x: Tensor, t: int) -> Tensor:
        for index in self._indices[name]:
            x = self.features[index](x, t)
        return x
