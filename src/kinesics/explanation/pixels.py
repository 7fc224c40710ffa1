"""Methods that change the pixels and see how the score changes: integrated gradients and occlusion."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from kinesics.errors import unknown
from kinesics.explanation.class_score import ClassScore
from kinesics.models.backbones.backbone import STAGES

Baseline = Literal["grey", "still"]
"""The clip that a clip is compared with. grey: the mean colour of the data (no movement, for flow). still: the clip's
mean frame at all times, so that only what changes over time gets heat."""
STEPS = 24
GRID = 5
"""Occlusion divides a picture into this many rows and columns of cells."""
BATCH_SIZE = 8


def baseline_clip(clip: Tensor, baseline: Baseline) -> Tensor:
    """(1, T, C, H, W) → the same shape."""
    if baseline not in get_args(Baseline):
        raise unknown("baseline", str(baseline), get_args(Baseline))
    return torch.zeros_like(clip) if baseline == "grey" else clip.mean(dim=1, keepdim=True).expand_as(clip)


def integrated_gradients(class_score: ClassScore, baseline: Baseline = "grey", steps: int = STEPS) -> Tensor:
    """(T, C, H, W): what each value adds to the score on the straight line from the baseline to the clip.

    The sum is the difference of the two scores. The integral takes the midpoints of `steps` equal parts.
    Source: Sundararajan et al., Axiomatic Attribution, ICML 2017.
    """
    start = baseline_clip(class_score.clip, baseline)
    difference = class_score.clip - start
    total = torch.zeros_like(difference)
    for step in range(steps):
        with torch.enable_grad():
            clip = (start + (step + 0.5) / steps * difference).detach().requires_grad_()
            total += torch.autograd.grad(class_score.of_clips(clip).sum(), clip)[0]
    return (difference * total / steps)[0].float()


def occlusion(class_score: ClassScore, baseline: Baseline = "grey", grid: int = GRID) -> Tensor:
    """(T', grid, grid): how much the score falls when a cell of a time step is covered with the baseline.

    A backbone that reduces T covers several neighbouring time steps at once: those that its last map merges into one.
    T'·grid² + 1 clips go through the network. Source: Zeiler and Fergus, ECCV 2014.
    """
    clip, cover = class_score.clip, baseline_clip(class_score.clip, baseline)
    backbone = class_score.model.backbone
    time_stride = backbone.time_strides[STAGES.index(backbone.mapped[-1])]
    starts = range(0, class_score.num_steps, time_stride)
    height, width = clip.shape[-2:]
    rows = [round(i * height / grid) for i in range(grid + 1)]
    columns = [round(i * width / grid) for i in range(grid + 1)]
    cells = [(t, i, j) for t in starts for i in range(grid) for j in range(grid)]
    scores = []
    with torch.no_grad():
        clip_score = class_score.of_clips(clip)
        for first in range(0, len(cells), BATCH_SIZE):
            batch = cells[first : first + BATCH_SIZE]
            covered = clip.repeat(len(batch), 1, 1, 1, 1)
            for n, (t, i, j) in enumerate(batch):
                row_range, column_range = slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1])
                box = (slice(t, t + time_stride), slice(None), row_range, column_range)
                covered[n][box] = cover[0][box]
            scores.append(class_score.of_clips(covered))
    return torch.unflatten((clip_score - torch.cat(scores)).float(), 0, (len(starts), grid, grid))
