"""What may run beside a backbone's first stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from kinesics.models.backbones.backbone import Backbone


class TemporalStream(nn.Module):
    """A module that splits the clips: frames for the stem, and features to add to the stem's and to stages' outputs."""

    def forward(self, clips: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(N, T, C, H, W) normalised → frames (N*T, C', H, W), and {"stem" or stage: (N*T, C'', H'', W'')}."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def start_from(self, backbone: Backbone) -> None:
        """Begin with the weights of a backbone that has just loaded published ones. By default nothing changes."""
