"""TEA's two modules: motion excitation (ME) and multiple temporal aggregation (MTA), both in every block of Res2Net.

Source: Li et al., TEA, CVPR 2020, sections 3.1 and 3.2; starts as in the authors' code,
github.com/Phoenix1327/tea-action-recognition.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.temporal.slot import Temporal

REDUCTION = 16


class MotionExcitation(nn.Module):
    """ME: a gain for every channel and frame, from the next frame's features minus this one's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        small = width // REDUCTION
        self.reduce = nn.Conv2d(width, small, 1, bias=False)
        self.reduce_bn = nn.BatchNorm2d(small)
        self.transform = nn.Conv2d(small, small, 3, 1, 1, groups=small, bias=False)
        self.expand = nn.Conv2d(small, width, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(width)
        for conv in (self.reduce, self.transform, self.expand):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same, x + x · (sigmoid − ½). The last frame has no next one: its difference is 0."""
        u = self.reduce_bn(self.reduce(x))
        # The mean over the picture of a difference is the difference of the means, which are small.
        now, following = (torch.unflatten(y.mean(dim=(2, 3), keepdim=True), 0, (-1, t)) for y in (u, self.transform(u)))
        difference = F.pad(following[:, 1:] - now[:, :-1], (0, 0, 0, 0, 0, 0, 0, 1))
        gate: Tensor = self.expand_bn(self.expand(difference.flatten(0, 1))).sigmoid()
        return x * (gate + 0.5)


class TemporalConv(nn.Conv1d):
    """Three weights per channel, for the last, this and the next frame: a convolution over time, without bias.

    It starts as nothing at all; or, with `shift`, with half of the channels from the next frame and half from the last.
    """

    def __init__(self, channels: int, shift: bool = False) -> None:
        super().__init__(channels, channels, 3, padding=1, groups=channels, bias=False)
        nn.init.zeros_(self.weight)
        half = channels // 2
        with torch.no_grad():
            if shift:
                self.weight[:half, 0, 2] = 1
                self.weight[half:, 0, 0] = 1
            else:
                self.weight[:, 0, 1] = 1

    def forward(self, x: Tensor, t: int) -> Tensor:  # type: ignore[override]  # a convolution of clips
        """(N*T, C, H, W) → the same; before the first and after the last frame all is 0."""
        x_NCTP = torch.unflatten(x, 0, (-1, t)).transpose(1, 2).flatten(3)
        y_NCTP = F.conv2d(x_NCTP, self.weight[..., None], padding=(1, 0), groups=self.groups)
        return torch.unflatten(y_NCTP, 3, x.shape[2:]).transpose(1, 2).flatten(0, 1)


class TEA(Temporal):
    """The module in the slot of a Res2Net block: ME before its groups, MTA's convolutions over time in them.

    A group's convolution over time is before its spatial one, and takes what the group before gave as well, so that
    later groups see ever more frames. The last group, which has no spatial convolution, starts as a shift.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.me = MotionExcitation(width)
        self.mta = nn.ModuleList(TemporalConv(width // groups, shift=index == groups - 1) for index in range(groups))

    def inner(self, x: Tensor, t: int) -> Tensor:
        """(N*T, w, H, W) → the same."""
        y: Tensor = self.me(x, t)
        return y

    def group(self, x: Tensor, t: int, index: int) -> Tensor:
        """(N*T, w / groups, H, W) → the same."""
        y: Tensor = self.mta[index](x, t)
        return y
