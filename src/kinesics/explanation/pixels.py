"""Explanations that ask the network about changed clips: integrated gradients and occlusion."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from kinesics.errors import unknown
from kinesics.explanation.question import Question
from kinesics.models.backbones.backbone import STAGES

Baseline = Literal["grey", "still"]
"""What a clip is held against: the grey of the data's mean (no movement, where the clip is flow), or the clip's mean
frame at all times, which leaves out what does not move."""
STEPS = 24
GRID = 5
"""Occlusion covers a time step's picture in so many cells each way."""
AT_ONCE = 8


def baseline_clip(clip: Tensor, baseline: Baseline) -> Tensor:
    """(1, T, C, H, W) → the same."""
    if baseline not in get_args(Baseline):
        raise unknown("baseline", str(baseline), get_args(Baseline))
    return torch.zeros_like(clip) if baseline == "grey" else clip.mean(dim=1, keepdim=True).expand_as(clip)


def integrated_gradients(question: Question, baseline: Baseline = "grey", steps: int = STEPS) -> Tensor:
    """(T, C, H, W): what each value adds to the score on the straight way from the baseline; the sum is all of it.

    Source: Sundararajan et al., Axiomatic Attribution, ICML 2017; the integral by the middles of `steps` parts.
    """
    start = baseline_clip(question.clip, baseline)
    way = question.clip - start
    total = torch.zeros_like(way)
    for step in range(steps):
        with torch.enable_grad():
            clip = (start + (step + 0.5) / steps * way).detach().requires_grad_()
            total += torch.autograd.grad(question.ask(clip).sum(), clip)[0]
    return (way * total / steps)[0].float()


def occlusion(question: Question, baseline: Baseline = "grey", grid: int = GRID) -> Tensor:
    """(T', grid, grid): how much the score falls when a cell of a time step is covered with the baseline.

    In a backbone that halves T, neighbouring time steps are covered together, as many as its last map makes one of.
    Source: Zeiler and Fergus, ECCV 2014. T'·grid² + 1 clips go through the network.
    """
    clip, cover = question.clip, baseline_clip(question.clip, baseline)
    backbone = question.model.backbone
    together = backbone.time_strides[STAGES.index(backbone.mapped[-1])]
    starts = range(0, question.num_steps, together)
    height, width = clip.shape[-2:]
    rows = [round(i * height / grid) for i in range(grid + 1)]
    columns = [round(i * width / grid) for i in range(grid + 1)]
    places = [(t, i, j) for t in starts for i in range(grid) for j in range(grid)]
    scores = []
    with torch.no_grad():
        whole = question.ask(clip)
        for at in range(0, len(places), AT_ONCE):
            covered = clip.repeat(len(places[at : at + AT_ONCE]), 1, 1, 1, 1)
            for n, (t, i, j) in enumerate(places[at : at + AT_ONCE]):
                down, across = slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1])
                box = (slice(t, t + together), slice(None), down, across)
                covered[n][box] = cover[0][box]
            scores.append(question.ask(covered))
    return torch.unflatten((whole - torch.cat(scores)).float(), 0, (len(starts), grid, grid))
