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
from kinesics.runs.model_file import load_model
from tests.tiny import make_set

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def blocks() -> list[str]:
    """The Python blocks of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def kinesics(folder: Path, *words: str) -> str:
    """Run one command in a folder, as a user does."""
    return python(folder, "from kinesics.cli import main; main()", *words)


def python(folder: Path, script: str, *words: str) -> str:
    """Run a script in a folder of its own; gives what it prints."""
    program = [sys.executable, "-c", script, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_commands_and_the_export_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "toy_system.py").write_text(blocks()[0], encoding="utf-8")
    commands = re.findall(r"^    kinesics (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [line.split()[0] for line in commands] == ["puppets", "train", "test", "predict"]
    printed = [kinesics(tmp_path, *line.split()) for line in commands]
    assert "macro_f1" in printed[2]
    assert "lower_hand_0000.mp4" in printed[3]
    difference = python(tmp_path, blocks()[2]).rpartition("largest difference:")[2]
    assert float(difference) < 1e-4


def test_a_toy_system_is_trained_by_the_lines_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "toy_system.py").write_text(blocks()[0], encoding="utf-8")
    make_set(tmp_path, train=3, val=1, test=2)
    small = 'recipe = recipe.with_changes({"model.weights": None, "input.num_segments": 2, "input.resize": 32, '
    small += '"input.size": 32, "optim.epochs": 1, "optim.batch_size": 4})\n'
    script = blocks()[1].replace(
        "run = kinesics.train", f"assert recipe.model.arguments['share'] == 0.1\n{small}run = kinesics.train"
    )
    assert small in script
    assert "toy_resnet18" in python(tmp_path, f"{script}\nprint(run.model_file)")
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()
    with pytest.raises(UserError, match=r"model\.json: unknown system 'toy'.* is known once its module is imported"):
        load_model(tmp_path / "run")


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
