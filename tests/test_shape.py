"""The shape of the code: small files, small functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[1] / "src/kinesics").rglob("*.py"))
MOST_LINES, MOST_OF_A_FUNCTION = 300, 60


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(path.parents[3])) for path in SOURCES])
def test_files_and_functions_are_small(path: Path) -> None:
    """A docstring does not count to the lines of its function: it lists the parameters."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            lines = (node.end_lineno or 0) - node.lineno + 1 - (len(docstring.splitlines()) if docstring else 0)
            assert lines <= MOST_OF_A_FUNCTION, f"{node.name}: {lines} lines"
