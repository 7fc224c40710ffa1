"""Settings check themselves, from Python, from JSON and by changes: every field, its type, its range, its choices."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest

from kinesics.checks import Range, field_types
from kinesics.errors import UserError
from kinesics.files import to_json
from kinesics.recipes import RECIPES, recipe
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe, from_json

NOT_A_NUMBER: tuple[Any, ...] = (float("nan"), float("inf"), -float("inf"), True, "1", None, [1], {}, 10**400, 1j)
"""Values that no field of numbers takes (None where it is not allowed)."""


def leaves(kind: type = Recipe, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted name and the type of every setting of a recipe."""
    for name, hint in field_types(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from leaves(hint, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            yield prefix + name, hint


def bare(hint: Any) -> tuple[Any, list[Any], bool]:
    """A type without its range and without None; its notes; whether None is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        first, last = get_args(hint)
        assert last is type(None)
        return (*bare(first)[:2], True)
    if get_origin(hint) is Annotated:
        return get_args(hint)[0], list(get_args(hint)[1:]), False
    return hint, [], False


SETTINGS = dict(leaves())
NUMBERS = [name for name, hint in SETTINGS.items() if bare(hint)[0] in (int, float)]
CHOICES = [name for name, hint in SETTINGS.items() if get_origin(hint) is Literal]


def nested(name: str, value: Any) -> Any:
    """optim.epochs, 3 → {"optim": {"epochs": 3}}."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def refused(name: str, value: Any) -> None:
    """Python's constructor, a change and JSON (where it can hold the value) refuse the value by the setting's name."""
    owner, _, field = name.rpartition(".")
    kind = {"model": ModelConfig, "input": InputConfig, "optim": OptimConfig, "": Recipe}[owner]
    with pytest.raises(UserError, match=f"^{name} is .*; expected "):
        kind(**{field: value})
    with pytest.raises(UserError, match=f"^{name} is .*; expected "):
        Recipe().with_changes({name: value})
    try:
        text = json.dumps(nested(name, value))
    except TypeError:
        return
    with pytest.raises(UserError, match=f"^my.json: {name} is .*; expected "):
        from_json(Recipe, text, "my.json")


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_refuses_what_is_none(name: str) -> None:
    kind, notes, none_allowed = bare(SETTINGS[name])
    for value in NOT_A_NUMBER:
        if not (value is None and none_allowed):
            refused(name, value)
    if kind is int:
        refused(name, 1.5)
    limits = [note for note in notes if isinstance(note, Range)]
    assert limits, f"{name} has no range"
    for limit in limits:
        for end, outside in ((limit.least, -1), (limit.most, 1)):
            if np.isfinite(end):
                refused(name, kind(end) + outside)
        if limit.open_least:
            refused(name, kind(limit.least))
        if limit.open_most:
            refused(name, kind(limit.most))


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_refuses_another_word(name: str) -> None:
    for value in ("fp64", "", None, 1, True, get_args(SETTINGS[name])):
        refused(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 3),
        ("model.system", None),
        ("model.weights", 4),
        ("model.weights", "a\0b"),
        ("model.arguments", ["fold_div"]),
        ("model.arguments", {"fold_div": float("nan")}),
        ("model.arguments", {"fold_div": object()}),
        ("input.flip", 1),
        ("input.flip", "yes"),
        ("input.warped", "yes"),
        ("input.warped", True),
        ("optim.nesterov", 1),
        ("optim.deterministic", 1),
        ("optim.sync_batch_norm", "no"),
        ("optim.milestones", 0.5),
        ("optim.milestones", "0.5"),
        ("optim.milestones", (0.5, 0.0)),
        ("optim.milestones", (0.5, 1.1)),
        ("optim.milestones", (0.5, float("nan"))),
        ("input.size", 257),
        ("input.size", "256x257"),
        ("input.size", "257x224"),
        ("input.size", "340x"),
        ("input.size", "224"),
        ("input.size", None),
        ("input.size", [256, 224]),
        ("input.size", float("nan")),
        ("input.resize", "0x256"),
        ("input.resize", "axb"),
        ("input.resize", "320-256"),
        ("input.resize", True),
        ("input.resize", 10**400),
    ],
)
def test_other_fields_refuse_what_does_not_fit(name: str, value: Any) -> None:
    refused(name, value)


