"""KPSEM's head: key point shifts, embedded, beside the mean of the last stage.

Source: the KPSEM paper, sections 3.1, 3.2 and 4.2, figures 2, 3 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError, unknown
from kinesics.models.heads.head import LinearHead, classifier
from kinesics.models.precision import full_precision
from kinesics.models.temporal.keypoints import KeyPoints, Match, RegionalShifts


class KeyPointHead(LinearHead):
    """Mean of layer5 ⊕ embedded shifts of the key points of one stage → dropout → one linear layer.

    The embedding keeps the time steps apart, so the clip has `num_steps` of them.

    Args:
        time_stride: time steps of the clip for one of the stages.
        stage: where the key points are found. The paper takes layer4 of MFNet, and layer3 of R3D-50.
        regions, sets, adaptive, match, weigh, standardize: see `RegionalShifts`.
        embed: what the shifts of a frame are first made into.
        between: channels after the first of the two convolutions; by default as many as after the second, a quarter.
        norm: BatchNorm and ReLU after each convolution. Without them it is one affine map of the shifts.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        num_classes: int,
        dropout: float = 0.5,
        *,
        time_stride: int = 1,
        num_steps: int = 16,
        stage: str = "layer4",
        regions: int = 4,
        sets: int = 8,
        adaptive: bool = True,
        match: Match = "value",
        weigh: bool = True,
        standardize: bool = False,
        embed: int = 24,
        between: int | None = None,
        norm: bool = True,
    ) -> None:
        super().__init__()
        if stage not in widths:
            raise unknown("stage", stage, widths)
        if between is not None and between < 1:
            raise UserError(f"between is the number of channels of a convolution: expected 1 or more, found {between}")
        self.num_steps = -(-num_steps // time_stride)
        if self.num_steps < 2 or embed < 1:
            raise UserError(
                f"key points shift from one time step to the next: expected num_steps > {time_stride} and embed > 0, "
                f"found {num_steps} and {embed}"
            )
        self.stage, self.needs = stage, ("layer5",) if stage == "layer5" else (stage, "layer5")
        channels = widths[stage]
        width = channels // 4
        self.shifts = RegionalShifts(
            channels,
            regions=regions,
            sets=sets,
            adaptive=adaptive,
            match=match,
            weigh=weigh,
            standardize=standardize,
        )
        # A linear layer a set, and their sum (equation 3), is one linear layer on all sets.
        self.embed = nn.Linear(sets * regions * 2, embed)
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for wide, narrow in ((channels, between or width), (between or width, width)):
            self.convs.append(nn.Conv2d(wide, narrow, (1, 3), (1, 2), (0, 1), bias=False))
            self.norms.append(nn.BatchNorm2d(narrow) if norm else nn.Identity())
        self.norm = norm
        self.dropout = nn.Dropout(dropout)
        self.fc = classifier(widths["layer5"] + width * (self.num_steps - 1), num_classes)

    def embedded(self, x: Tensor) -> Tensor:
        """(N, T, C, H, W) → (N, C/4·(T−1)), the key point shifts' embedding. Raises UserError for another T."""
        if x.shape[1] != self.num_steps:
            raise UserError(
                f"the key points' head was made for {self.num_steps} time steps of {self.stage}, found {x.shape[1]}; "
                "make the model with the clip's num_steps"
            )
        return self.embedding(self.shifts(x))

    def embedding(self, found: KeyPoints) -> Tensor:
        """Key points of N clips → (N, C/4·(T−1))."""
        with full_precision(found.shifts):
            regional = found.weights[..., None] * found.shifts  # (N, T-1, G, K, C, 2), equation 12
            y: Tensor = self.embed(regional.permute(0, 4, 1, 2, 3, 5).flatten(3))  # (N, C, T-1, E)
            for conv, norm in zip(self.convs, self.norms, strict=True):
                y = norm(conv(y))
                if self.norm:
                    y = F.relu(y)
            return y.mean(dim=3).flatten(1)

    def summary(self, features: dict[str, Tensor]) -> Tensor:
        """{stage: (N, T, C, H, W), "layer5": (N, T, D, H, W)} → (N, D + C/4·(T−1))."""
        return self.joined(features, self.embedded(features[self.stage]))

    def joined(self, features: dict[str, Tensor], embedded: Tensor) -> Tensor:
        """{"layer5": (N, T, D, H, W)} and an embedding (N, E) → (N, D + E), what `fc` sees."""
        spatial = features["layer5"].mean(dim=(1, 3, 4))
        return torch.cat([spatial, embedded.to(spatial.dtype)], dim=1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{stage: (N, T, C, H, W), "layer5": (N, T, D, H, W)} → (N, K) logits."""
        logits: Tensor = self.fc(self.dropout(self.summary(features)))
        return logits
