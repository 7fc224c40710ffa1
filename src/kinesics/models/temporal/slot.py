"""The temporal slot of a residual block: what may stand in it, and what stands there by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Site:
    """Where a slot is: the block's stage ("layer2" … "layer5"), its index in the stage, its input and inner widths."""

    stage: str
    index: int
    channels: int
    width: int


Slot = Callable[[Site], nn.Module]
"""Makes the temporal module of one block: called as module(x, t), (N*T, C, H, W) → same."""


class Still(nn.Module):
    """No temporal module: every frame for itself. It has no parameters, so the trunk keeps its public names."""

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → the same tensor."""
        return x


def still(site: Site) -> nn.Module:
    """The slot of TSN."""
    return Still()