def test_no_field_is_unchecked() -> None:
    rest = {name for name in SETTINGS if name not in (*NUMBERS, *CHOICES)}
    assert rest == {
        "input.resize",
        "input.size",
        "input.warped",
        "name",
        "model.system",
        "model.backbone",
        "model.weights",
        "model.arguments",
        "input.flip",
        "optim.milestones",
        "optim.nesterov",
        "optim.deterministic",
        "optim.sync_batch_norm",
    }


def test_parts_of_another_type_are_refused() -> None:
    with pytest.raises(UserError, match=r"^optim is .*; expected a OptimConfig"):
        Recipe(optim={"epochs": 3})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^a.json: optim is 3; expected an object of settings"):
        from_json(Recipe, '{"optim": 3}', "a.json")
    with pytest.raises(UserError, match=r"^a.json: unknown setting 'optim.epoch'; did you mean 'optim.epochs'\?"):
        from_json(Recipe, '{"optim": {"epoch": 3}}', "a.json")
    with pytest.raises(UserError, match=r"^a.json: not JSON"):
        from_json(Recipe, "[" * 100_000, "a.json")
    with pytest.raises(UserError, match=r"^a.json: expected a JSON object"):
        from_json(Recipe, "[]", "a.json")


def test_numbers_of_numpy_and_lists_become_plain_values() -> None:
    made = OptimConfig(epochs=np.int64(3), learning_rate=np.float32(0.5), milestones=[0.5])  # type: ignore[arg-type]
    assert type(made.epochs) is int
    assert type(made.learning_rate) is float
    assert made.milestones == (0.5,)


@pytest.mark.parametrize(
    ("resize", "limit"),
    [(223, "223 wide and 223 high"), ("300x223", "300 wide and 223 high"), ("223-320", "223 wide and 223 high")],
)
def test_a_crop_fits_into_all_frames(resize: int | str, limit: str) -> None:
    with pytest.raises(UserError, match=f"^input.size is 224; expected at most {limit} for input.resize {resize}$"):
        InputConfig(resize=resize)


def test_sizes_are_kept_as_they_are_written() -> None:
    made = Recipe().with_changes({"input.resize": "256-320", "input.size": "256x224"})
    assert (made.input.resize, made.input.size) == ("256-320", "256x224")
    assert from_json(Recipe, to_json(made), "a") == made
    plain = InputConfig(resize="256-256", size="224x224")
    assert (plain.resize, plain.size) == (256, 224)
    old = '{"name": "tsm", "input": {"num_segments": 3, "resize": 128, "size": 112}}'  # from before there were others
    assert from_json(Recipe, old, "a").input == InputConfig(num_segments=3, resize=128, size=112)
    assert '"resize": 128' in to_json(from_json(Recipe, old, "a"))


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_is_the_same_after_its_json(name: str) -> None:
    made = recipe(name)
    assert from_json(Recipe, to_json(made), "a") == made


def test_changes_are_merged() -> None:
    few = recipe("tsm", preset="few")
    changed = recipe("tsm", preset="few", seed=3, optim={"epochs": 5}, model={"arguments": {"fold_div": 2}})
    assert changed.model.arguments == {"head": "ordered", "fold_div": 2}
    assert changed.optim == dataclasses.replace(few.optim, epochs=5)
    assert changed.input == few.input
    dotted: Mapping[str, Any] = {"optim.epochs": 5, "model.arguments.fold_div": 2, "seed": 3}
    assert few.with_changes(dotted) == changed
    assert few.with_changes() == few


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optim.epoch": 3}, r"unknown setting 'optim.epoch'; did you mean 'optim.epochs'\?"),
        ({"optin": {"epochs": 3}}, r"unknown setting 'optin'; did you mean 'optim'\?"),
        ({"optim": 3}, "optim is 3; expected an object of settings"),
        ({"seed.x": 3}, "seed holds no settings; found x below it"),
        ({"optim.epochs": 0}, "optim.epochs is 0; expected a whole number from 1 up"),
    ],
)
def test_wrong_changes_are_named(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        Recipe().with_changes(changes)
