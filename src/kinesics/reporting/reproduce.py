"""The commands that reproduce a run, made from its recipe and its records."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import Any

from kinesics.recipes import PRESETS, RECIPES
from kinesics.settings import Recipe


def train_command(recipe: Recipe, manifest: str, out: str, *, folds: str | None = None, flow: str | None = None) -> str:
    """The `kinesics train` command with these settings: the nearest recipe, and a flag for each setting that differs.

    folds: the views of a cross-validation; the command is then `kinesics cross-validate`. flow: the folder of flow;
    for a recipe of flow, None gives `--flow FLOW`.
    """
    base, preset = nearest_recipe(recipe)
    command = "train" if folds is None else "cross-validate"
    words = ["kinesics", command, base, "--data", manifest, "--out", out, *(["--views", folds] if folds else [])]
    if preset is not None:
        words += ["--preset", preset]
    if recipe.input.modality == "flow":
        words += ["--flow", flow or "FLOW"]
    return shlex.join([*words, *changed_flags(recipe, base_recipe(base, preset))])


def test_command(run: str, record: Mapping[str, Any]) -> str:
    """The `kinesics test` command that scored a run."""
    words = ["kinesics", "test", run, "--split", str(record.get("split", "test"))]
    return shlex.join([*words, "--views", str(record.get("views", "one"))])


test_command.__test__ = False  # type: ignore[attr-defined]


def nearest_recipe(recipe: Recipe) -> tuple[str, str | None]:
    """The recipe and preset that need the fewest flags, such as ("tsm", "few"); of the same system if possible."""
    candidates = {(base, preset): base_recipe(base, preset) for base in RECIPES for preset in (None, *PRESETS)}
    # No flag can remove an argument of the system.
    choices = [
        choice for choice, base in candidates.items() if base.model.arguments.keys() <= recipe.model.arguments.keys()
    ]
    return min(
        choices,
        key=lambda choice: (
            candidates[choice].model.system != recipe.model.system,
            len(changed_flags(recipe, candidates[choice])),
        ),
    )


def base_recipe(base: str, preset: str | None) -> Recipe:
    """The recipe of `kinesics train` before its flags are applied."""
    recipe = RECIPES[base]()
    return recipe if preset is None else PRESETS[preset](recipe)


def changed_flags(recipe: Recipe, base: Recipe) -> list[str]:
    """The words of the command line that turn `base` into `recipe`."""
    words = []
    parts = [(recipe, base), *((getattr(recipe, part), getattr(base, part)) for part in ("model", "input", "optim"))]
    for settings, base_settings in parts:
        for field in dataclasses.fields(settings):
            value, base_value = getattr(settings, field.name), getattr(base_settings, field.name)
            if value != base_value and not dataclasses.is_dataclass(value) and field.name != "arguments":
                words += flag_words(field.name, value)
    base_arguments = base.model.arguments
    changed = {
        name: value
        for name, value in recipe.model.arguments.items()
        if name not in base_arguments or base_arguments[name] != value
    }
    return (
        [*words, "--model-args", *(f"{name}={argument_text(value)}" for name, value in changed.items())]
        if changed
        else words
    )


def flag_words(name: str, value: Any) -> list[str]:
    """One setting as words of a command line: flip=False → --no-flip; milestones=(0.4, 0.8) → --milestones 0.4 0.8."""
    long_flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [long_flag if value else f"--no-{long_flag[2:]}"]
    if isinstance(value, tuple):
        return [long_flag, *map(str, value)]
    return [long_flag, str(value)]


def argument_text(value: Any) -> str:
    """An argument of a system as `--model-args` reads it: JSON, or the text itself."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return json.dumps(value)
