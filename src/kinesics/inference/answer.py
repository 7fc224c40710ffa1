"""From logits to an answer: temperature, threshold, "none of these" and several labels, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinesics.errors import KinesicsError
from kinesics.runs.model_file import Contract
from kinesics.values import Prediction

HALF = 0.5
"""Above this probability a label of a multi-label model is in its answer."""


@dataclass(frozen=True)
class AnswerRule:
    """How a model's logits become its answer.

    classes: K names. multi_label: each class has a probability of its own. temperature: what logits are divided by.
    threshold: the probability of the best class below which the answer is "none of these"; 0 for never.
    """

    classes: tuple[str, ...]
    multi_label: bool = False
    temperature: float = 1.0
    threshold: float = 0.0

    @staticmethod
    def of(contract: Contract) -> AnswerRule:
        """The rule of a model file."""
        return AnswerRule(contract.classes, contract.multi_label, contract.temperature, contract.threshold)

    def probs(self, logits: Tensor) -> Tensor:
        """(N, K) logits → (N, K) probabilities. Raises KinesicsError where a logit is not a finite number."""
        if not bool(logits.isfinite().all()):
            raise KinesicsError("the model's scores are not finite numbers; its weights are damaged")
        scaled = logits.float() / self.temperature
        return scaled.sigmoid() if self.multi_label else scaled.softmax(dim=-1)

    def is_rejected(self, probs_K: Tensor) -> bool:
        """Whether the answer is "none of these"."""
        return float(probs_K.max()) < self.threshold

    def labels(self, probs_K: Tensor) -> tuple[int, ...]:
        """The classes in the answer, the most probable first: one, or all above one half; none where it is rejected."""
        if self.is_rejected(probs_K):
            return ()
        order = probs_K.argsort(descending=True).tolist()
        return tuple(k for k in order if probs_K[k] > HALF) if self.multi_label else (order[0],)

    def prediction(
        self,
        path: str,
        probs_K: Tensor,
        frame_indices: Sequence[int] = (),
        frame_seconds: Sequence[float] = (),
        top: int | None = None,
    ) -> Prediction:
        """The `top` most probable classes (all for None) of a video, and at least those in the answer."""
        order = torch.argsort(probs_K, descending=True, stable=True)
        kept = None if top is None else max(top, int((probs_K > HALF).sum()), 1)
        return Prediction(
            path=path,
            labels=tuple(self.classes[k] for k in order[:kept].tolist()),
            probabilities=tuple(probs_K[order[:kept]].tolist()),
            frame_indices=tuple(frame_indices),
            frame_seconds=tuple(frame_seconds),
            threshold=self.threshold,
        )
