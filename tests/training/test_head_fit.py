"""The head that starts from a fit: it answers as the fit does, and knows what the features know."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from kinesics.data.manifest import read_manifest
from kinesics.errors import UserError
from kinesics.inference.scorer import score
from kinesics.models.heads.head import Head
from kinesics.progress import Listener
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.training.head_fit import start_head
from kinesics.training.loop import Task
from kinesics.training.train import build
from kinesics.video.view_plan import view_plan


def started(data: Path, head: str) -> tuple[float, float]:
    """Accuracy on the training clips and on the others of a TSN whose head was fitted and nothing else trained."""
    manifest = read_manifest(data)
    recipe = Recipe(
        model=ModelConfig("tsn", "resnet18", weights=None, arguments={"head": head}),
        input=InputConfig(num_segments=6, resize=32, size=32),
        optim=OptimConfig(batch_size=4, head_start="probe"),
    )
    task = Task(manifest.classes, manifest.items("train"))
    model = build(recipe, task, Listener())
    start_head(model, task, recipe, fabric=Fabric(accelerator="cpu"), num_workers=0)
    assert model.training
    found = []
    for split in ("train", "test"):
        scores = score(model, manifest.items(split), manifest.classes, view_plan("one", recipe.input), num_workers=0)
        found.append(float((scores.logits.argmax(1) == scores.targets.argmax(1)).mean()))
    return found[0], found[1]


def test_a_head_knows_what_the_features_know_before_anything_is_trained(tiny_set: Path) -> None:
    assert started(tiny_set, "ordered") == (1.0, 1.0)
    assert started(tiny_set, "average")[0] == 1.0


def test_a_head_that_is_more_than_one_layer_is_refused(tiny_set: Path) -> None:
    manifest = read_manifest(tiny_set)
    recipe = Recipe(model=ModelConfig("tsn", "resnet18", weights=None))
    task = Task(manifest.classes, manifest.items("train"))
    model = build(recipe, task, Listener())
    model.head = Head()
    with pytest.raises(UserError, match="more than one linear layer"):
        start_head(model, task, recipe, fabric=Fabric(accelerator="cpu"), num_workers=0)


def test_the_summary_is_what_the_layer_sees() -> None:
    from kinesics.models.registry import HEADS

    features = {"layer5": torch.randn(2, 8, 7, 3, 3)}
    for name in ("average", "ordered", "pyramid"):
        head = HEADS[name]({"layer5": 7}, 4, 0.5).eval()
        torch.nn.init.normal_(head.fc.weight)
        torch.testing.assert_close(head.fc(head.summary(features)), head(features))
