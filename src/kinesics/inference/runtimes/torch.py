"""PyTorch, on the device that the model is on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kinesics.models.recognizer import Recognizer


@dataclass(frozen=True)
class TorchScorer:
    """The Scorer of a model. It computes gradients where the caller does not switch them off."""

    model: Recognizer

    def __call__(self, clips: Tensor) -> Tensor:
        """See Scorer; `clips` are on the model's device."""
        logits: Tensor = self.model(self.model.input_norm(clips)).float()
        return logits
