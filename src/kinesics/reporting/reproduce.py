"""The commands that make a run again, from what it wrote down about itself."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import Any

from kinesics.recipes import PRESETS, RECIPES
from kinesics.settings import Recipe


def train_command(recipe: Recipe, manifest: str, out: str, *, folds: str | None = None, flow: str | None = None) -> str:
    """The `kinesics train` that has just these settings: the nearest recipe, and a flag for each that differs.

    folds: the views of a cross-validation, for `kinesics cross-validate` instead.

    flow: the folder of flow; a recipe of flow that does not say which gets `--flow FLOW`.
    """
    base, preset = nearest(recipe)
    command = "train" if folds is None else "cross-validate"
    words = ["kinesics", command, base, "--data", manifest, "--out", out, *(["--views", folds] if folds else [])]
    if preset is not None:
        words += ["--preset", preset]
    if recipe.input.modality == "flow":
        words += ["--flow", flow or "FLOW"]
    return shlex.join([*words, *flags(recipe, start(base, preset))])


def test_command(run: str, record: Mapping[str, Any]) -> str:
    """The `kinesics test` that scored a run."""
    words = ["kinesics", "test", run, "--split", str(record.get("split", "test"))]
    return shlex.join([*words, "--views", str(record.get("views", "one"))])


test_command.__test__ = False  # type: ignore[attr-defined]


def nearest(recipe: Recipe) -> tuple[str, str | None]:
    """The recipe and the preset that need the fewest flags, of the same system if one serves: ("tsm", "few")."""
    made = {(base, preset): start(base, preset) for base in RECIPES for preset in (None, *PRESETS)}
    # No flag takes away an argument of the system.
    bases = [choice for choice, base in made.items() if base.model.arguments.keys() <= recipe.model.arguments.keys()]
    return min(
        bases, key=lambda choice: (made[choice].model.system != recipe.model.system, len(flags(recipe, made[choice])))
    )


def start(base: str, preset: str | None) -> Recipe:
    """The recipe that `kinesics train` starts from, before its flags."""
    recipe = RECIPES[base]()
    return recipe if preset is None else PRESETS[preset](recipe)


def flags(recipe: Recipe, base: Recipe) -> list[str]:
    """The words of the command line that turn `base` into `recipe`."""
    words = []
    parts = [(recipe, base), *((getattr(recipe, part), getattr(base, part)) for part in ("model", "input", "optim"))]
    for settings, before in parts:
        for field in dataclasses.fields(settings):
            value, old = getattr(settings, field.name), getattr(before, field.name)
            if value != old and not dataclasses.is_dataclass(value) and field.name != "arguments":
                words += flag(field.name, value)
    given = base.model.arguments
    changed = {
        name: value for name, value in recipe.model.arguments.items() if name not in given or given[name] != value
    }
    return (
        [*words, "--model-args", *(f"{name}={argument(value)}" for name, value in changed.items())]
        if changed
        else words
    )


def flag(name: str, value: Any) -> list[str]:
    """One setting as words: flip=False → --no-flip; milestones=(0.4, 0.8) → --milestones 0.4 0.8."""
    title = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [title if value else f"--no-{title[2:]}"]
    if isinstance(value, tuple):
        return [title, *map(str, value)]
    return [title, str(value)]


def argument(value: Any) -> str:
    """An argument of a system as `--model-args` reads it: JSON, or the text itself."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return json.dumps(value)
