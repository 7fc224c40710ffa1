"""TSN's head: every frame is classified for itself, and the clip gets the mean of its frames' logits."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from kinesics.models.heads.head import LinearHead, classifier


class AverageHead(LinearHead):
    """Pooled features → dropout → one linear layer a frame → mean over the frames.

    Source: Wang et al., Temporal Segment Networks, ECCV 2016, average consensus before the softmax.
    """

    def __init__(self, widths: Mapping[str, int], num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = classifier(widths["layer5"], num_classes)

    def summary(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, T, D, H, W)} → (N, D): the mean over the frames, as the logits are linear."""
        return features["layer5"].mean(dim=(1, 3, 4))

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{"layer5": (N, T, D, H, W)} → (N, K) logits."""
        x_NTD = features["layer5"].mean(dim=(3, 4))
        logits: Tensor = self.fc(self.dropout(x_NTD))
        return logits.mean(dim=1)
