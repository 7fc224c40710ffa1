"""The preset for few clips: 5 to 50 a class."""

from __future__ import annotations

from dataclasses import replace

from kinesics.config import Recipe


def few(recipe: Recipe) -> Recipe:
    """`recipe` for 5 to 50 clips a class: less to learn, longer, more variety that keeps the order."""
    return replace(
        recipe,
        name=f"{recipe.name}-few",
        model=replace(recipe.model, arguments={**recipe.model.arguments, "head": "ordered"}),
        input=replace(recipe.input, crop="resized", color_jitter=0.3),
        optim=replace(
            recipe.optim,
            optimizer="adamw",
            learning_rate=3e-4,
            weight_decay=0.05,
            epochs=30,
            batch_size=8,
            schedule="cosine",
            warmup_epochs=2,
            batch_norm="frozen",
            trunk_rate=0.1,
            label_smoothing=0.1,
            balance="sampler",
        ),
    )
