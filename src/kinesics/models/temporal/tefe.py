"""TEFE's two modules: temporal extraction (TE) and bilinear feature enhancement (FE), one or none in a block.

Source: the TEFE paper, section III. TE is before a block's last convolution; FE replaces its spatial one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.models.backbones.backbone import STAGES
from kinesics.models.temporal.slot import Site, Still, Temporal

Placement = Sequence[int]
"""How many blocks of layer2, layer3, layer4 and layer5 have a module."""
BEST_FE = (0, 3, 5, 2)
"""The last row of the paper's table 5, beside one TE per stage."""


class TemporalExtraction(Temporal):
    """TE: every channel and frame gets a gate, and every channel and clip three weights for the last, this and the next
    frame (section III.A). Both come from the frames' spatial means.

    The clip has `num_steps` time steps, since two linear layers run over them. mild: start near no module at all, with
    gates of .88 and weights of .11, .79, .11, and not as the paper does.
    """

    def __init__(self, width: int, num_steps: int, mild: bool = False) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.gate_conv1 = nn.Conv1d(width, width // 4, 3, padding=1, bias=False)
        self.gate_bn = nn.BatchNorm1d(width // 4)
        self.gate_conv2 = nn.Conv1d(width // 4, width, 1, bias=False)
        self.mix_fc1 = nn.Linear(num_steps, 2 * num_steps, bias=False)
        self.mix_bn = nn.BatchNorm1d(2 * num_steps)
        self.mix_fc2 = nn.Linear(2 * num_steps, 3, bias=False)
        self.mild = mild
        if mild:
            nn.init.zeros_(self.gate_conv2.weight)
            nn.init.zeros_(self.mix_fc2.weight)

    def hidden(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same. Raises UserError for another T than it was made for."""
        if t != self.num_steps:
            raise UserError(
                f"temporal extraction was made for clips of {self.num_steps} time steps, found {t}; "
                f"make the model with num_steps={t}"
            )
        x_NTCHW = torch.unflatten(x, 0, (-1, t))
        gate_NTC, mix_NC3 = self.weights(x_NTCHW.mean(dim=(3, 4)))
        shares = (gate_NTC[..., None] * mix_NC3[:, None])[..., None, None]  # (N, T, C, 3, 1, 1)
        y = x_NTCHW * shares[:, :, :, 1]
        y[:, 1:] += x_NTCHW[:, :-1] * shares[:, :-1, :, 0]
        y[:, :-1] += x_NTCHW[:, 1:] * shares[:, 1:, :, 2]
        return y.flatten(0, 1)

    def weights(self, s_NTC: Tensor) -> tuple[Tensor, Tensor]:
        """Spatial means (N, T, C) → gates (N, T, C) in 0 to 1, and weights (N, C, 3) that sum to 1."""
        s_NCT = s_NTC.transpose(1, 2)
        gate = self.gate_conv2(F.relu(self.gate_bn(self.gate_conv1(s_NCT)))).transpose(1, 2)
        mix = self.mix_fc1(s_NCT).flatten(0, 1)
        mix = torch.unflatten(self.mix_fc2(F.relu(self.mix_bn(mix))), 0, s_NCT.shape[:2])
        if self.mild:
            gate, mix = gate + 2, mix + mix.new_tensor([0.0, 2.0, 0.0])
        return gate.sigmoid(), mix.softmax(dim=2)


class FeatureEnhancement(Temporal):
    """FE: the product of two 3×3×3 convolutions in the place of the spatial one (section III.B).

    The first one's middle slice is the block's own 2D convolution with its pretrained weight; its other two slices
    start at 0, and the second convolution at weight 0 and bias 1, so that at first all is as without FE.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        # 2D kernels for the last, this and the next frame below each other, so that any memory format takes them.
        self.sides = nn.Parameter(torch.zeros(2 * width, channels, 3, 3))
        self.second = nn.Parameter(torch.zeros(3 * width, channels, 3, 3))
        self.bias = nn.Parameter(torch.ones(width))

    def spatial(self, conv: nn.Module, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, w, H', W'). conv: 3×3, without bias."""
        if not isinstance(conv, nn.Conv2d):
            raise TypeError(f"feature enhancement takes the place of a convolution, found {type(conv).__name__}")
        before, after = self.sides.chunk(2)
        first = torch.stack([before, conv.weight, after], dim=2)
        second = torch.stack(self.second.chunk(3), dim=2)
        x_NCTHW = torch.unflatten(x, 0, (-1, t)).transpose(1, 2)
        both = F.conv3d(
            x_NCTHW,
            torch.cat([first, second]),
            torch.cat([torch.zeros_like(self.bias), self.bias]),
            stride=(1, *conv.stride),
            padding=(1, *conv.padding),
        )
        one, other = both.chunk(2, dim=1)
        return (one * other).transpose(1, 2).flatten(0, 1)


class TEFE:
    """The slot of TEFE: in each stage first the blocks with TE, then those with FE, then plain ones (table 4).

    te, fe: how many of each in layer2 to layer5. By default as many as the paper's best, or as there are blocks for.
    """

    def __init__(
        self,
        num_steps: int = 8,
        te: Placement = (1, 1, 1, 1),
        fe: Placement | None = None,
        mild: bool = False,
    ) -> None:
        self.num_steps, self.mild = num_steps, mild
        self.te, self.fe = tuple(te), None if fe is None else tuple(fe)
        for name, counts in (("te", self.te), ("fe", (0, 0, 0, 0) if self.fe is None else self.fe)):
            if len(counts) != len(STAGES) or min(counts) < 0:
                raise UserError(f"{name} is the number of blocks in each of {', '.join(STAGES)}, found {counts}")
        if num_steps < 1:
            raise UserError(f"num_steps: expected 1 or more, found {num_steps}")

    def __call__(self, site: Site) -> Temporal:
        """The module of a block. Raises UserError where a stage has too few blocks."""
        stage = STAGES.index(site.stage) if site.stage else None
        if stage is None:
            return Still()
        num_te = self.te[stage]
        left = max(0, site.slots - num_te) if site.spatial else 0
        num_fe = min(BEST_FE[stage], left) if self.fe is None else self.fe[stage]
        if num_te > site.slots or num_fe > left:
            raise UserError(
                f"{site.stage} has {site.slots} blocks for TE{' and FE' if site.spatial else ', and none for FE'}; "
                f"found {num_te} and {num_fe}"
            )
        if site.index < num_te:
            return TemporalExtraction(site.width, self.num_steps, self.mild)
        if site.index < num_te + num_fe:
            return FeatureEnhancement(site.spatial, site.width)
        return Still()
