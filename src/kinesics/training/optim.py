"""Who learns how fast: parameter groups, the schedule, the loss and the averaged weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from kinesics.models.backbones.backbone import STAGES
from kinesics.models.recognizer import Recognizer
from kinesics.settings import OptimConfig
from kinesics.values import VideoItem

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def parameter_groups(model: Recognizer, optim: OptimConfig) -> list[dict[str, object]]:
    """Groups with `name`, `params`, `rate` (a multiple of the learning rate) and `weight_decay`.

    As TSN does: biases and BatchNorm without weight decay, the classifier at `head_rate`, the first convolution at
    `first_conv_rate`, the biases of convolutions and linear layers at `bias_rate` times that of their weights. Stages
    of the backbone learn at `backbone_rate` rising to 1 at the last; the first `frozen_stages` do not learn and are in
    no group, but for what a system adds to them. Nor do stages that the head's losses do not reach.
    """
    kept = {f"{name}.{kind}" for name, _ in frozen_norms(model, optim) for kind in ("weight", "bias")}
    biases = {f"{name}.bias" for name, module in model.named_modules() if not isinstance(module, NORMS)}
    first = {f"backbone.{model.backbone.first_conv}.{kind}" for kind in ("weight", "bias")}
    last = len(model.backbone.stages) - 1
    reached = last - (len(STAGES) - 1 - STAGES.index(model.head.last_trained))
    groups: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        stage = model.stage_of(name)
        frozen = stage is not None and stage < optim.frozen_stages and not model.is_added(name)
        frozen = frozen or (stage is not None and stage > reached)
        parameter.requires_grad_(parameter.requires_grad and not frozen and name not in kept)
        if not parameter.requires_grad:
            continue
        rate = optim.head_rate if stage is None else optim.backbone_rate ** (1 - stage / last)
        if name in first:
            rate *= optim.first_conv_rate
        if name in biases:
            rate *= optim.bias_rate
        decay = optim.weight_decay if parameter.ndim > 1 else 0.0
        label = "head" if stage is None else f"stage{stage}"
        groups.setdefault((label, rate, decay), []).append(parameter)
    return [
        {"name": f"{label}{'' if decay else '.no_decay'}", "params": params, "rate": rate, "weight_decay": decay}
        for (label, rate, decay), params in groups.items()
    ]


def frozen_norms(model: Recognizer, optim: OptimConfig) -> list[tuple[str, nn.Module]]:
    """The BatchNorms that keep their statistics and weights: none, all but the first (`partial`, as TSN), or all.

    Those of frozen stages are always among them; those of the head and of what a system adds, which start fresh, never.
    """
    norms: list[tuple[str, nn.Module]] = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, NORMS) and not model.is_added(f"{name}.weight")
    ]
    if optim.batch_norm == "frozen":
        return norms
    kept = norms[1:] if optim.batch_norm == "partial" else []
    names = {name for name, _ in kept}
    for name, module in norms:
        stage = model.stage_of(f"{name}.weight")
        if name not in names and stage is not None and stage < optim.frozen_stages:
            kept.append((name, module))
    return kept


def train_mode(model: Recognizer, optim: OptimConfig) -> None:
    """Put `model` in training mode, but its frozen BatchNorms in evaluation mode."""
    model.train()
    for _, module in frozen_norms(model, optim):
        module.eval()


def make_optimizer(model: Recognizer, optim: OptimConfig) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 or AdamW over the parameter groups."""
    groups = parameter_groups(model, optim)
    if optim.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=optim.learning_rate)
    return torch.optim.SGD(groups, lr=optim.learning_rate, momentum=0.9, nesterov=optim.nesterov)


def rate_at(optim: OptimConfig, epoch: float) -> float:
    """The share of the full learning rate at a point of training; `epoch` counts parts of epochs too.

    With 50 epochs and milestones (0.4, 0.8): 1 before epoch 20, 0.1 before 40, then 0.01.
    """
    if epoch < optim.warmup_epochs:
        return 0.1 + 0.9 * epoch / optim.warmup_epochs
    if optim.schedule == "cosine":
        rest = max(optim.epochs - optim.warmup_epochs, 1e-9)
        return 0.5 * (1 + math.cos(math.pi * min((epoch - optim.warmup_epochs) / rest, 1.0)))
    return float(0.1 ** sum(epoch >= milestone * optim.epochs - 1e-9 for milestone in optim.milestones))


def full_learning_rate(optim: OptimConfig, num_processes: int) -> float:
    """The learning rate for the clips of one step: it grows with the processes and the accumulated batches."""
    return optim.learning_rate * num_processes * optim.accumulate


def set_rates(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give each group `learning_rate` times its own multiple."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["rate"]


def class_weights(items: Sequence[VideoItem], num_classes: int) -> Tensor:
    """(K,) weights in inverse proportion to the clips of a class, 1 on average over the clips; 0 for absent classes."""
    counts = Counter(label for item in items for label in item.labels)
    present = len(counts)
    total = sum(counts.values())
    return torch.tensor([total / (present * counts[k]) if counts[k] else 0.0 for k in range(num_classes)])


def clip_losses(
    logits: Tensor, targets: Tensor, *, multi_label: bool, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """logits (N, K), targets (N, K) in [0, 1] → the loss of each clip (N,), in float32.

    Cross-entropy against soft targets, or the mean of K sigmoid cross-entropies where `multi_label`.
    """
    logits = logits.float()
    if multi_label:
        smooth = targets * (1 - smoothing) + smoothing / 2
        terms = binary_cross_entropy_with_logits(logits, smooth, weight=weights, reduction="none")
        return terms.mean(dim=1)
    smooth = targets * (1 - smoothing) + smoothing / targets.shape[1]
    losses = -(smooth * log_softmax(logits, dim=1)).sum(dim=1)
    return losses if weights is None else losses * (targets * weights).sum(dim=1)


def term_losses(
    terms: Sequence[tuple[Tensor, float]],
    targets: Tensor,
    *,
    multi_label: bool,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """The loss of each clip (N,) from the terms of a head (`Head.terms`): the sum of their weighted losses."""
    losses = [
        share * clip_losses(logits, targets, multi_label=multi_label, smoothing=smoothing, weights=weights)
        for logits, share in terms
    ]
    return torch.stack(losses).sum(dim=0)


class AveragedWeights:
    """An exponential moving average of a model's weights and statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.num_steps = 0
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's weights; faster in the first steps, so that the start is soon forgotten."""
        self.num_steps += 1
        decay = min(self.decay, self.num_steps / (self.num_steps + 9))
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor, 1 - decay)
            else:
                self.state[name].copy_(tensor)
