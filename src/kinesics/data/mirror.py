"""Which class each class becomes when its clip is mirrored: "turn left" ↔ "turn right"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from kinesics.errors import UserError, unknown

_OPPOSITES = {
    "left": ("right",),
    "right": ("left",),
    "clockwise": ("counterclockwise", "anticlockwise"),
    "counterclockwise": ("clockwise",),
    "anticlockwise": ("clockwise",),
}
"""Words that mirroring exchanges. Up and down, towards and away stay."""


def _pattern() -> re.Pattern[str]:
    """Match the words of _OPPOSITES as words or as parts of camelCase, not inside other words (bright, leftover)."""
    lower, title, upper = ("|".join(map(case, _OPPOSITES)) for case in (str.lower, str.capitalize, str.upper))
    return re.compile(
        rf"(?<![A-Za-z])(?:{lower}|{title})(?![a-z])|(?<=[a-z])(?:{title})(?![a-z])|(?<![A-Z])(?:{upper})(?![A-Za-z])"
    )


_WORD = _pattern()


def flip_map(classes: Sequence[str], pairs: Iterable[tuple[str, str]] | None = None) -> tuple[int, ...]:
    """(K,) the index of the class that each class becomes when its clip is mirrored; most stay the same.

    By default two classes change places where their names differ only in the words left and right (or clockwise and
    counterclockwise), as separate words or as parts of snake_case, hyphenated or camelCase names:
    "Pushing something from left to right" ↔ "Pushing something from right to left", "turn_left" ↔ "turn_right".
    `pairs` replace this rule for the classes that they name; (a, a) means that a stays a.

    flip_map(["nod", "turnLeft", "turnRight"]) → (0, 2, 1)

    Raises:
        UserError: a pair names an unknown class, or a class is in two pairs.
    """
    index = {name: i for i, name in enumerate(classes)}
    mapped: dict[int, int] = {}
    for first, second in pairs or ():
        for name in {first: None, second: None}:  # once where a class is its own mirror
            if name not in index:
                raise unknown("class in a mirror pair", name, classes)
            if index[name] in mapped:
                raise UserError(f"class '{name}' is in two mirror pairs; expected one")
        a, b = index[first], index[second]
        mapped |= {a: b, b: a}
    for i, name in enumerate(classes):
        for mirrored in _mirrored(name):
            j = index.get(mirrored, i)
            if j != i and i not in mapped and j not in mapped:
                mapped |= {i: j, j: i}
    return tuple(mapped.get(i, i) for i in range(len(classes)))


def unpaired(classes: Sequence[str], pairs: Iterable[tuple[str, str]] | None = None) -> tuple[str, ...]:
    """The classes that name a side, have no counterpart, and are in none of `pairs`.

    Mirrored clips of these keep their label, which may be wrong ("turn left" in a data set without "turn right").
    """
    pairs = list(pairs or ())
    named = {name for pair in pairs for name in pair}
    mapped = flip_map(classes, pairs)
    return tuple(name for i, name in enumerate(classes) if mapped[i] == i and name not in named and _WORD.search(name))


def _mirrored(name: str) -> Iterator[str]:
    """The possible names of the counterpart of a class: every word for a side is exchanged, its case is kept."""
    for choice in range(2):

        def swapped(word: re.Match[str], choice: int = choice) -> str:
            opposites = _OPPOSITES[word[0].lower()]
            opposite = opposites[min(choice, len(opposites) - 1)]
            return (
                opposite.upper() if word[0].isupper() else opposite.capitalize() if word[0][0].isupper() else opposite
            )

        yield _WORD.sub(swapped, name)
