"""MLFE's head: TSM's scores, and those of local features cut from low stages where each class responds most.

Source: the MLFE paper, sections 3.2 to 3.4. A frame and a class have one peak; a stage gives one crop around it, and
the crop one score. Between the residual block and the score is dropout, as the paper's introduction says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.errors import UserError, unknown
from kinesics.models.backbones.backbone import STAGES
from kinesics.models.heads.average import AverageHead
from kinesics.models.heads.crops import Way, crops_at, peaks
from kinesics.models.heads.head import classifier
from kinesics.models.heads.weighted_norm import batch_norm

Fusion = Literal["average", "sum", "concat"]
LocalScores = Literal["softmax", "logits"]
TAPS = STAGES[:-1]
PLAIN = "layer4"
"""The stage whose crops, of 2×2, are pooled without a residual block."""


class LocalBlock(nn.Module):
    """1×1 c → c/4, 3×3, 1×1 → c, each with BatchNorm, and a shortcut; then the mean over the crop."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = channels // 4
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, crops: Tensor, counts: Tensor | None) -> Tensor:
        """(M, C, h, w) → (M, C). counts: (M,) how often each crop is in the batch, for BatchNorm; None for once."""
        return self.maps(crops, counts).mean(dim=(2, 3))

    def maps(self, crops: Tensor, counts: Tensor | None) -> Tensor:
        """(M, C, h, w) → the same, what the mean is taken of."""
        x = F.relu(batch_norm(self.bn1, self.conv1(crops), counts), inplace=True)
        x = F.relu(batch_norm(self.bn2, self.conv2(x), counts), inplace=True)
        x = batch_norm(self.bn3, self.conv3(x), counts)
        return F.relu(x.add_(crops), inplace=True)


