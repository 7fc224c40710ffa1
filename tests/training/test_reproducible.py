"""What a training changes of its process, and gives back."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import kinesics
from kinesics.errors import KinesicsError
from kinesics.progress import Listener
from kinesics.training.reproducible import WORKSPACE, deterministic_algorithms
from tests.training.test_loop import tiny_recipe


def state() -> tuple[object, ...]:
    """What the caller's next random numbers are, and how many threads OpenCV has."""
    numpys = str(np.random.get_state())  # noqa: NPY002 - the old, global one is meant
    return torch.get_rng_state().tolist(), random.getstate(), numpys, cv2.getNumThreads()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_callers_state_comes_back(tiny_set: Path, tmp_path: Path, num_workers: int) -> None:
    torch.manual_seed(5)
    before = state()
    run = kinesics.train(tiny_recipe(epochs=1), tiny_set, tmp_path / "run", num_workers=num_workers)
    assert state() == before
    kinesics.test(run, num_workers=num_workers)
    assert state() == before


def test_an_import_changes_no_threads_and_a_fork_ends_them_for_itself() -> None:
    script = """
import cv2, os
cv2.setNumThreads(3)
import kinesics, kinesics.video.reader, kinesics.flow.methods, kinesics.inference.predictor
import numpy as np
cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (999, 999), interpolation=cv2.INTER_AREA)
assert cv2.getNumThreads() == 3, cv2.getNumThreads()
child = os.fork()
if child == 0:
    cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (999, 999), interpolation=cv2.INTER_AREA)
    os._exit(cv2.getNumThreads())
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
assert cv2.getNumThreads() == 3, cv2.getNumThreads()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_training_does_not_set_the_allocator(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("mallopt is asked for"))
    kinesics.train(tiny_recipe(epochs=1), tiny_set, tmp_path / "run", num_workers=0)


def test_deterministic_algorithms_are_for_the_training_alone(tiny_set: Path, tmp_path: Path) -> None:
    seen: list[bool] = []

    class Watching(Listener):
        def batch(self, *facts: object) -> None:
            seen.append(torch.are_deterministic_algorithms_enabled() and WORKSPACE in os.environ)

    recipe = tiny_recipe(epochs=1, deterministic=True)
    kinesics.train(recipe, tiny_set, tmp_path / "run", listener=Watching(), num_workers=0)
    assert seen
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
    assert WORKSPACE not in os.environ


def test_what_has_no_deterministic_algorithm_is_named() -> None:
    with pytest.raises(KinesicsError, match=r"optim\.deterministic.*kthvalue"), deterministic_algorithms(True):
        raise RuntimeError("kthvalue CUDA does not have a deterministic implementation")
    with pytest.raises(RuntimeError, match="another"), deterministic_algorithms(True):
        raise RuntimeError("another")
