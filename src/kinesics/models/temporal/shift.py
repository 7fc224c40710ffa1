"""TSM's temporal shift: some channels of every frame come from the frame before or after it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from kinesics.errors import UserError, unknown
from kinesics.models.temporal.slot import Temporal

Direction = Literal["both", "past"]


class TemporalShift(Temporal):
    """1/fold_div of the channels from the next frame, as many from the previous one, zero at the ends of the clip.

    direction "past" takes from the previous frame only, so that the output at a frame never depends on a later one
    (a stream needs no more than the last frame's channels).

    Source: TSM (Lin et al., ICCV 2019), sections 3 and 4. The shortcut of a block is not shifted.
    """

    def __init__(self, direction: Direction = "both", fold_div: int = 8) -> None:
        super().__init__()
        if direction not in get_args(Direction):
            raise unknown("shift direction", str(direction), get_args(Direction))
        if fold_div < 2:
            raise UserError(
                f"fold_div is the share of channels that are shifted, 8 for 1/8: expected 2 or more, found {fold_div}"
            )
        self.direction = direction
        self.fold_div = fold_div

    def forward(self, x: Tensor, t: int) -> Tensor:
        """(N*T, C, H, W) → a new tensor of the same shape and memory format. ValueError where T does not divide N*T."""
        if x.shape[0] % t:
            raise ValueError(f"{x.shape[0]} frames cannot be cut into clips of {t}")
        fold = x.shape[1] // self.fold_div
        num_next = fold if self.direction == "both" else 0
        if torch.compiler.is_exporting():  # slices that are written in place become many nodes in a graph
            return joined(x, t, num_next, fold)
        shifted: Tensor = Shift.apply(x, t, (0, num_next), (num_next, num_next + fold))  # type: ignore[no-untyped-call]
        return shifted

    def extra_repr(self) -> str:
        """What print(model) shows."""
        return f"direction={self.direction!r}, fold_div={self.fold_div}"


class Shift(torch.autograd.Function):
    """`shifted` with a gradient that is a shift the other way; autograd's own would copy it once per slice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, t: int, from_next: tuple[int, int], from_last: tuple[int, int]) -> Tensor:
        """(N*T, C, H, W) → the same."""
        ctx.arguments = t, from_next, from_last
        return shifted(x, t, from_next, from_last)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """The channels that came from the next frame give their gradient back to it."""
        t, from_next, from_last = ctx.arguments
        return Shift.apply(grad, t, from_last, from_next), None, None, None  # type: ignore[no-untyped-call]


def joined(x: Tensor, t: int, num_next: int, num_last: int) -> Tensor:
    """(N*T, C, H, W) → the same: first the channels of the next frame, then those of the last one, then the rest.

    What `shifted` gives, without writing in place, and slower.
    """
    x_NTCHW = torch.unflatten(x, 0, (-1, t))
    end = num_next + num_last
    ahead, behind, rest = x_NTCHW[:, :, :num_next], x_NTCHW[:, :, num_next:end], x_NTCHW[:, :, end:]
    ahead, behind = F.pad(ahead[:, 1:], (0,) * 7 + (1,)), F.pad(behind[:, :-1], (0,) * 6 + (1, 0))
    return torch.cat([ahead, behind, rest], dim=2).flatten(0, 1)


def shifted(x: Tensor, t: int, from_next: tuple[int, int], from_last: tuple[int, int]) -> Tensor:
    """(N*T, C, H, W) → the same, where two ranges of channels are the next and the last frame's, and the rest stays.

    One write a value: the copy is all that a shift costs.
    """
    out = torch.empty_like(x)
    x_NTCHW, out_NTCHW = torch.unflatten(x, 0, (-1, t)), torch.unflatten(out, 0, (-1, t))
    ahead, behind, rest = slice(*from_next), slice(*from_last), slice(max(from_next[1], from_last[1]), None)
    out_NTCHW[:, :-1, ahead] = x_NTCHW[:, 1:, ahead]
    out_NTCHW[:, -1, ahead] = 0
    out_NTCHW[:, 1:, behind] = x_NTCHW[:, :-1, behind]
    out_NTCHW[:, 0, behind] = 0
    out_NTCHW[:, :, rest] = x_NTCHW[:, :, rest]
    return out
