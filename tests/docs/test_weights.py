"""The table of weights in docs/systems.md has every public file, with its address and the digits it is checked by."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinesics.models.weights.sources import AUTHORS, PUBLIC

LINES = (Path(__file__).parents[2] / "docs/systems.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("source", "model"), [(source, model) for source, table in PUBLIC.items() for model in table])
def test_a_public_file_is_in_the_table(source: str, model: str) -> None:
    public = PUBLIC[source][model]
    place = public.name if public.package else public.url
    names = (f"`{model}`", f"`*_{model}`")
    (line,) = (line for line in LINES if line.startswith(f"| `{source}` |") and any(name in line for name in names))
    assert f"| {place} " in line
    assert f"| {public.sha256[:16]}" in line


@pytest.mark.parametrize("backbone", AUTHORS)
def test_a_file_of_authors_is_in_the_table(backbone: str) -> None:
    line = next(line for line in LINES if line.startswith("| a file |") and f"_{backbone}`" in line)
    assert AUTHORS[backbone].partition(" ")[0] in line
