"""What the package offers: a change of it is seen here, and the commands and the functions are the same things."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import docstring_parser
import pytest
import tyro

import kinesics
from kinesics.cli import commands
from kinesics.cli.commands import COMMANDS

SURFACE = {
    "Listener",
    "Prediction",
    "PuppetSettings",
    "Run",
    "Scores",
    "System",
    "TestResult",
    "__version__",
    "annotate",
    "calibrate",
    "compare",
    "cost",
    "create_model",
    "cross_validate",
    "demo",
    "doctor",
    "explain",
    "extract_flow",
    "fuse",
    "list_models",
    "load",
    "make_puppets",
    "official_splits",
    "predict",
    "prepare",
    "probe",
    "recipe",
    "register_backbone",
    "register_head",
    "register_system",
    "report",
    "test",
    "train",
}
FUNCTIONS: Mapping[str, str] = {
    **{name: name for name in COMMANDS},
    "cross-validate": "cross_validate",
    "flow": "extract_flow",
    "splits": "official_splits",
    "puppets": "PuppetSettings",
    "models": "list_models",
}
"""The function of the package that a command calls."""
MORE = {
    "compare": {"clips"},
    "cost": {"table"},
    "puppets": {"out"},
    "train": {"preset", "model_args"},
    "cross-validate": {"preset", "model_args"},
    "splits": {"preset", "model_args"},
}
"""Flags that are no parameters, beside json."""
LESS = {"prepare": {"check"}}
"""Parameters that are no flags."""


def test_the_surface() -> None:
    assert set(kinesics.__all__) == SURFACE
    assert set(dir(kinesics)) == SURFACE
    for name in SURFACE - {"__version__"}:
        assert inspect.getdoc(getattr(kinesics, name)), name


def flags_of(command: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the flags of a command, as tyro gets them."""
    kinds: list[Any] = []

    def cli(kind: Any, **arguments: Any) -> None:
        kinds.append(kind)
        raise SystemExit

    monkeypatch.setattr(tyro, "cli", cli)
    with pytest.raises(SystemExit):
        COMMANDS[command].run(["tsm"] if command in ("train", "cross-validate", "splits") else [])
    return {field.name for field in dataclasses.fields(kinds[0])}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "models"])
def test_the_flags_are_the_parameters(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function: Callable[..., Any] = getattr(kinesics, FUNCTIONS[command])
    parameters = set(inspect.signature(function).parameters) - {"listener"} - LESS.get(command, set())
    assert flags_of(command, monkeypatch) - MORE.get(command, set()) - {"json"} == parameters


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "models"])
def test_each_parameter_is_described_once(command: str) -> None:
    function: Callable[..., Any] = getattr(kinesics, FUNCTIONS[command])
    described = [p.arg_name for p in docstring_parser.parse(inspect.getdoc(function) or "").params]
    hidden = LESS.get(command, set())
    expected = [name for name in inspect.signature(function).parameters if name not in hidden]
    assert [name for name in described if name not in hidden] == expected


def test_the_titles_are_those_of_the_functions() -> None:
    for command in set(COMMANDS) - {"models", "train", "cost"}:
        title = (inspect.getdoc(getattr(kinesics, FUNCTIONS[command])) or "").splitlines()[0]
        assert commands.COMMANDS[command].title == title, command


def test_a_model_is_loaded_without_the_compiler(tiny_runs: tuple[Path, Path]) -> None:
    """Importing it takes as long as all the rest of a prediction."""
    script = f"import kinesics, sys; kinesics.load({str(tiny_runs[0])!r}); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("statement", ["import kinesics; kinesics.load", "import kinesics.prediction"])
def test_prediction_imports_no_part_that_it_does_not_need(statement: str) -> None:
    heavy = ("matplotlib", "scipy", "sklearn", "jinja2", "tensorboard", "lightning_fabric", "torchmetrics", "pandas")
    script = f"{statement}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