class LocalHead(AverageHead):
    """O = O_TSM + λ·O_MLFE (eq. 4); trained by CE(O_TSM) + λ·CE(O_MLFE) (eq. 9).

    layers: the stages that local features are cut from, or the name of one, which is an LFE of the paper.
    fusion: over the stages. fc_hidden: width of a hidden layer before the score, 0 for none (eq. 8).
    weight: λ; 0 is TSM. tsm_loss: without it, only O_MLFE is trained (the paper's TSM* + MLFE); the backbone still
    learns through it.
    scores: "softmax" over the classes of each stage, as the paper has it, whose cross-entropy, a softmax again, cannot
    leave [ln(1 + (K−1)/e), ln(e + K−1)] and starts with 1/K of the gradient; or the raw "logits".
    way: see `crops.Way`; None takes "class" while there are no more classes than cells, and the bounded way beyond.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        num_classes: int,
        dropout: float = 0.5,
        *,
        layers: Sequence[str] | str = TAPS,
        fusion: Fusion = "average",
        fc_hidden: int = 0,
        scores: LocalScores = "softmax",
        weight: float = 0.1,
        tsm_loss: bool = True,
        way: Way | None = None,
    ) -> None:
        super().__init__(widths, num_classes, dropout)
        for value, choices, what in ((fusion, Fusion, "fusion"), (scores, LocalScores, "local scores")):
            if value not in get_args(choices):
                raise unknown(what, str(value), get_args(choices))
        if way is not None and way not in get_args(Way):
            raise unknown("way", str(way), get_args(Way))
        layers = (layers,) if isinstance(layers, str) else layers
        for name in layers:
            if name not in TAPS:
                raise unknown("layer for local features", name, TAPS)
        if weight == 0 and not tsm_loss:
            raise UserError("tsm_loss is False and weight is 0, so there is no loss; expected one of them")
        if not layers or weight < 0 or fc_hidden < 0:
            raise UserError("local features need a layer, and weight and fc_hidden of 0 or more")
        self.layers = tuple(name for name in TAPS if name in layers)
        self.needs = (*self.layers, "layer5")
        self.fusion, self.scores, self.weight, self.tsm_loss, self.way = fusion, scores, weight, tsm_loss, way
        self.blocks = nn.ModuleDict({name: LocalBlock(widths[name]) for name in self.layers if name != PLAIN})
        sizes = [widths[name] for name in self.layers]
        if fusion == "concat":
            self.score = nn.ModuleDict({"all": scorer(sum(sizes), fc_hidden)})
        else:
            self.score = nn.ModuleDict(
                {name: scorer(size, fc_hidden) for name, size in zip(self.layers, sizes, strict=True)}
            )

        if weight == 0:
            self.blocks.requires_grad_(False)
            self.score.requires_grad_(False)
        if not tsm_loss:
            self.fc.requires_grad_(False)  # the peaks are places: no gradient goes through them
            self.last_trained = self.layers[-1]

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{stage: (N, T, C, H, W)} → (N, K)."""
        whole = super().forward(features)
        return whole if self.weight == 0 else whole + self.weight * self.local(features)

    def terms(self, features: dict[str, Tensor]) -> tuple[tuple[Tensor, float], ...]:
        """The two scores, and what their losses weigh."""
        found = [(super().forward(features), 1.0)] if self.tsm_loss else []
        if self.weight > 0:
            found.append((self.local(features), self.weight))
        return tuple(found)

    def local(self, features: dict[str, Tensor]) -> Tensor:
        """{stage: (N, T, C, H, W)} → (N, K), O_MLFE: the mean over the frames."""
        clips, cells = features["layer5"].shape[:2], features["layer5"].shape[-2:]
        peak_BK = peaks(features["layer5"].flatten(0, 1), self.fc.weight)
        pooled = {
            name: self.dropout(self.pooled(name, features[name].flatten(0, 1), peak_BK, cells)) for name in self.layers
        }
        if self.fusion == "concat":
            scores = [self.score["all"](torch.cat(list(pooled.values()), dim=2))[..., 0]]
        else:
            scores = [self.score[name](vectors)[..., 0] for name, vectors in pooled.items()]
        if self.scores == "softmax":
            scores = [x.float().softmax(dim=1) for x in scores]
        stacked = torch.stack([x.float() for x in scores])
        frames_BK = stacked.sum(dim=0) if self.fusion == "sum" else stacked.mean(dim=0)
        return torch.unflatten(frames_BK, 0, clips).mean(dim=1)

    def pooled(self, name: str, x_BCHW: Tensor, peak_BK: Tensor, cells: Sequence[int]) -> Tensor:
        """The local features of one stage: (B, C, H, W), (B, K) peaks of a map of `cells` → (B, K, C)."""
        scale = 2 ** (len(STAGES) - 1 - STAGES.index(name))
        way = self.way or default_way(
            peak_BK.shape[1], cells[0] * cells[1], fixed=x_BCHW.is_meta or torch.compiler.is_compiling()
        )
        crops, counts, index_BK = crops_at(x_BCHW, peak_BK, cells, scale, way)
        vectors = self.blocks[name](crops, counts) if name in self.blocks else crops.mean(dim=(2, 3))
        pooled: Tensor = vectors[index_BK]
        return pooled


def scorer(channels: int, hidden: int) -> nn.Module:
    """c → 1, or c → hidden → 1.

    The last layer starts near zero, as the classifier does. With the default start of a linear layer its gradients,
    from peaks of a classifier that has learned nothing, are a third of TSM's in the low stages.
    """
    if not hidden:
        return classifier(channels, 1)
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(inplace=True), classifier(hidden, 1))


def default_way(num_classes: int, num_cells: int, *, fixed: bool) -> Way:
    """ "class" while the crops are no more than the cells; beyond, the bounded way.

    fixed: the number of crops may not depend on the values, in an export or a count of the cost.
    """
    if num_classes <= num_cells:
        return "class"
    return "cells" if fixed else "unique"
