"""What the commands print: the one place that knows rich, the terminal and its encoding.

Text is never read as markup, so a name with square brackets prints as it is. What the terminal's encoding lacks is
replaced. Output to a file or a pipe is never cut to a width.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kinesics.files import to_json

PLAIN = {"–": "-", "…": "...", "×": "x", "±": "+-", "●": "*", "←": "<-", "→": "->", "·": "-", "’": "'", "é": "e"}
"""What is printed where the encoding lacks a character; `?` for all others."""
WIDE = 10_000
"""Columns of output that nobody looks at in a terminal."""


def replacement(error: UnicodeError) -> tuple[str, int]:
    """The text that takes the place of characters that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in missing), error.end


codecs.register_error("kinesics", replacement)


def console(stream: TextIO, *, stderr: bool) -> Console:
    """A console on stdout or stderr, as wide as the terminal, or without a width elsewhere."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else WIDE)


def set_encoding() -> None:
    """Replace what the encoding of stdout and stderr lacks, rather than fail after all work is done."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="kinesics")


def say(*lines: str) -> None:
    """Print lines to stdout as they are."""
    for line in lines:
        console(sys.stdout, stderr=False).print(Text(line), soft_wrap=True)


def warn(*lines: str) -> None:
    """Print lines to stderr as they are."""
    for line in lines:
        console(sys.stderr, stderr=True).print(Text(line), soft_wrap=True)


def say_json(value: Any) -> None:
    """Print a value as one JSON document."""
    say(to_json(value).rstrip("\n"))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table without borders. A cell that is too long for the terminal goes on in the next line."""
    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console(sys.stdout, stderr=False).print(table)


def styled(text: str, style: str) -> Text:
    """A cell in a colour or in bold."""
    return Text(text, style=style)
