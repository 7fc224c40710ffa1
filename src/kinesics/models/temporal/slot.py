"""The temporal slot of a block: what it may hold, where that may act, and what it holds by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Site:
    """Where a slot is.

    stage: "layer2" … "layer5". index: its number among the slots of that stage. slots: how many those are.
    channels: of the block's input. width: its inner width, that of what its spatial convolutions give.
    spatial: input channels of its spatial convolution, or 0 where no module may replace that one.
    inner: whether the block has the place `inner`.
    groups: how many groups of channels `width` is cut into, or 0 where the block has no place `group`.
    """

    stage: str
    index: int
    channels: int
    width: int
    slots: int = 1
    spatial: int = 0
    inner: bool = False
    groups: int = 0


class Temporal(nn.Module):
    """The module in a slot. Each method is a place in the block; none of them changes anything until overridden.

    A block is: forward → a 1×1 convolution (bottlenecks, inverted residuals) → inner → spatial → hidden → its last
    convolution. Norms and activations follow the convolutions; `inner` and `hidden` come after those. A block of
    Res2Net has one spatial convolution per group of channels, and `group` before each of them instead of `spatial`.
    """

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → the same, what the block's branches begin with (not its shortcut)."""
        return x

    def inner(self, x: Tensor, t: int) -> Tensor:
        """(N*T, width, H, W) → the same, before the spatial convolution. Bottlenecks and Res2Net have this place."""
        return x

    def group(self, x: Tensor, t: int, index: int) -> Tensor:
        """(N*T, width / groups, H, W) → the same, what a group's spatial convolution takes. Res2Net has this place.

        index: the group's number, from 0. The last group comes here too, though it has no convolution.
        """
        return x

    def spatial(self, conv: nn.Module, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → (N*T, width, H', W'), the spatial convolution `conv`. ResNets have this place."""
        y: Tensor = conv(x)
        return y

    def hidden(self, x: Tensor, t: int) -> Tensor:
        """(N*T, width, H', W') → the same, before the last convolution. MobileNetV2 and BN-Inception lack it."""
        return x


Slot = Callable[[Site], Temporal]
"""Makes the temporal module of one block."""


class Still(Temporal):
    """No temporal module: every frame by itself. It has no parameters, so the backbone keeps its public names."""


def still(site: Site) -> Temporal:
    """The slot of TSN."""
    return Still()
