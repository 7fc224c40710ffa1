"""Guided backpropagation: the gradient for the pixels, where each ReLU passes back only positive gradients.

Source: Springenberg et al., Striving for Simplicity, ICLR 2015 workshop. The backbones call ReLUs as functions, in
place and as modules. A torch function mode changes all three; a hook would see modules only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from kinesics.explanation.class_score import ClassScore

RELUS: dict[Callable[..., Any], float] = {
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), math.inf),
    F.relu6: 6.0,
    F.hardtanh: 6.0,  # the module ReLU6 calls it
}
"""The functions that are replaced, and their upper limits."""


class GuidedReLU(torch.autograd.Function):
    """min(max(x, 0), upper), whose backward pass drops negative gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, upper: float) -> Tensor:
        """Any shape → the same shape."""
        ctx.save_for_backward((x > 0) & (x < upper))
        return x.clamp(0, upper)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """The positive gradients of active units."""
        (is_active,) = ctx.saved_tensors
        return grad.clamp_min(0) * is_active, None


class GuidedReLUs(TorchFunctionMode):
    """A context in which every ReLU and ReLU6 is guided."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, or its guided form."""
        keywords = dict(kwargs or {})
        if func in RELUS and (
            func is not F.hardtanh or (keywords.get("min_val"), keywords.get("max_val")) == (0.0, 6.0)
        ):
            x = args[0] if args else keywords["input"]
            return GuidedReLU.apply(x, RELUS[func])  # type: ignore[no-untyped-call]
        return func(*args, **keywords)


def guided_gradient(class_score: ClassScore) -> Tensor:
    """(T, C, H, W): the guided gradient of the score with respect to the pixels of the clip."""
    with torch.enable_grad():
        clip = class_score.clip.detach().requires_grad_()
        with GuidedReLUs():
            score = class_score.of_clips(clip).sum()
        (gradient,) = torch.autograd.grad(score, clip)
    return gradient[0].float()
