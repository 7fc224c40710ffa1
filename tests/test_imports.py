"""What is imported for a job: slow packages only where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kinesics.devices
from kinesics.devices import pick_device
from kinesics.errors import UserError

SLOW = ("lightning_fabric", "matplotlib", "sklearn", "scipy", "tensorboard", "torchmetrics", "jinja2", "torch._dynamo")


@pytest.mark.parametrize("name", ["load", "create_model", "recipe", "prepare"])
def test_slow_packages_are_imported_where_they_are_used(name: str) -> None:
    code = f"import sys, kinesics; kinesics.{name}; print(*[slow for slow in {SLOW!r} if slow in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_commands_are_listed_without_torch() -> None:
    code = "import sys, kinesics.cli.commands; print(*[name for name in ('torch', 'cv2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("device", "mps", "cuda", "expected"),
    [
        ("auto", False, False, "cpu"),
        ("auto", False, True, "cuda:0"),
        ("auto", True, False, "mps:0"),
        ("cpu", True, True, "cpu"),
        ("cuda", True, True, "cuda:0"),
    ],
)
def test_the_device_is_the_one_asked_for(
    monkeypatch: pytest.MonkeyPatch, device: str, mps: bool, cuda: bool, expected: str
) -> None:
    monkeypatch.setattr(kinesics.devices.torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(kinesics.devices.torch.backends.mps, "is_available", lambda: mps)
    assert str(pick_device(device)) == expected


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesics.devices.torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device cuda"):
        pick_device("cuda")
