"""Commands that take a recipe: train, cross-validate, splits. Imports of torch wait until they are needed."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes

from kinesics.cli.flags import Flag, flags_of, pairs
from kinesics.errors import UserError
from kinesics.files import check_writable
from kinesics.settings import Recipe

PRESET = Flag(Literal["few"] | None, None, "Changes to the recipe: few, for 5 to 50 clips a class.")
MODEL_ARGS = Flag(tuple[str, ...], (), "Arguments of the system and head: direction=past head=ordered.")
RECIPE = Flag(OmitArgPrefixes[Recipe], dataclasses.MISSING)


def train(words: list[str]) -> int:
    """`kinesics train RECIPE --data set.csv --out run …`."""
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.training.checks import RunExistsError
    from kinesics.training.train import train as function

    types = {"recipe": RECIPE, "data": Flag(Path | None, dataclasses.MISSING)}
    values = recipe_flags(function, types, words, "train")
    check_writable(values["out"])
    with BarListener() as listener:
        try:
            run = function(**values, listener=listener)
        except RunExistsError as error:
            raise UserError(f"{error}; kinesics train --resume --out {values['out']} goes on with it") from error
    say(f"the best model is in {run / 'best'}; next: kinesics test {run}")
    return 0


def cross_validate(words: list[str]) -> int:
    """`kinesics cross-validate RECIPE --data set.csv --out folder …`."""
    from kinesics.analysis.cross_validate import cross_validate as function
    from kinesics.cli.progress import BarListener
    from kinesics.cli.results import show_cross_validation

    values = recipe_flags(function, {"recipe": RECIPE}, words, "cross-validate")
    check_writable(values["out"])
    with BarListener() as listener:
        result = function(**values, listener=listener)
    show_cross_validation(result)
    return 0


def splits(words: list[str]) -> int:
    """`kinesics splits RECIPE --data split1.csv split2.csv … --out folder …`."""
    from kinesics.analysis.official_splits import official_splits as function
    from kinesics.cli.progress import BarListener
    from kinesics.cli.results import show_official_splits

    values = recipe_flags(function, {"recipe": RECIPE}, words, "splits")
    check_writable(values["out"])
    with BarListener() as listener:
        result = function(**values, listener=listener)
    show_official_splits(result)
    return 0


def recipe_flags(
    function: Callable[..., Any], types: Mapping[str, Any], words: list[str], command: str
) -> dict[str, Any]:
    """The arguments of a command that takes a recipe: its name comes first, its settings are the flags' defaults."""
    from kinesics.recipes import RECIPES, recipe

    title = (inspect.getdoc(function) or "").split("\n\n")[0]
    kind = flags_of(function, types=types, extra={"preset": PRESET, "model_args": MODEL_ARGS})
    if (not words or words[0].startswith("-")) and command == "train" and "--resume" in words:
        default, prog = kind(data=None, out=tyro.MISSING, recipe=recipe_to_resume(words)), "kinesics train --resume"
        rest = words
    else:
        if not words or words[0].startswith("-"):
            if not set(words) & {"-h", "--help"}:
                raise UserError(f"kinesics {command}: expected a recipe first: {', '.join(RECIPES)}")
            words = [next(iter(RECIPES)), "--help"]
        name, rest = words[0], words[1:]
        preset = value_of(rest, "--preset")
        made = recipe(name, preset=None if preset in (None, "None") else preset)
        default, prog = kind(data=tyro.MISSING, out=tyro.MISSING, recipe=made), f"kinesics {command} {name}"
        title = f"{title}\n\n{(RECIPES[name].__doc__ or '').strip()}"
    found = tyro.cli(kind, args=rest, prog=prog, default=default, description=title)
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(kind)}
    values["recipe"] = with_arguments(values["recipe"], values.pop("model_args"))
    del values["preset"]
    return values


def recipe_to_resume(words: list[str]) -> Recipe:
    """The recipe of the run in `--out`, with which `kinesics train --resume` goes on."""
    from kinesics.runs.run import Run

    out = value_of(words, "--out")
    if out is None:
        raise UserError("kinesics train --resume: expected --out with the folder of the run")
    return Run(Path(out)).recipe


def value_of(words: list[str], flag: str) -> str | None:
    """What follows `flag` among the words, as `--flag value` or `--flag=value`; None without the flag."""
    for position, word in enumerate(words):
        if word == flag and position + 1 < len(words):
            return words[position + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def with_arguments(recipe: Recipe, words: tuple[str, ...]) -> Recipe:
    """`recipe` with the system's arguments of the command line: ("direction=past", "fold_div=4")."""
    given: dict[str, Any] = {}
    for name, text in pairs(words, "--model-args").items():
        try:
            given[name] = json.loads(text)
        except json.JSONDecodeError:
            given[name] = text
    return recipe.with_changes(model={"arguments": given})
