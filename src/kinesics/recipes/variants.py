"""Recipes for the further rows of a paper's tables: another recipe, and what is changed in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kinesics.settings import Recipe

Made = Callable[[], Recipe]


@dataclass(frozen=True)
class Row:
    """One row of a table: what it is and what it found, the system's arguments, and other settings by dotted name."""

    description: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)


def variants(base: Made, rows: Mapping[str, Row]) -> dict[str, Made]:
    """The recipe function of each row, by its name; its description is the docstring."""
    return {name: variant(base, name, row) for name, row in rows.items()}


def variant(base: Made, name: str, row: Row) -> Made:
    """The function of one row's recipe."""

    def made() -> Recipe:
        return base().with_changes({"name": name, "model": {"arguments": row.arguments}, **row.changes})

    made.__name__ = name
    made.__doc__ = row.description
    return made
