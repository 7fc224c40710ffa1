"""From a model and videos to Scores: every view of the plan, averaged, one row a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from kinesics.data.dataset import TestClips
from kinesics.data.loader import default_workers, stack, test_loader
from kinesics.engine.watch import Watch
from kinesics.models.recognizer import Recognizer
from kinesics.types import Scores, VideoItem, one_hot
from kinesics.video.views import ViewPlan


def view_logits(model: Recognizer, clips: Tensor, plan: ViewPlan, *, multi_label: bool = False) -> Tensor:
    """clips (N, V, T, C, H, W) uint8 → (N, K) float32: the views averaged as the plan says.

    `average="probs"` averages probabilities and gives their logarithm (log odds where `multi_label`).
    """
    num_videos, num_views = clips.shape[:2]
    logits = torch.unflatten(model(model.input_norm(clips.flatten(0, 1))).float(), 0, (num_videos, num_views))
    if plan.average == "logits" or num_views == 1:
        return logits.mean(dim=1)
    if multi_label:
        return torch.logit(logits.sigmoid().mean(dim=1), eps=1e-7)
    return torch.logsumexp(logits.log_softmax(dim=2), dim=1) - float(np.log(num_views))


def score(
    model: Recognizer,
    items: Sequence[VideoItem],
    classes: Sequence[str],
    plan: ViewPlan,
    *,
    multi_label: bool = False,
    batch_size: int = 16,
    num_workers: int | None = None,
    fabric: Fabric | None = None,
    record: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> Scores:
    """The Scores of `items` under `plan`, in their order, from a model in evaluation mode.

    With several devices each scores its share and all get the whole.

    Raises:
        VideoError: a video cannot be decoded; none is left out in silence.
    """
    fabric = fabric or Fabric(devices=1)
    watch = watch or Watch()
    was_training = model.training
    model.eval().to(fabric.device)
    mine = range(fabric.global_rank, len(items), fabric.world_size)
    clips = TestClips(items, len(classes), plan)
    loader = test_loader(
        clips,
        mine,
        max(1, batch_size // plan.num_views),
        default_workers() if num_workers is None else num_workers,
    )
    logits: dict[str, list[float]] = {}
    with torch.inference_mode(), fabric.autocast():
        for samples in loader:
            batch = stack(samples)
            answer = view_logits(model, batch.clips.to(fabric.device), plan, multi_label=multi_label)
            logits.update(zip(batch.ids, answer.float().cpu().tolist(), strict=True))
            watch.scored(len(logits) * fabric.world_size, len(items))
    model.train(was_training)
    if fabric.world_size > 1:
        shares: list[dict[str, list[float]]] = [{} for _ in range(fabric.world_size)]
        torch.distributed.all_gather_object(shares, logits)
        logits = {video: row for share in shares for video, row in share.items()}
    return Scores(
        ids=tuple(item.id for item in items),
        logits=np.array([logits[item.id] for item in items], dtype=np.float32).reshape(len(items), len(classes)),
        targets=np.array([one_hot(item.labels, len(classes)) for item in items]).reshape(len(items), len(classes)),
        classes=tuple(classes),
        multi_label=multi_label,
        record={"plan": plan.to_dict(), **(record or {})},
    )
