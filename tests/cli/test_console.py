"""Names print as they are, any encoding will do, and nothing is cut where nobody watches."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinesics.cli.console import say, say_json, say_table, styled, warn
from kinesics.cli.progress import BarListener

NAMES = ("Title [dQw4].mp4", "nod [left]", "head[/nod]", "pip install 'kinesics[lite0]'", ":smile:", "[bold]", "a\\[b]")


@pytest.mark.parametrize("name", NAMES)
def test_square_brackets_are_no_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(name)
    say_table((name, "b"), [(name, styled(name, "bold"))])
    say_json({"name": name})
    warn(name)
    found = capsys.readouterr()
    plain = found.out.replace("\\\\", "\\")  # JSON doubles a backslash
    assert plain.count(name) == 5
    assert found.err.strip() == name


@pytest.mark.parametrize("name", NAMES)
def test_progress_takes_any_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with BarListener() as listener:
        listener.advance(name, 1, 2, name)
    assert name in capsys.readouterr().err


def test_a_table_in_a_pipe_is_as_wide_as_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    long = "recordings/" + "participant-" * 30 + "07.mp4"
    say_table(("video", "label"), [(long, "nod"), (long.replace("07", "08"), "shake")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [[long, "nod"], [long.replace("07", "08"), "shake"]]


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", "0.1 - 0.9 +- ? a.mp4"), ("latin-1", "0.1 - 0.9 ± ? a.mp4"), ("cp1252", "0.1 – 0.9 ± ? a.mp4")],
)
def test_what_an_encoding_lacks_is_replaced(encoding: str, expected: str) -> None:
    script = (
        "from kinesics.cli.console import *; set_encoding()\n"
        "text = '0.1 \u2013 0.9 \u00b1 \u624b a.mp4'\n"
        "say(text); warn(text); say_table(('a',), [(text,)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    out = done.stdout.decode(encoding).splitlines()
    assert [out[0], out[2].rstrip()] == [expected, expected]
    assert done.stderr.decode(encoding).strip() == expected


def test_json_has_null_where_there_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"value": float("nan"), "path": Path("a")})
    assert '"value": null' in capsys.readouterr().out


def test_a_terminal_folds_long_cells_and_keeps_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    say_table(("video", "label"), [("a" * 60 + "07.mp4", "nod")])
    text = stream.getvalue()
    assert "07.mp4" in text.replace("\n", "").replace(" ", "")
    assert "…" not in text
