"""Values checked against the types of their fields: `epochs: Annotated[int, Range(1)]` refuses 0, NaN, True and "5"."""

from __future__ import annotations

import dataclasses
import math
import numbers
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from kinesics.errors import UserError

MOST_CHARACTERS = 80
"""Of a wrong value in a message."""


@dataclass(frozen=True)
class Range:
    """The numbers that a field takes, from `least` to `most`. open_least, open_most: the end itself is left out."""

    least: float = -math.inf
    most: float = math.inf
    open_least: bool = False
    open_most: bool = False

    def __contains__(self, number: float) -> bool:
        return (number > self.least if self.open_least else number >= self.least) and (
            number < self.most if self.open_most else number <= self.most
        )

    def __str__(self) -> str:
        if math.isinf(self.most):
            if math.isinf(self.least):
                return ""
            return f" above {self.least}" if self.open_least else f" from {self.least} up"
        upper = f"below {self.most}" if self.open_most else f"up to {self.most}"
        if self.open_least:
            return f" above {self.least} and {upper}"
        return f" from {self.least} to {upper.removeprefix('up to ')}"


@dataclass(frozen=True)
class Form:
    """Values with a form of their own, such as "340x256".

    plain: gives a value in its plain form; raises ValueError for what has another form. words: the values in words.
    """

    plain: Callable[[Any], Any]
    words: str


Count = Annotated[int, Range(1)]
"""A whole number from 1 up."""
Positive = Annotated[float, Range(0, open_least=True)]
"""A number above 0."""
NotNegative = Annotated[float, Range(0)]
"""A number from 0 up."""
Share = Annotated[float, Range(0, 1)]
"""A number from 0 to 1."""
ShareBelowOne = Annotated[float, Range(0, 1, open_most=True)]
"""A number from 0 to below 1."""


class _MismatchError(ValueError):
    """A value that its type does not allow."""


def check_fields(value: Any, prefix: str = "") -> None:
    """Check every field of a frozen dataclass against its type, and keep it in its plain form (a list as a tuple).

    To be called by `__post_init__`. prefix: what the messages call the object, such as "optim.".

    Raises:
        UserError: the first field that does not fit, as "optim.epochs is 0; expected a whole number from 1 up".
    """
    hints = field_types(type(value))
    for field in dataclasses.fields(value):
        fitted = checked(getattr(value, field.name), hints[field.name], prefix + field.name)
        object.__setattr__(value, field.name, fitted)


def field_types(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, with their ranges."""
    return get_type_hints(kind, include_extras=True)


def checked(value: Any, hint: Any, name: str) -> Any:
    """`value` in the plain form of the type `hint`: int for numpy's integers, a tuple for a list.

    Raises:
        UserError: it is of another type, out of range, not finite or none of the choices.
    """
    try:
        return _fitted(value, hint)
    except _MismatchError:
        raise UserError(f"{name} is {shortened(value)}; expected {described(hint)}") from None


def shortened(value: Any) -> str:
    """`value` as code, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def described(hint: Any) -> str:
    """The values of a type, in words: "a whole number from 1 up"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if forms := [note.words for note in arguments[1:] if isinstance(note, Form)]:
            return forms[0]
        limits = next((str(note) for note in arguments[1:] if isinstance(note, Range)), "")
        return described(arguments[0]) + limits
    if origin is Literal:
        return (", ".join(map(str, arguments[:-1])) + " or " if len(arguments) > 1 else "") + str(arguments[-1])
    if origin in (Union, types.UnionType):
        return " or ".join(described(part) for part in arguments)
    if origin in (tuple, Sequence):
        return f"a list, each of it {described(arguments[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return "an object of JSON values"
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text",
        type(None): "none",
        Any: "a JSON value",
    }
    return names.get(hint, f"a {getattr(hint, '__name__', hint)}")


def _fitted(value: Any, hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        fitted = _fitted(value, arguments[0])
        if any(isinstance(note, Range) and fitted not in note for note in arguments[1:]):
            raise _MismatchError
        for note in arguments[1:]:
            if isinstance(note, Form):
                fitted = _formed(fitted, note)
        return fitted
    if origin is Literal:
        for choice in arguments:
            if type(value) is type(choice) and value == choice:
                return value
        raise _MismatchError
    if origin in (Union, types.UnionType):
        for part in arguments:
            try:
                return _fitted(value, part)
            except _MismatchError:
                continue
        raise _MismatchError
    if origin is Sequence:
        return _fitted_tuple(value, (arguments[0], ...))
    if origin is tuple:
        return _fitted_tuple(value, arguments)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _MismatchError
        return _fitted_json(value)
    return _fitted_plain(value, hint)


def _formed(value: Any, form: Form) -> Any:
    try:
        return form.plain(value)
    except ValueError:
        raise _MismatchError from None


def _fitted_tuple(value: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _MismatchError
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise _MismatchError
    return tuple(_fitted(part, kind) for part, kind in zip(value, kinds, strict=True))


def _fitted_plain(value: Any, hint: Any) -> Any:
    if hint in (int, float):
        return _fitted_number(value, hint)
    if hint is Any:
        return _fitted_json(value)
    if not isinstance(value, hint) or (hint is str and "\0" in value):
        raise _MismatchError
    return value


def _fitted_number(value: Any, kind: type) -> int | float:
    expected = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, bool) or not isinstance(value, expected):
        raise _MismatchError
    try:
        number: int | float = kind(value)
        if not math.isfinite(number):
            raise _MismatchError
    except (OverflowError, ValueError):
        raise _MismatchError from None
    return number


def _fitted_json(value: Any) -> Any:
    """`value` if JSON can hold it; tuples become lists, so that a value equals itself once it is read back."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Real):
        return _fitted_number(value, int if isinstance(value, numbers.Integral) else float)
    if isinstance(value, list | tuple):
        return [_fitted_json(part) for part in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _fitted_json(part) for key, part in value.items()}
    raise _MismatchError
