"""From a model and videos to Scores: every view of the plan, averaged, one row per video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinesics.data.dataset import TestClips
from kinesics.data.loader import Batches, test_batches, worker_deaths_named
from kinesics.data.problems import check_files_exist
from kinesics.inference.runtimes.torch import TorchScorer
from kinesics.models.recognizer import Recognizer
from kinesics.progress import Listener
from kinesics.values import Scores, VideoItem, one_hot
from kinesics.video.view_plan import ViewPlan

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Scorer(Protocol):
    """Gives clips (N, T, C, H, W) uint8 their logits (N, K) float32, one per class; normalisation is part of it."""

    def __call__(self, clips: Tensor) -> Tensor:
        """(N, T, C, H, W) uint8 → (N, K) float32."""


def view_logits(scorer: Scorer, clips: Tensor, plan: ViewPlan, *, multi_label: bool = False) -> Tensor:
    """clips (N, V, T, C, H, W) uint8 → (N, K) float32: the views averaged as the plan says.

    `average="probs"` averages probabilities and gives their logarithm (log odds where `multi_label`).
    """
    num_videos, num_views = clips.shape[:2]
    logits = torch.unflatten(scorer(clips.flatten(0, 1)), 0, (num_videos, num_views))
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
    listener: Listener | None = None,
    batches: Batches | None = None,
) -> Scores:
    """The Scores of `items` under `plan`, in their order, from a model in evaluation mode.

    With several devices each scores its share and all get the whole. batches: what `batches_of` gave for these items
    and this plan; its workers are used again.

    Raises:
        VideoError: a video cannot be decoded; none is left out in silence.
    """
    logits = apply(
        model,
        lambda clips: view_logits(TorchScorer(model), clips, plan, multi_label=multi_label),
        items,
        plan,
        batch_size=batch_size,
        num_workers=num_workers,
        fabric=fabric,
        listener=listener,
        batches=batches,
    )
    return Scores(
        ids=tuple(item.id for item in items),
        logits=logits.reshape(len(items), len(classes)),
        targets=np.array([one_hot(item.labels, len(classes)) for item in items]).reshape(len(items), len(classes)),
        classes=tuple(classes),
        multi_label=multi_label,
        record={"plan": plan.to_dict(), **(record or {})},
        digests=tuple(item.digest for item in items) if all(item.digest for item in items) else (),
    )


def apply(
    model: Recognizer,
    function: Callable[[Tensor], Tensor],
    items: Sequence[VideoItem],
    plan: ViewPlan,
    *,
    batch_size: int = 16,
    num_workers: int | None = None,
    fabric: Fabric | None = None,
    listener: Listener | None = None,
    batches: Batches | None = None,
) -> npt.NDArray[np.float32]:
    """`function` of the views (N, V, T, C, H, W) uint8 of every video, row by row in the order of `items`.

    `model`, which the function uses, is in evaluation mode meanwhile. With several devices each takes its share and
    all get the whole. batches: see `score`.

    Raises:
        VideoError: a video cannot be decoded; none is left out in silence.
    """
    check_files_exist(items)
    fabric = fabric or one_device()
    was_training = model.training
    model.eval().to(fabric.device)
    if batches is None:
        batches = batches_of(items, model.num_classes, plan, batch_size, num_workers, fabric)
    rows: dict[str, npt.NDArray[np.float32]] = {}
    with worker_deaths_named(), torch.inference_mode(), fabric.autocast():
        for batch in batches.on(fabric.device):
            rows.update(zip(batch.ids, function(batch.views(plan)).float().cpu().numpy(), strict=True))
            if listener:
                listener.advance("scoring", min(len(rows) * fabric.world_size, len(items)), len(items))
    model.train(was_training)
    if fabric.world_size > 1:
        shares: list[dict[str, npt.NDArray[np.float32]]] = [{} for _ in range(fabric.world_size)]
        torch.distributed.all_gather_object(shares, rows)
        rows = {video: row for share in shares for video, row in share.items()}
    return np.array([rows[item.id] for item in items], dtype=np.float32)


def batches_of(
    items: Sequence[VideoItem],
    num_classes: int,
    plan: ViewPlan,
    batch_size: int,
    num_workers: int | None,
    fabric: Fabric,
) -> Batches:
    """The batches of this process's share of `items`; batch_size counts views."""
    mine = range(fabric.global_rank, len(items), fabric.world_size)
    return test_batches(TestClips(items, num_classes, plan), mine, max(1, batch_size // plan.num_views), num_workers)


def one_device() -> Fabric:
    """Fabric on one device, the best that there is."""
    from lightning_fabric import Fabric  # slow to import, and prediction comes by this file without it

    return Fabric(devices=1)
