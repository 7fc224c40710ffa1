"""What every head has: the stages it needs, and class scores of them."""

from __future__ import annotations

from torch import Tensor, nn


class Head(nn.Module):
    """Features of the stages in `needs` → class scores. `fc` is the layer that published classifiers load into.

    Made by (widths of the backbone's stages, num_classes, dropout, and arguments of its own).
    """

    needs: tuple[str, ...] = ("layer5",)
    last_trained: str = "layer5"
    """The last stage of the backbone that the losses of `terms` reach."""

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{stage: (N, T, C, H, W)} → (N, K) logits."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def terms(self, features: dict[str, Tensor]) -> tuple[tuple[Tensor, float], ...]:
        """What is trained: logits (N, K), each with the weight of its loss. By default the answer itself."""
        return ((self(features), 1.0),)


class LinearHead(Head):
    """A head whose logits in evaluation are one linear layer, `fc`, on one vector per clip, `summary`.

    Such a layer can be fitted in closed form before training (`training.head_fit`).
    """

    fc: nn.Linear

    def summary(self, features: dict[str, Tensor]) -> Tensor:
        """{stage: (N, T, C, H, W)} → (N, D), what `fc` sees of each clip."""
        raise TypeError(f"{type(self).__name__} has no summary")


def classifier(num_features: int, num_classes: int) -> nn.Linear:
    """A linear layer that starts near zero (standard deviation 0.001), as TSN's."""
    fc = nn.Linear(num_features, num_classes)
    nn.init.normal_(fc.weight, std=0.001)
    nn.init.zeros_(fc.bias)
    return fc
