"""A head that knows the order of the frames: cosine moments of the features over the clip's time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from kinesics.errors import UserError
from kinesics.models.heads.head import LinearHead, classifier


def cosine_moments(num_moments: int, t: int, like: Tensor | None = None) -> Tensor:
    """(M, T): row m is cos(π·m·(i + ½) / T) / T, times √2 for m > 0. Row 0 is the mean.

    At any T the moments of the same movement come out alike, since time is normalised to 0…1 and the rows average
    rather than add. Reversing the clip changes the sign of the odd moments and nothing else.
    """
    device, dtype = (None, torch.float32) if like is None else (like.device, like.dtype)
    wide = torch.promote_types(dtype, torch.float32)  # float64 stays, half precision does not
    moment_M1 = torch.arange(num_moments, device=device, dtype=wide)[:, None]
    time_1T = (torch.arange(t, device=device, dtype=wide)[None] + 0.5) / t
    basis_MT = torch.cos(math.pi * moment_M1 * time_1T) * (math.sqrt(2) / t)
    basis_MT = torch.where(moment_M1 > 0, basis_MT, 1 / t)
    return (basis_MT * (moment_M1 < t)).to(dtype)  # T frames have T moments; what follows would repeat them


class OrderedHead(LinearHead):
    """Pooled features of a clip's frames → M cosine moments over time → dropout → one linear layer.

    T is free: one set of weights runs at any number of frames. A clip of T frames has T moments, the others are zero,
    so M = 4 needs four frames or more.
    """

    def __init__(self, widths: Mapping[str, int], num_classes: int, dropout: float = 0.5, moments: int = 4) -> None:
        super().__init__()
        if moments < 1:
            raise UserError(f"an ordered head needs at least one moment, found {moments}")
        self.moments = moments
        self.dropout = nn.Dropout(dropout)
        self.fc = classifier(widths["layer5"] * moments, num_classes)

    def summary(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, T, D, H, W)} → (N, M·D) cosine moments."""
        x_NTD = features["layer5"].mean(dim=(3, 4))
        basis_MT = cosine_moments(self.moments, x_NTD.shape[1], like=x_NTD)
        return (basis_MT @ x_NTD).flatten(1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, T, D, H, W)} → (N, K) logits."""
        logits: Tensor = self.fc(self.dropout(self.summary(features)))
        return logits
