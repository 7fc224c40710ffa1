"""The size and the cost of a model by its name."""

from __future__ import annotations

from dataclasses import dataclass

from kinesics.checks import checked
from kinesics.errors import UserError
from kinesics.metrics.cost import Rule
from kinesics.metrics.cost import cost as count
from kinesics.models.build import create_model, fixes_steps
from kinesics.sizes import Size, SizeSetting


@dataclass(frozen=True)
class ModelCost:
    """Parameters and multiply-accumulates (MACs) of a model for one clip of shape `input`, (N, T, C, H, W)."""

    model: str
    parameters: int
    macs: int
    rule: Rule
    input: tuple[int, ...]
    num_classes: int

    def lines(self) -> list[str]:
        """The figures in a sentence."""
        num_frames, _, height, width = self.input[1:]
        return [
            f"{self.model}, {self.num_classes} classes, {num_frames} frames of {width}×{height}: "
            f"{self.parameters:,} parameters, {self.macs / 1e9:.2f} GMACs ({self.rule})"
        ]


def cost(
    model: str, *, num_classes: int = 400, num_frames: int = 8, size: SizeSetting = 224, rule: Rule = "conv+fc"
) -> ModelCost:
    """Count the parameters and multiply-accumulates of a model.

    Args:
        model: A name from `kinesics models`.
        num_classes: Number of classes.
        num_frames: Time steps T of a clip.
        size: Pixels of the input: a square (224), or WIDTHxHEIGHT (256x224: 256 wide, 224 high).
        rule: What is counted: convolutions and fully connected layers, or BatchNorm too.

    Raises:
        UserError: no such model, a number below 1, or no such size.
    """
    sides = Size.of(checked(size, SizeSetting, "size"))
    for name, value in (("num_classes", num_classes), ("num_frames", num_frames)):
        if value < 1:
            raise UserError(f"{name} is {value}; expected a number from 1 up")
    built = (
        create_model(model, num_classes, num_steps=num_frames)
        if fixes_steps(model)
        else create_model(model, num_classes)
    )
    counted = count(built, (1, num_frames, built.channels, *sides), rule)
    return ModelCost(model, counted.parameters, counted.macs, rule, tuple(counted.input), num_classes)
