"""Trains for real, on tiny clips: it learns, stops, resumes, shares out over processes and refuses what it should."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.progress import Listener, StopAsked, graceful_stop
from kinesics.runs.model_file import load_model
from kinesics.settings import InputConfig, ModelConfig, OptimConfig, Recipe
from kinesics.training.loop import Task
from kinesics.training.train import build, train
from tests.tiny import make_set, random_weights


def tiny_recipe(weights: str | None = None, **optim: Any) -> Recipe:
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 3, "learning_rate": 0.01, "batch_norm": "train"}
    return Recipe(
        name="tiny",
        model=ModelConfig(system="tsm", backbone="resnet18", weights=weights, dropout=0.3),
        input=InputConfig(num_segments=3, resize=32, size=32, crop="multi-scale", flip=False),
        optim=OptimConfig(**{**settings, **optim}),
    )


def run_tiny(recipe: Recipe, data: Path, out: Path, **arguments: Any) -> Path:
    return train(recipe, data, out, device="cpu", num_workers=0, **arguments)


class Breaks(Listener):
    """A power cut after a given batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.when = (epoch, batch)

    def batch(self, epoch: int, batch: int, num_batches: int, facts: Mapping[str, float]) -> None:
        if (epoch, batch) == self.when:
            raise ZeroDivisionError


class AsksToStop(Breaks):
    """Ctrl-C during a given batch."""

    def batch(self, epoch: int, batch: int, num_batches: int, facts: Mapping[str, float]) -> None:
        if (epoch, batch) == self.when:
            os.kill(os.getpid(), signal.SIGINT)


def final_weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "last" / "training.pt", weights_only=True)["model"]  # type: ignore[no-any-return]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_learns_what_only_order_tells(tiny_set: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=12, batch_size=4, learning_rate=0.003, optimizer="adamw", head_rate=1.0)
    run = run_tiny(
        dataclasses.replace(recipe, input=dataclasses.replace(recipe.input, crop="centre")), tiny_set, tmp_path
    )
    rows = list(csv.DictReader((run / "log.csv").open()))
    assert len(rows) == 12
    assert float(rows[-1]["train_loss"]) < 0.4 * float(rows[0]["train_loss"])
    record = json.loads((run / "run.json").read_text())
    assert record["videos"] == {"train": 8, "val": 4}
    assert record["versions"]["torch"] == torch.__version__
    model, contract = load_model(run)
    assert contract.classes == ("left", "right")
    assert model.name == "tsm_resnet18"


@pytest.mark.parametrize("when", [(0, 2), (1, 1)], ids=["first epoch", "second epoch"])
@pytest.mark.parametrize("kind", [Breaks, AsksToStop])
def test_resumes_bit_for_bit(tiny_set: Path, tmp_path: Path, when: tuple[int, int], kind: type[Breaks]) -> None:
    recipe = tiny_recipe(ema=0.9, warmup_epochs=0.5)
    whole = run_tiny(recipe, tiny_set, tmp_path / "whole")
    with pytest.raises((ZeroDivisionError, StopAsked)):
        run_tiny(recipe, tiny_set, tmp_path / "cut", listener=kind(*when), checkpoint_batches=1)
    resumed = run_tiny(recipe, tiny_set, tmp_path / "cut", resume=True)
    assert same(final_weights(whole), final_weights(resumed))
    assert same(load_file(whole / "best/model.safetensors"), load_file(resumed / "best/model.safetensors"))
    losses = [[r["train_loss"] for r in csv.DictReader((run / "log.csv").open())] for run in (whole, resumed)]
    assert losses[0] == losses[1]


