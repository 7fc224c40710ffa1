"""Two processes train together: as one with a larger batch, through a stop, and to an end that names its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import make_set, random_weights
from tests.training.test_loop import final_weights, run_tiny, same, tiny_recipe

pytestmark = pytest.mark.slow
SCRIPT = """
import dataclasses, os, signal, sys, time
import torch
from kinesics.progress import Listener
from kinesics.training import step
from kinesics.training.train import train
from tests.training.test_loop import tiny_recipe

class StopsTwice(Listener):
    def batch(self, epoch, batch, num_batches, facts):
        for seconds in (0.4, 0.0):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(seconds)

what, data, out, *changes = sys.argv[1:]
recipe = tiny_recipe(**eval(changes[0]))
recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, dropout=0.0))
if what == "bad" and os.environ["RANK"] == "1":
    losses = step.term_losses
    step.term_losses = lambda *a, **k: losses(*a, **k) * torch.tensor(float("nan"))
train(recipe, data, out, device="cpu", num_workers=0, resume=what == "resume",
      listener=StopsTwice() if what == "stop" else None)
"""


def run_two(what: str, data: Path, out: Path, timeout: float = 240, **optim: Any) -> subprocess.CompletedProcess[str]:
    """A training by two processes on the CPU: a whole one, one that is stopped, resumed, or that fails in one."""
    script = out.with_suffix(".py")
    script.write_text(SCRIPT)
    package = Path(__file__).parents[2]
    path = os.pathsep.join([str(package), str(package / "src")])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(script)]
    return subprocess.run(
        [*command, what, str(data), str(out), repr(optim)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def rows(run: Path) -> list[dict[str, float]]:
    return torch.load(run / "last/training.pt", weights_only=True)["progress"]["rows"]  # type: ignore[no-any-return]


def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    data = make_set(tmp_path)
    weights = random_weights(tmp_path, "tsm_resnet18")
    plain: dict[str, Any] = {"weights": weights, "batch_norm": "frozen", "clip_norm": None}
    done = run_two("whole", data, tmp_path / "two", batch_size=2, learning_rate=0.001, **plain)
    assert done.returncode == 0, done.stderr[-3000:]
    recipe = tiny_recipe(batch_size=4, learning_rate=0.002, **plain).with_changes({"model.dropout": 0.0})
    one = run_tiny(recipe, data, tmp_path / "one")
    for ours, theirs in zip(rows(tmp_path / "two"), rows(one), strict=True):
        for name in ("train_loss", "val_loss"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-6)


def test_two_signals_stop_both_and_they_resume_bit_for_bit(tmp_path: Path) -> None:
    data = make_set(tmp_path)
    settings: dict[str, Any] = {"batch_size": 1, "ema": 0.9}
    whole = run_two("whole", data, tmp_path / "whole", **settings)
    assert whole.returncode == 0, whole.stderr[-3000:]
    stopped = run_two("stop", data, tmp_path / "cut", **settings)
    assert stopped.returncode != 0
    assert "go on with --resume" in stopped.stderr
    resumed = run_two("resume", data, tmp_path / "cut", **settings)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert same(final_weights(tmp_path / "whole"), final_weights(tmp_path / "cut"))
    for ours, theirs in zip(rows(tmp_path / "cut"), rows(tmp_path / "whole"), strict=True):
        assert [ours[name] for name in ("train_loss", "val_loss")] == [
            theirs[name] for name in ("train_loss", "val_loss")
        ]


def test_a_loss_that_is_no_number_in_one_process_ends_both(tmp_path: Path) -> None:
    done = run_two("bad", make_set(tmp_path), tmp_path / "run", timeout=60, batch_size=2)
    assert done.returncode != 0
    assert done.stderr.count("KinesicsError: the loss is not a finite number in epoch 1 for clips/") >= 1
