"""TSM's temporal shift: some channels of every frame come from the frame before or after it."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from kinesics.errors import unknown

Direction = Literal["both", "past"]


class TemporalShift(nn.Module):
    """1/fold_div of the channels from the next frame, as many from the previous one, zero at the ends of the clip.

    direction "past" takes from the previous frame only, so that the output at a frame never depends on a later one
    (a stream needs no more than the last frame's channels).

    Source: TSM (Lin et al., ICCV 2019), section 3 and 4; the shift stands on the residual branch, the shortcut is
    not shifted.
    """

    def __init__(self, direction: Direction = "both", fold_div: int = 8) -> None:
        super().__init__()
        if direction not in get_args(Direction):
            raise unknown("shift direction", direction, get_args(Direction))
        self.direction = direction
        self.fold_div = fold_div

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → same shape and memory format, a new tensor. ValueError where T does not divide N*T."""
        if x.shape[0] % t:
            raise ValueError(f"{x.shape[0]} frames cannot be cut into clips of {t}")
        fold = x.shape[1] // self.fold_div
        shifted = x.clone()
        x_NTCHW, shifted_NTCHW = torch.unflatten(x, 0, (-1, t)), torch.unflatten(shifted, 0, (-1, t))
        past = slice(0, fold)
        if self.direction == "both":
            shifted_NTCHW[:, :-1, :fold] = x_NTCHW[:, 1:, :fold]
            shifted_NTCHW[:, -1, :fold] = 0
            past = slice(fold, 2 * fold)
        shifted_NTCHW[:, 1:, past] = x_NTCHW[:, :-1, past]
        shifted_NTCHW[:, 0, past] = 0
        return shifted

    def extra_repr(self) -> str:
        """What print(model) shows."""
        return f"direction={self.direction!r}, fold_div={self.fold_div}"
