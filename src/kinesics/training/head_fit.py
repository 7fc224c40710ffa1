"""A head that starts from the best linear answer to the untrained backbone's features, not from nothing."""

from __future__ import annotations

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from kinesics.errors import UserError
from kinesics.inference.scorer import apply
from kinesics.models.heads.head import LinearHead
from kinesics.models.recognizer import Recognizer
from kinesics.progress import Listener
from kinesics.settings import Recipe
from kinesics.training.linear import fit_linear
from kinesics.training.loop import Task
from kinesics.values import one_hot
from kinesics.video.view_plan import view_plan


def start_head(
    model: Recognizer,
    task: Task,
    recipe: Recipe,
    *,
    fabric: Fabric,
    listener: Listener | None = None,
    num_workers: int | None = None,
) -> None:
    """Fit the head's linear layer to the training clips, each seen as in a test, before anything else is trained.

    With few clips, a head that starts at random first spoils the backbone's features and then learns clips by heart;
    one that starts here has the linear probe's accuracy from the first step on.

    Raises:
        UserError: the head is not one linear layer.
        VideoError: a video cannot be decoded.
    """
    head, listener = model.head, listener or Listener()
    if not isinstance(head, LinearHead):
        raise UserError(f"{type(head).__name__} is more than one linear layer; train it with --optim.head-start random")

    def summary(views: Tensor) -> Tensor:
        clips = model.input_norm(views[:, 0])
        return head.summary(model.backbone.forward_stages(clips, head.needs))

    listener.say(f"head: fitted to the {len(task.train)} training clips first")
    features = apply(
        model,
        summary,
        task.train,
        view_plan("one", recipe.input),
        batch_size=recipe.optim.batch_size,
        num_workers=num_workers,
        fabric=fabric,
        listener=listener,
    )
    targets = np.array([one_hot(item.labels, len(task.classes)) for item in task.train])
    groups = [item.group or item.id for item in task.train]
    fitted = fit_linear(features, targets, groups, multi_label=task.multi_label)
    with torch.no_grad():
        head.fc.weight.copy_(torch.from_numpy(fitted.weight))
        head.fc.bias.copy_(torch.from_numpy(fitted.bias))
