"""One batch of a training: its loss, its gradients and, every `accumulate` batches, a step of the optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from kinesics.data.dataset import keyed_generator
from kinesics.data.loader import Batch
from kinesics.data.mixing import cutmix, mixup
from kinesics.errors import KinesicsError
from kinesics.models.recognizer import Recognizer
from kinesics.settings import InputConfig, Recipe
from kinesics.training.optim import AveragedWeights, full_learning_rate, rate_at, set_rates, term_losses
from kinesics.training.processes import from_all_processes


@dataclass(frozen=True)
class Learner:
    """What learns: the model, the network that Fabric made of it, its optimizer and its averaged weights.

    class_weights: (K,) on the device; None where all classes count the same.
    """

    recipe: Recipe
    fabric: Fabric
    model: Recognizer
    network: Any
    optimizer: Any
    averaged: AveragedWeights | None
    multi_label: bool
    class_weights: Tensor | None


def learn(learner: Learner, batch: Batch, epoch: int, number: int, num_batches: int) -> tuple[float, bool]:
    """Learn from batch `number` of an epoch, which is on the device: the sum of its losses, and whether it ends a step.

    Raises:
        KinesicsError: a loss is not a finite number; the clips are named, in all processes.
    """
    optim, fabric, optimizer = learner.recipe.optim, learner.fabric, learner.optimizer
    random = keyed_generator("batch", learner.recipe.seed, epoch, number, fabric.global_rank)
    torch.manual_seed(random.initial_seed())  # dropout
    clips = learner.model.input_norm(batch.first_view)
    clips, targets = mix(clips, batch.targets, learner.recipe.input, random)
    set_rates(optimizer, full_learning_rate(optim, fabric.world_size) * rate_at(optim, epoch + number / num_batches))
    ends_step = (number + 1) % optim.accumulate == 0 or number + 1 == num_batches
    in_last_step = number >= num_batches - num_batches % optim.accumulate
    group = num_batches % optim.accumulate if in_last_step else optim.accumulate
    with fabric.no_backward_sync(learner.network, enabled=not ends_step):
        losses = term_losses(
            learner.network(clips, terms=True),
            targets,
            multi_label=learner.multi_label,
            smoothing=optim.label_smoothing,
            weights=learner.class_weights,
        )
        fabric.backward(losses.mean() / group)
    values = finite_losses(fabric, losses.detach(), batch, epoch)
    if ends_step:
        if optim.clip_norm:
            fabric.clip_gradients(learner.network, optimizer, max_norm=optim.clip_norm, error_if_nonfinite=False)
        optimizer.step()
        optimizer.zero_grad()
        if learner.averaged:
            learner.averaged.update(learner.model)
    return float(values.sum()), ends_step


def finite_losses(fabric: Fabric, losses: Tensor, batch: Batch, epoch: int) -> Tensor:
    """The losses (N,) in the memory of the processor, once those of all processes are found to be finite.

    This is the one place of a step where the processor waits for a GPU.
    """
    is_bad = (~losses.isfinite()).any().float()
    if fabric.world_size > 1:
        torch.distributed.all_reduce(is_bad)
    *found, num_bad = torch.cat([losses.float(), is_bad[None]]).cpu()
    values = torch.stack(found)
    if num_bad > 0:
        mine = [name for name, finite in zip(batch.ids, values.isfinite().tolist(), strict=True) if not finite]
        names = [name for names in from_all_processes(fabric, mine) for name in names]
        raise KinesicsError(
            f"the loss is not a finite number in epoch {epoch + 1} for {', '.join(names)}; "
            "look at these clips, or lower the learning rate; the last checkpoint is kept"
        )
    return values


def mix(clips: Tensor, targets: Tensor, settings: InputConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The batch after mixup and cutmix; where both are on, one of them by a coin."""
    kinds: list[tuple[Callable[..., tuple[Tensor, Tensor]], float]] = [
        (blend, alpha) for blend, alpha in ((mixup, settings.mixup), (cutmix, settings.cutmix)) if alpha > 0
    ]
    if not kinds:
        return clips, targets
    blend, alpha = kinds[int(torch.randint(len(kinds), (), generator=generator))]
    return blend(clips, targets, alpha, generator)
