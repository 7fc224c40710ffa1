"""Commands that take a recipe: train, cross-validate. Imports of torch wait until they are needed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes

from kinesics.cli.flags import Device, pairs
from kinesics.errors import UserError
from kinesics.files import check_writable
from kinesics.settings import Recipe


@dataclasses.dataclass(frozen=True)
class TrainFlags:
    """Train on the split `train` of a manifest; choose the best epoch by `val`."""

    data: Path | None
    """The manifest that `kinesics prepare` wrote."""
    out: Path
    """Folder of the run."""
    recipe: OmitArgPrefixes[Recipe]
    flow: Path | None = None
    """Folder of `kinesics flow`, for recipes that take flow."""
    preset: Literal["few"] | None = None
    """Changes to the recipe: few, for 5 to 50 clips a class."""
    model_args: tuple[str, ...] = ()
    """Arguments of the system and head: direction=past head=ordered."""
    split: Literal["train", "all"] = "train"
    """What to learn from: the split `train`, or `all` clips for a final model, without validation."""
    resume: bool = False
    """Go on with the run in --out where it stopped; no recipe and no other flags are needed. --epochs may be more."""
    device: Device = "auto"
    """Where to compute."""
    num_workers: int | None = None
    """Decoding processes; as many as cores by default."""
    checkpoint_batches: int = 0
    """Save the state every so many batches too, not only after each epoch."""


@dataclasses.dataclass(frozen=True)
class CrossFlags:
    """Train and test every fold of a manifest."""

    data: Path
    """The manifest, with folds."""
    out: Path
    """Folder of the folds' runs and of the pooled results."""
    recipe: OmitArgPrefixes[Recipe]
    flow: Path | None = None
    """Folder of `kinesics flow`, for recipes that take flow."""
    preset: Literal["few"] | None = None
    """Changes to the recipe: few, for 5 to 50 clips a class."""
    model_args: tuple[str, ...] = ()
    """Arguments of the system and head: direction=past head=ordered."""
    views: str = "one"
    """View plan of the test: one, two-clip, ten-by-three, 25x10, 25x1."""
    hierarchy: str | None = None
    """CSV or JSON file with the parent of each class, or ma52; names such as head/nod need none."""
    final: bool = False
    """Then train on all clips into OUT/final, calibrated by the folds' scores: the model to use."""
    device: Device = "auto"
    """Where to compute."""
    num_workers: int | None = None
    """Decoding processes; as many as cores by default."""


def train(words: list[str]) -> int:
    """`kinesics train RECIPE --data set.csv --out run …`."""
    flags = recipe_flags(TrainFlags, words, "train")
    from kinesics.cli.console import say
    from kinesics.cli.progress import BarListener
    from kinesics.training.checks import RunExistsError
    from kinesics.training.train import train as run_train

    check_writable(flags.out)
    with BarListener() as watch:
        try:
            run = run_train(
                with_arguments(flags.recipe, flags.model_args),
                flags.data,
                flags.out,
                flow=flags.flow,
                split=flags.split,
                resume=flags.resume,
                watch=watch,
                device=flags.device,
                num_workers=flags.num_workers,
                checkpoint_batches=flags.checkpoint_batches,
            )
        except RunExistsError as error:
            raise UserError(f"{error}; kinesics train --resume --out {flags.out} goes on with it") from error
    say(f"the best model is in {run / 'best'}; next: kinesics test {run}")
    return 0


def cross_validate(words: list[str]) -> int:
    """`kinesics cross-validate RECIPE --data set.csv --out folder …`."""
    flags = recipe_flags(CrossFlags, words, "cross-validate")
    from kinesics.analysis.cross_validate import cross_validate as run_cross_validate
    from kinesics.cli.progress import BarListener
    from kinesics.cli.results import show_cross_validation

    check_writable(flags.out)
    with BarListener() as watch:
        result = run_cross_validate(
            with_arguments(flags.recipe, flags.model_args),
            flags.data,
            flags.out,
            flow=flags.flow,
            views=flags.views,
            hierarchy=flags.hierarchy,
            final=flags.final,
            device=flags.device,
            num_workers=flags.num_workers,
            watch=watch,
        )
    show_cross_validation(result)
    return 0


def recipe_flags(kind: type[Any], words: list[str], command: str) -> Any:
    """The flags of a command that takes a recipe: its name comes first, and its settings are the flags' defaults."""
    from kinesics.recipes import RECIPES, recipe

    if (not words or words[0].startswith("-")) and command == "train" and "--resume" in words:
        return resume_flags(kind, words)
    if not words or words[0].startswith("-"):
        if set(words) & {"-h", "--help"}:
            words = [next(iter(RECIPES)), "--help"]
        else:
            raise UserError(f"kinesics {command}: expected a recipe first: {', '.join(RECIPES)}")
    name, rest = words[0], words[1:]
    preset, weights = value_of(rest, "--preset"), value_of(rest, "--weights")
    start = {} if weights is None else {"model.weights": None if weights == "None" else weights}
    made = recipe(name, preset=None if preset in (None, "None") else preset, **start)
    return tyro.cli(
        kind,
        args=rest,
        prog=f"kinesics {command} {name}",
        default=kind(data=tyro.MISSING, out=tyro.MISSING, recipe=made),
        description=f"{kind.__doc__}\n\n{(RECIPES[name].__doc__ or '').strip()}",
    )


def resume_flags(kind: type[Any], words: list[str]) -> Any:
    """The flags of `kinesics train --resume --out RUN`: recipe, manifest and flow are those of the run."""
    from kinesics.runs.run import Run

    out = value_of(words, "--out")
    if out is None:
        raise UserError("kinesics train --resume: expected --out with the folder of the run")
    made = Run(Path(out)).recipe
    start = kind(data=None, out=tyro.MISSING, recipe=made)
    return tyro.cli(kind, args=words, prog="kinesics train --resume", default=start, description=kind.__doc__)


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
