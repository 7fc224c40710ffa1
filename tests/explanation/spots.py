"""Clips with a bright spot in one place of one time step, and models that see it: random backbones, a fitted head.

The kernels are random and positive, with smaller weights away from their centres, and BatchNorm has the statistics of
clips with spots. So a spot keeps the highest values at its own place after all layers, in every backbone. The head is
fitted by ridge regression to the share of spot in each cell; nothing is trained.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinesics.models.build import create_model, fixes_steps
from kinesics.models.recognizer import Recognizer
from kinesics.models.registry import BACKBONES, parts_of
from kinesics.models.temporal.tea import TemporalConv
from kinesics.training.optim import NORMS

SIZE, STEPS, CELLS = 96, 4, 3
SIDE = SIZE // CELLS
Place = tuple[int, int, int]
"""Time step, row and column of a spot."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(n: int, channels: int, seed: int) -> Tensor:
    """(N, T, C, H, W): a background that is the same in all clips, and noise."""
    background = F.interpolate(torch.randn(1, 15, 6, 6, generator=generator(5)), (SIZE, SIZE), mode="bilinear")[0]
    noise = torch.randn(n * STEPS, channels, SIZE // 8, SIZE // 8, generator=generator(seed))
    noise = F.interpolate(noise, (SIZE, SIZE), mode="bilinear")
    return torch.unflatten(0.3 * noise, 0, (n, STEPS)) + 0.5 * background[torch.arange(channels) % 15]


def spot() -> Tensor:
    """(side, side): diagonal stripes, bright and half as bright."""
    k = torch.arange(SIDE)
    return torch.where((k[:, None] + k) // 3 % 2 == 0, 2.2, 1.1)


def spotted(place: Place, channels: int, seed: int = 99, length: int = 1) -> Tensor:
    """(1, T·length, C, H, W): a clip with one spot, in all frames of its time step, which is `length` frames long."""
    t, row, column = place
    clip = scene(1, channels, seed)
    clip[0, t, :, row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = spot()
    return clip.repeat_interleave(length, dim=1)


def length_of(model: Recognizer) -> int:
    """How many frames a time step of these clips has: as many as the model's last stage merges into one."""
    return model.backbone.time_strides[-1]


def learning_clips(channels: int, n: int = 12) -> tuple[Tensor, Tensor]:
    """(N, T, C, H, W) clips in which about half of the frames have a spot, and the mask of the spots, (N, T, H, W)."""
    cell = torch.randint(CELLS**2, (n, STEPS, 1), generator=generator(1))
    has_spot = torch.rand(n, STEPS, 1, generator=generator(2)) < 0.5
    cells = torch.zeros(n, STEPS, CELLS**2).scatter_(2, cell, 1.0) * has_spot
    mask = torch.unflatten(cells, 2, (CELLS, CELLS)).repeat_interleave(SIDE, 2).repeat_interleave(SIDE, 3)
    return torch.where(mask[:, :, None] > 0, spot().repeat(CELLS, CELLS), scene(n, channels, 3)), mask


@cache
def seeing_model(name: str) -> Recognizer:
    """A model of two classes, spot and none, in evaluation mode."""
    torch.manual_seed(0)
    arguments: dict[str, Any] = {}
    if fixes_steps(name):
        time_stride = BACKBONES[parts_of(name)[1]].time_strides[-1]
        arguments = {"num_steps": STEPS * time_stride, **({"mild": True} if name.startswith("tefe") else {})}
    if name.startswith("mdt"):
        arguments = {"scale": 0.0}  # a stream of differences has heat in the time steps beside the spot, too
    if name in ("tsm_bninception", "mlfe_bninception"):
        arguments = {"fold_div": 32}  # with no shortcut, the shift of eleven places would spread a spot over all steps
    model = create_model(name, 2, dropout=0.0, **arguments)
    clips, mask = learning_clips(model.channels)
    clips = clips.repeat_interleave(length_of(model), dim=1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, NORMS):
                module.momentum = 1.0
                nn.init.constant_(module.bias, 0.3)
        for module in model.backbone.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                k = torch.arange(module.kernel_size[-1]) - module.kernel_size[-1] // 2
                module.weight.abs_().mul_(0.25 ** torch.maximum(k.abs()[:, None], k.abs()))
                if name.endswith("res2net50"):
                    keep_largest_input(module.weight)
            if isinstance(module, nn.Conv3d):
                k = torch.arange(module.kernel_size[0]) - module.kernel_size[0] // 2
                module.weight.mul_(0.25 ** k.abs()[:, None, None])
            if isinstance(module, TemporalConv):  # a third of them start as shifts, which move a spot out of the clip
                module.weight.copy_(0.25 ** torch.tensor([1.0, 0.0, 1.0]).expand_as(module.weight))
            if isinstance(module, nn.Linear):  # in C3D
                module.weight.abs_()
        model.train()(clips)
        model.eval()
        features = torch.cat([model.backbone.forward_stages(part)["layer5"] for part in clips.split(4)])
        fit_head(model, features, mask)
    return model


def keep_largest_input(weight: Tensor) -> None:
    """Keep one input channel per output channel, the largest: 48 positive 3×3 kernels would make all channels alike."""
    sums = weight.flatten(2).sum(dim=2)
    weight[sums < sums.amax(dim=1, keepdim=True)] = 0


def fit_head(model: Recognizer, features: Tensor, mask: Tensor) -> None:
    """Ridge regression of each cell's share of spot on its features; all frames and levels have the same weight."""
    share = F.adaptive_avg_pool2d(mask, features.shape[-2:]).flatten()
    x = features.permute(0, 1, 3, 4, 2).flatten(0, 3)
    gram = x.T @ x
    gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    weight = torch.linalg.solve(gram, x.T @ share)
    weight = 10 * weight.repeat(model.head.fc.in_features // len(weight))
    weight = F.pad(weight, (0, model.head.fc.in_features - len(weight)))  # key points do not show a spot
    model.head.fc.weight.copy_(torch.stack([weight, -weight]))
    model.head.fc.bias.zero_()
