"""STP's head: a temporal pyramid inside each segment of the clip.

Source: the STP paper, section 3. Level 1 is the mean of a segment's parts, level 2 the means of its halves, level 3 of
its quarters, concatenated coarse to fine.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.models.heads.head import LinearHead, classifier

MOST_LEVELS = 16
"""Of a pyramid: 65,536 cells in the last level."""


def pyramid(levels: int, parts: int) -> Tensor:
    """(2^levels − 1, parts): row by row, what each cell of the pyramid takes of the parts, coarse to fine.

    pyramid(2, 2) → ½ ½ / 1 0 / 0 1
    """
    rows = [torch.eye(2**level).repeat_interleave(parts // 2**level, dim=1) for level in range(levels)]
    return torch.cat([row / row.sum(dim=1, keepdim=True) for row in rows])


class PyramidHead(LinearHead):
    """Pooled features → dropout → pyramid of each segment → one linear layer → mean over the segments.

    A clip has T = S·parts time steps: segment by segment, the parts of each in order. S is free. The pyramid and the
    layer are linear, so they are computed as one layer on a segment's parts, a fifth of the pyramid's size and less.
    """

    def __init__(
        self, widths: Mapping[str, int], num_classes: int, dropout: float = 0.5, *, parts: int = 4, levels: int = 3
    ) -> None:
        super().__init__()
        if parts < 1 or not 1 <= levels <= MOST_LEVELS or parts % 2 ** (levels - 1):
            raise UserError(
                f"a pyramid halves its segment once per level after the first: expected levels from 1 to {MOST_LEVELS} "
                f"and parts that 2^(levels - 1) divides, found {levels} and {parts}"
            )
        self.parts, self.levels, self.width = parts, levels, widths["layer5"]
        self.dropout = nn.Dropout(dropout)
        self.fc = classifier(self.width * (2**levels - 1), num_classes)
        self.register_buffer("pyramid", pyramid(levels, parts), persistent=False)

    def folded(self) -> Tensor:
        """(K, parts·D): the weight of the one layer that pyramid and `fc` are together."""
        weight_KLD = torch.unflatten(self.fc.weight, 1, (-1, self.width))
        return torch.einsum("kld,lp->kpd", weight_KLD, self.pyramid.to(weight_KLD.dtype)).flatten(1)

    def segments(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, S·parts, D, H, W)} → (N, S, parts, D)."""
        x_NTD = features["layer5"].mean(dim=(3, 4))
        if x_NTD.shape[1] % self.parts:
            raise UserError(f"segments have {self.parts} parts each, found a clip of {x_NTD.shape[1]} time steps")
        return torch.unflatten(x_NTD, 1, (-1, self.parts))

    def summary(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, S·parts, D, H, W)} → (N, (2^levels − 1)·D): the pyramid, the mean over the segments."""
        parts_NPD = self.segments(features).mean(dim=1)
        return torch.einsum("lp,npd->nld", self.pyramid.to(parts_NPD.dtype), parts_NPD).flatten(1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, S·parts, D, H, W)} → (N, K) logits."""
        x_NSPD = self.dropout(self.segments(features))
        return F.linear(x_NSPD.flatten(2), self.folded(), self.fc.bias).mean(dim=1)
