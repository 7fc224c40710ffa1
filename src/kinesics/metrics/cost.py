"""What a network costs: exact parameters and multiply-accumulates, by a named rule at a named input."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kinesics.errors import unknown

Rule = Literal["conv+fc", "conv+fc+bn"]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Cost:
    """parameters: all that could learn. macs: multiply-accumulates of one forward pass on `input`, counted by `rule`.

    rule: "conv+fc" counts convolutions, fully connected layers and other matrix products; "conv+fc+bn" adds 2 for
    each output of a BatchNorm.
    """

    parameters: int
    macs: int
    rule: Rule
    input: tuple[int, ...]


def cost(model: nn.Module, input_shape: Sequence[int], rule: Rule = "conv+fc") -> Cost:
    """The cost of `model` on one input of `input_shape`, such as (1, 8, 3, 224, 224). Nothing is computed.

    It counts a copy of the model that has shapes but no values, in evaluation mode.
    """
    if rule not in get_args(Rule):
        raise unknown("rule", rule, get_args(Rule))
    shadow = copy.deepcopy(model).to("meta").eval()
    num_normed = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal num_normed
        num_normed += output.numel()

    for module in shadow.modules():
        if isinstance(module, NORMS):
            module.register_forward_hook(count)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        shadow(torch.empty(tuple(input_shape), device="meta"))
    macs = counter.get_total_flops() // 2  # torch counts a multiplication and an addition as two
    return Cost(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=macs + (2 * num_normed if rule == "conv+fc+bn" else 0),
        rule=rule,
        input=tuple(input_shape),
    )