def test_resumes_after_a_kill(tiny_set: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=3)
    (tmp_path / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe)))
    script = (
        "import sys; from pathlib import Path\n"
        "from kinesics.settings import *; from kinesics.training.train import train\n"
        "recipe = from_json(Recipe, Path(sys.argv[1]).read_text(), 'recipe')\n"
        "train(recipe, sys.argv[2], sys.argv[3], device='cpu', num_workers=1, checkpoint_batches=1)\n"
    )
    cut = tmp_path / "cut"
    command = [sys.executable, "-c", script, str(tmp_path / "recipe.json"), str(tiny_set), str(cut)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not (cut / "last/training.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run_tiny(recipe, tiny_set, cut, resume=True)
    whole = run_tiny(recipe, tiny_set, tmp_path / "whole")
    assert same(final_weights(whole), final_weights(cut))


@pytest.mark.parametrize("balance", ["none", "sampler", "weights"])
def test_accumulated_batches_equal_a_large_one(tiny_set: Path, tmp_path: Path, balance: str) -> None:
    """Two batches of 2 at the scaled rate take the step of one batch of 4 (no BatchNorm, dropout or clipping)."""
    plain: dict[str, Any] = {"epochs": 1, "batch_norm": "frozen", "balance": balance, "clip_norm": None}
    plain["weights"] = random_weights(tmp_path, "tsm_resnet18")
    large = tiny_recipe(batch_size=4, learning_rate=0.002, **plain)
    small = tiny_recipe(batch_size=2, accumulate=2, learning_rate=0.001, **plain)
    runs = []
    for name, recipe in (("large", large), ("small", small)):
        quiet = dataclasses.replace(
            recipe,
            model=dataclasses.replace(recipe.model, dropout=0.0),
        )
        runs.append(run_tiny(quiet, tiny_set, tmp_path / name))
    a, b = (final_weights(run) for run in runs)
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


def test_the_log_has_the_rate_of_the_steps(tiny_set: Path, tmp_path: Path) -> None:
    run = run_tiny(tiny_recipe(epochs=1, batch_size=2, accumulate=2, learning_rate=0.001), tiny_set, tmp_path)
    (row,) = csv.DictReader((run / "log.csv").open())
    assert float(row["learning_rate"]) == pytest.approx(0.002)


def test_the_third_signal_interrupts() -> None:
    with graceful_stop() as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_two_processes_share_an_uneven_split(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=3, val=1, test=1)  # 6 clips in batches of 2 × 2: the second one is half full
    script = (
        "import sys; from kinesics.training.train import train; from tests.training.test_loop import tiny_recipe\n"
        "train(tiny_recipe(batch_size=2), sys.argv[1], sys.argv[2], device='cpu', num_workers=0)\n"
    )
    (tmp_path / "go.py").write_text(script)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    done = subprocess.run(
        [*command, str(tmp_path / "go.py"), str(data), str(tmp_path / "run")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = list(csv.DictReader((tmp_path / "run/log.csv").open()))
    assert len(rows) == 2
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["devices"] == 2
    assert record["learning_rate_scaled"] == pytest.approx(0.02)
    load_model(tmp_path / "run")


def test_names_the_clips_whose_loss_is_not_finite(tiny_set: Path, tmp_path: Path) -> None:
    with pytest.raises(KinesicsError, match=r"not a finite number in epoch \d+ for clips/.*mp4"):
        run_tiny(tiny_recipe(learning_rate=1e30, clip_norm=None, epochs=4), tiny_set, tmp_path)


def test_a_broken_video_stops_the_training_and_is_named(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=2, val=0, test=0)
    (tmp_path / "clips/left_1.mp4").write_bytes(b"not a video")
    with pytest.raises(VideoError, match=r"left_1\.mp4"):
        run_tiny(tiny_recipe(), data, tmp_path / "run")


def test_patience_ends_a_training_that_gets_no_better(tiny_set: Path, tmp_path: Path) -> None:
    weights = random_weights(tmp_path, "tsm_resnet18")
    recipe = tiny_recipe(weights, epochs=9, patience=2, learning_rate=1e-12, batch_norm="frozen")
    run = run_tiny(recipe, tiny_set, tmp_path / "run")
    rows = list(csv.DictReader((run / "log.csv").open()))
    assert [row["best"] for row in rows] == ["True", "False", "False"]


def test_frozen_stages_and_norms_do_not_move(tiny_set: Path, tmp_path: Path) -> None:
    weights = random_weights(tmp_path, "tsm_resnet18")
    recipe = tiny_recipe(weights, epochs=1, batch_norm="frozen", frozen_stages=3)
    before = load_state_at_start(recipe)
    after = final_weights(run_tiny(recipe, tiny_set, tmp_path / "run"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "head.fc.weight" in moved
    assert any(name.startswith("backbone.layer4") for name in moved)
    assert not any(name.startswith(("backbone.conv1", "backbone.layer1", "backbone.layer2")) for name in moved)
    assert not any("bn" in name or "running" in name for name in moved)


def load_state_at_start(recipe: Recipe) -> dict[str, torch.Tensor]:
    return build(recipe, Task(("left", "right"), ()), Listener()).state_dict()


def test_refuses_a_folder_with_a_run_and_other_settings(tiny_set: Path, tmp_path: Path) -> None:
    run_tiny(tiny_recipe(epochs=1), tiny_set, tmp_path / "run")
    with pytest.raises(UserError, match="already holds a run"):
        run_tiny(tiny_recipe(epochs=1), tiny_set, tmp_path / "run")
    with pytest.raises(UserError, match=r"optim\.batch_size: 3 then, 4 now"):
        run_tiny(tiny_recipe(epochs=1, batch_size=4), tiny_set, tmp_path / "run", resume=True)
    with pytest.raises(UserError, match="other: no such folder; expected a run"):
        run_tiny(tiny_recipe(), tiny_set, tmp_path / "other", resume=True)


def test_refuses_a_split_without_videos_or_with_one_class(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=0, val=1, test=1)
    with pytest.raises(UserError, match=r"no usable rows with split 'train' \(found val: 2, test: 2\)"):
        run_tiny(tiny_recipe(), data, tmp_path / "run")
    text = data.read_text().replace("left_0.mp4,left,val", "left_0.mp4,left,train")
    data.write_text(text)
    with pytest.raises(UserError, match="has one class"):
        run_tiny(tiny_recipe(), data, tmp_path / "run")


def test_a_model_of_another_format_is_refused(tiny_set: Path, tmp_path: Path) -> None:
    run = run_tiny(tiny_recipe(epochs=1), tiny_set, tmp_path / "run")
    contract = run / "best/model.json"
    values = json.loads(contract.read_text())
    contract.write_text(json.dumps({**values, "format": 99, "version": "9.0"}))
    with pytest.raises(UserError, match=r"model\.json: format 99, written by 9\.0; kinesics .* reads formats up to 1"):
        load_model(run)
    contract.write_text(json.dumps(values))
    (run / "best/model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="does not hold the weights of tsm_resnet18"):
        load_model(run)
    with pytest.raises(UserError, match="no such folder; expected a run"):
        load_model(tmp_path / "nowhere")


def test_clips_that_are_gone_are_told_before_anything_is_computed(tmp_path: Path) -> None:
    data = make_set(tmp_path / "set")
    videos = sorted(data.parent.rglob("*.mp4"))
    for video in videos:
        video.unlink()
    with pytest.raises(VideoError, match=r"of \d+ clips are gone: .*\.mp4, .* and \d+ more"):
        run_tiny(tiny_recipe(), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
