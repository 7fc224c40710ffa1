"""Guided backpropagation: gradients by the pixels that go through no unit that is off, nor back through a minus.

Source: Springenberg et al., Striving for Simplicity, ICLR 2015 workshop. The backbones call ReLUs as functions, in
place and as modules alike; a mode of torch changes all three, where hooks of modules would see the last alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from kinesics.explanation.question import Question

RELUS: dict[Callable[..., Any], float] = {
    **dict.fromkeys((F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), math.inf),
    F.relu6: 6.0,
    F.hardtanh: 6.0,  # what the module ReLU6 calls
}
"""What is changed, and where it ends above."""


class GuidedReLU(torch.autograd.Function):
    """min(max(x, 0), top), which lets only gradients above 0 through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float) -> Tensor:
        """Any shape → the same."""
        ctx.save_for_backward((x > 0) & (x < top))
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """What is above 0 where the unit is on."""
        (on,) = ctx.saved_tensors
        return grad.clamp_min(0) * on, None


class GuidedReLUs(TorchFunctionMode):
    """In this context every ReLU and ReLU6 is a guided one."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls `func`, or the guided form of it."""
        named = dict(kwargs or {})
        if func in RELUS and (func is not F.hardtanh or (named.get("min_val"), named.get("max_val")) == (0.0, 6.0)):
            x = args[0] if args else named["input"]
            return GuidedReLU.apply(x, RELUS[func])  # type: ignore[no-untyped-call]
        return func(*args, **named)


def guided_gradient(question: Question) -> Tensor:
    """(T, C, H, W): guided gradient of the score by the pixels of the clip."""
    with torch.enable_grad():
        clip = question.clip.detach().requires_grad_()
        with GuidedReLUs():
            score = question.ask(clip).sum()
        (gradient,) = torch.autograd.grad(score, clip)
    return gradient[0].float()
