"""Flags made from the signatures of the Python interface, so that each is written once.

A command is a function of `kinesics.*`. Its parameters become flags of the same names, with the same types and
defaults; the text of a flag is the parameter's line below `Args:` in the function's docstring.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import docstring_parser
import tyro
from tyro.conf import Positional

from kinesics.errors import UserError

Split = Literal["train", "val", "test"]
Device = Literal["auto", "cpu", "cuda", "mps"]
HIDDEN = frozenset({"listener"})
"""Parameters without a flag: the command line sets them itself."""
TYPES: Mapping[str, Any] = {"device": Device, "views": str}
"""Parameters whose flag has another type than the parameter, wherever they appear."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """One flag of a command whose type or default is not that of a parameter."""

    type: Any
    default: Any
    help: str = ""


JSON = Flag(bool, False, "Print JSON.")


def parse(
    function: Callable[..., Any],
    words: Sequence[str],
    *,
    command: str,
    positional: Collection[str] = (),
    hidden: Collection[str] = (),
    types: Mapping[str, Any] | None = None,
    extra: Mapping[str, Flag] | None = None,
) -> dict[str, Any]:
    """The arguments that `words` give for a function, by name; tyro prints the help and the errors of words.

    positional: parameters without a flag's name. hidden: parameters without a flag. types: parameters whose flag has
    another type, or, as a `Flag`, another default too. extra: flags besides the parameters.
    """
    kind = flags_of(function, positional=positional, hidden=hidden, types=types or {}, extra=extra or {})
    title = (inspect.getdoc(function) or "").split("\n\n")[0]
    values = tyro.cli(kind, args=list(words), prog=f"kinesics {command}", description=title)
    return {field.name: getattr(values, field.name) for field in dataclasses.fields(kind)}


def flags_of(
    function: Callable[..., Any],
    *,
    positional: Collection[str] = (),
    hidden: Collection[str] = (),
    types: Mapping[str, Any],
    extra: Mapping[str, Flag],
) -> type[Any]:
    """A dataclass with one field for each flag of a command."""
    hints = typing.get_type_hints(function)
    texts = {p.arg_name: p.description or "" for p in docstring_parser.parse(function.__doc__ or "").params}
    fields: list[tuple[str, Any, Any]] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in HIDDEN or name in hidden:
            continue
        default = parameter.default
        kind = types.get(name, TYPES.get(name, plain(hints[name])))
        if isinstance(kind, Flag):
            kind, default = kind.type, kind.default
        elif default is None and name in TYPES:
            kind = kind | None
        kind = Annotated[kind, tyro.conf.arg(help=" ".join(texts.get(name, "").split()))]
        if name in positional:
            kind = Positional[kind]  # type: ignore[misc, valid-type]
        fields.append((name, kind, _field(default)))
    fields += [
        (name, Annotated[flag.type, tyro.conf.arg(help=flag.help)], _field(flag.default))
        for name, flag in extra.items()
    ]
    needed = [field for field in fields if field[2].default is dataclasses.MISSING]
    return dataclasses.make_dataclass(
        f"{function.__name__.title()}Flags", needed + [field for field in fields if field not in needed], frozen=True
    )


def _field(default: Any) -> Any:
    missing = default is inspect.Parameter.empty or default is dataclasses.MISSING
    return dataclasses.field() if missing else dataclasses.field(default=default)


def plain(hint: Any) -> Any:
    """The type that a flag is read as: `Path` for `Path | str`, a tuple for an iterable, the rest as it is.

    plain(Path | str | None) → Path | None; plain(Sequence[Path | str]) → tuple[Path, ...]
    """
    if get_origin(hint) in (typing.Union, types.UnionType):
        members = [plain(member) for member in get_args(hint)]
        if Path in members:
            members = [member for member in members if member is not str]
        kinds = list(dict.fromkeys(members))
        made = kinds[0]
        for kind in kinds[1:]:
            made = made | kind
        return made
    origin = get_origin(hint)
    if origin is os.PathLike:
        return Path
    if isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Mapping | tuple):
        member: Any = plain(get_args(hint)[0])
        return tuple[member, ...]
    return hint


def pairs(words: Sequence[str], flag: str) -> dict[str, str]:
    """The names and values of words `name=value`. Raises UserError for a word without `=`.

    >>> pairs(["depth=50", "path=a=b"], "--set")
    {'depth': '50', 'path': 'a=b'}
    """
    for word in words:
        if "=" not in word:
            raise UserError(f"{flag}: expected name=value, found '{word}'")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
