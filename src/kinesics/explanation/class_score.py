"""The number that a heat map explains: the score that a model gives one class for one clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kinesics.models.recognizer import Recognizer


@dataclass(frozen=True)
class ClassScore:
    """The score of one class for one clip.

    model: in evaluation mode. clip: (1, T, C, H, W) normalised, on the model's device. class_index: the class.
    multi_label: whether the classes are independent of each other.
    """

    model: Recognizer
    clip: Tensor
    class_index: int
    multi_label: bool = False

    @property
    def num_steps(self) -> int:
        """T."""
        return self.clip.shape[1]

    def of_logits(self, logits_NK: Tensor) -> Tensor:
        """(N, K) → (N,): the class's logit minus the mean of all logits; the logit itself where labels are independent.

        A number that is added to all logits changes no probability, so it must not change the explanation.
        """
        logit = logits_NK[:, self.class_index]
        return logit if self.multi_label or logits_NK.shape[1] == 1 else logit - logits_NK.mean(dim=1)

    def of_clips(self, clips: Tensor) -> Tensor:
        """(N, T, C, H, W) → (N,) scores."""
        return self.of_logits(self.model(clips))

    def logits(self) -> Tensor:
        """(K,) float32 on the CPU: the model's logits for the clip."""
        with torch.no_grad():
            logits_K: Tensor = self.model(self.clip)[0]
        return logits_K.float().cpu()

    def features_and_gradient(self, stage: str) -> tuple[Tensor, Tensor]:
        """The features of a stage and the score's gradient with respect to them, both (T', C, h, w).

        T' is the clip's T, or less in a backbone that convolves over time.
        """
        with torch.enable_grad():
            clip = self.clip.detach().requires_grad_()
            features = self.model.backbone.forward_stages(clip, tuple({stage, *self.model.head.needs}))
            score = self.of_logits(self.model.head(features)).sum()
            (gradient,) = torch.autograd.grad(score, features[stage])
        return features[stage][0].detach().float(), gradient[0].float()
