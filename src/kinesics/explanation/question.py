"""What is explained: one clip, one class, and the score that stands for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kinesics.models.recognizer import Recognizer


@dataclass(frozen=True)
class Question:
    """Why the model gives a clip its score for a class.

    model: in evaluation mode. clip: (1, T, C, H, W) normalised, on the model's device. label: the number of the class.
    """

    model: Recognizer
    clip: Tensor
    label: int
    multi_label: bool = False

    @property
    def num_steps(self) -> int:
        """T."""
        return self.clip.shape[1]

    def score(self, logits_NK: Tensor) -> Tensor:
        """(N, K) → (N,): the label's logit above the mean of all, or the logit itself where each label is for itself.

        A number added to all logits changes no probability; it changes no explanation either then.
        """
        own = logits_NK[:, self.label]
        return own if self.multi_label or logits_NK.shape[1] == 1 else own - logits_NK.mean(dim=1)

    def ask(self, clips: Tensor) -> Tensor:
        """(N, T, C, H, W) → (N,) scores."""
        return self.score(self.model(clips))

    def logits(self) -> Tensor:
        """(K,) float32 on the CPU."""
        with torch.no_grad():
            found: Tensor = self.model(self.clip)[0]
        return found.float().cpu()

    def stage(self, name: str) -> tuple[Tensor, Tensor]:
        """Features of a stage (T', C, h, w) and the score's gradient by them.

        T' is the clip's T, or less in a backbone that convolves over time.
        """
        with torch.enable_grad():
            clip = self.clip.detach().requires_grad_()
            features = self.model.backbone.forward_stages(clip, tuple({name, *self.model.head.needs}))
            score = self.score(self.model.head(features)).sum()
            (gradient,) = torch.autograd.grad(score, features[name])
        return features[name][0].detach().float(), gradient[0].float()
