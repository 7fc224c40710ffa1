"""The preset for few clips: 5 to 50 a class."""

from __future__ import annotations

from dataclasses import replace

from kinesics.models.registry import list_models
from kinesics.settings import Recipe

LITE = "efficientnet_lite0"
"""The backbone for few clips; systems that have no place in it keep their recipe's."""
ORDERED = {"tsn": {"head": "ordered"}, "tsm": {"head": "ordered"}}
"""Systems whose own head averages over the frames get one that sees their order."""


def few(recipe: Recipe) -> Recipe:
    """`recipe` for 5 to 50 clips a class: it starts from the linear probe and learns what that leaves open.

    The head sees the frames in order, where it may, and starts as the best linear answer to the pretrained features.
    The lower half of the backbone stays as it is, the rest learns slowly, BatchNorm is frozen, classes come equally
    often, and what the clips are varied by (crop, mirror, colour) keeps the order of the frames.
    """
    jitter = 0.3 if recipe.input.modality == "rgb" else 0.0
    return replace(
        recipe,
        name=f"{recipe.name}-few",
        model=replace(
            recipe.model,
            backbone=LITE if list_models(f"{recipe.model.system}_{LITE}") else recipe.model.backbone,
            arguments={**recipe.model.arguments, **ORDERED.get(recipe.model.system, {})},
        ),
        input=replace(recipe.input, resize=216, size=192, crop="resized", color_jitter=jitter),
        optim=replace(
            recipe.optim,
            optimizer="adamw",
            nesterov=False,
            learning_rate=1e-4,
            weight_decay=0.05,
            epochs=6,
            batch_size=8,
            schedule="cosine",
            warmup_epochs=1,
            batch_norm="frozen",
            head_rate=1.0,
            first_conv_rate=1.0,
            bias_rate=1.0,
            head_start="probe",
            backbone_rate=0.3,
            frozen_stages=4,
            label_smoothing=0.1,
            balance="sampler",
        ),
    )
