"""The page on a user's own system is true: its file, commands and Python lines run from outside the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kinesics.cli import split_plugins
from kinesics.errors import UserError
from kinesics.plugins import load_plugins
from tests.tiny import make_set

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
SMALL = ["--backbone", "resnet18", "--weights", "None", "--num-segments", "2", "--resize", "32", "--size", "32"]
QUICK = ["--epochs", "1", "--batch-size", "4", "--device", "cpu"]


def blocks() -> list[str]:
    """The Python blocks of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def kinesics(folder: Path, *words: str) -> str:
    """Run one command in a folder, as a user does."""
    program = [sys.executable, "-c", "from kinesics.cli import main; main()", *words]
    done = subprocess.run(
        program, cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_toy_system_is_trained_and_tested_by_the_commands_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "toy_system.py").write_text(blocks()[0], encoding="utf-8")
    make_set(tmp_path, train=3, val=1, test=2)
    text = PAGE.read_text(encoding="utf-8")
    train, test = re.findall(r"^    kinesics ((?:train|test) .*)$", text, flags=re.MULTILINE)
    kinesics(tmp_path, *train.split(), *SMALL, *QUICK)
    assert "macro_f1" in kinesics(tmp_path, *test.split(), "--device", "cpu")


def test_a_toy_system_is_built_and_exported_by_the_lines_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "toy_system.py").write_text(blocks()[0], encoding="utf-8")
    listing, export = blocks()[1], blocks()[2].replace("224", "32")
    listing = "\n".join(line for line in listing.splitlines() if not line.startswith("run ="))
    script = f"{listing}\nassert recipe.model.arguments['share'] == 0.1\n{export}"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "toy_resnet18" in done.stdout
    assert (tmp_path / "toy.onnx").is_file()


def test_plugins_are_named_for_every_command() -> None:
    words = ["train", "tsm", "--plugin", "a.py", "--epochs", "3", "--plugin=b"]
    assert split_plugins(words) == (["train", "tsm", "--epochs", "3"], ["a.py", "b"])
    with pytest.raises(UserError, match="--plugin: expected the name"):
        split_plugins(["train", "--plugin"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nowhere.py", None, r"nowhere\.py: no such file"),
        ("broken.py", "import no_such_module_here", r"broken\.py: cannot be imported: ModuleNotFoundError"),
        ("wrong.py", "def (", r"wrong\.py: cannot be imported: SyntaxError"),
    ],
)
def test_a_plugin_that_fails_is_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        load_plugins([str(tmp_path / name)])
    assert Path(name).stem not in sys.modules
