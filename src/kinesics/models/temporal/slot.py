"""The temporal slot of a block: what may stand in it, where it may act, and what stands there by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Site:
    """Where a slot is.

    stage: "layer2" … "layer5". index: its number among the slots of that stage. slots: how many those are.
    channels: of the block's input. width: its inner width, that of its spatial convolution's output.
    spatial: input channels of its spatial convolution, or 0 where the block lets no module take that one's place.
    inner: whether the block has the place `inner`.
    """

    stage: str
    index: int
    channels: int
    width: int
    slots: int = 1
    spatial: int = 0
    inner: bool = False


class Temporal(nn.Module):
    """What stands in a slot. Each method is a place in the block; all of them leave it as it is until overridden.

    A block is: forward → a 1×1 convolution (bottlenecks, inverted residuals) → inner → spatial → hidden → its last
    convolution. Norms and activations follow the convolutions; `inner` and `hidden` come after those.
    """

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → the same, what the block's branch begins with (not its shortcut)."""
        return x

    def inner(self, x: Tensor, t: int) -> Tensor:
        """(N*T, width, H, W) → the same, before the spatial convolution. Bottlenecks have this place."""
        return x

    def spatial(self, conv: nn.Module, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, width, H', W'), the spatial convolution `conv`. ResNets have this place."""
        y: Tensor = conv(x)
        return y

    def hidden(self, x: Tensor, t: int) -> Tensor:
        """(N*T, width, H', W') → the same, before the last convolution. ResNets and EfficientNet-Lite0 have it."""
        return x


Slot = Callable[[Site], Temporal]
"""Makes the temporal module of one block."""


class Still(Temporal):
    """No temporal module: every frame for itself. It has no parameters, so the trunk keeps its public names."""


def still(site: Site) -> Temporal:
    """The slot of TSN."""
    return Still()
