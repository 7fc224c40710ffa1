"""What the flags of several commands share."""

from __future__ import annotations

from typing import Literal

from kinesics.errors import UserError

Split = Literal["train", "val", "test"]
Device = Literal["auto", "cpu", "cuda", "mps"]


def pairs(words: tuple[str, ...], flag: str) -> dict[str, str]:
    """("a=b",) → {"a": "b"}. Raises UserError for a word without `=`."""
    for word in words:
        if "=" not in word:
            raise UserError(f"{flag}: wanted name=value, found '{word}'")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
