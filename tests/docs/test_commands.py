"""Every command in README and docs is one that the command line takes: its flags and their values are read for real."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kinesics import _HOMES, cli
from kinesics.cli import split_plugins
from kinesics.cli.commands import COMMANDS
from tests.test_surface import FUNCTIONS

for module in pkgutil.iter_modules(
    cli.__path__
):  # a module that is imported first by a test keeps what the test patches
    importlib.import_module(f"kinesics.cli.{module.name}")
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WITHOUT_ARGUMENTS = {"models", "doctor", "demo"}
"""Commands that need none; tests/cli and tests/test_demonstration.py run them."""


def lines_of(page: Path) -> Iterator[tuple[str, str]]:
    """Each command line of a page, with its place: in an indented or fenced block, or between backticks elsewhere."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        place = f"{page.name}:{number}"
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        if (fenced or line.startswith("    ")) and (found := re.match(r"\s*(?:\$ )?(kinesics [a-z].*)", line)):
            yield place, found[1]
        elif not fenced and not line.startswith("    "):
            for text in re.findall(r"`(kinesics [a-z][^`]*)`", line):
                yield place, text


def words_of(text: str) -> list[str]:
    """The words of a command line, without comments and what stands for more words."""
    words = shlex.split(text.split("  #")[0].split(" | ")[0], comments=False)
    if "#" in words:
        words = words[: words.index("#")]
    return [word for word in words[1:] if word not in ("…", "...")]


FOUND = [(place, text) for page in PAGES for place, text in lines_of(page)]
WHOLE = [(place, text) for place, text in FOUND if len(words_of(text)) > 1 and not text.rstrip().endswith("\\")]


class ReachedError(Exception):
    """The function of the command was called."""


def test_the_pages_have_commands() -> None:
    assert len(WHOLE) > 40
    assert {words_of(text)[0] for _, text in WHOLE} >= set(COMMANDS) - WITHOUT_ARGUMENTS


@pytest.mark.parametrize(("place", "text"), WHOLE, ids=[f"{place} {text}"[:80] for place, text in WHOLE])
def test_a_line_is_taken(
    place: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_runs: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words, _ = split_plugins(words_of(text))
    command, rest = words[0], words[1:]
    assert command in COMMANDS, place
    monkeypatch.chdir(tmp_path)
    name = FUNCTIONS[command]
    home = importlib.import_module(_HOMES[name])
    function = getattr(home, name)

    def reached(*arguments: Any, **values: Any) -> None:
        inspect.signature(function).bind(*arguments, **values)
        raise ReachedError

    reached.__doc__ = function.__doc__
    reached.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    reached.__annotations__ = inspect.get_annotations(function, eval_str=True)
    if inspect.isfunction(function):
        monkeypatch.setattr(home, name, reached)
    if command == "predict":
        monkeypatch.setattr("kinesics.cli.predicting.predict", reached)
    if command == "puppets":
        monkeypatch.setattr("kinesics.data.puppets.make_puppets", reached_puppets)
    if "--resume" in rest and "--out" in rest:
        rest[rest.index("--out") + 1] = str(tiny_runs[0])
    if command == "cost" and "--table" in rest:
        return
    try:
        with pytest.raises(ReachedError):
            COMMANDS[command].run(rest)
    except SystemExit:
        pytest.fail(f"{place}: {text}\n{capsys.readouterr()}")


def reached_puppets(*arguments: Any, **values: Any) -> None:
    """In the place of `make_puppets`."""
    raise ReachedError
