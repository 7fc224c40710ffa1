"""A run folder: found again after a move, locked by its training, started again, and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinesics.analysis.calibrate import calibrate
from kinesics.analysis.evaluate import test as test_run
from kinesics.cli import main
from kinesics.errors import UserError
from kinesics.runs.lock import LOCK_NAME, locked
from kinesics.runs.run import Run
from kinesics.training.train import train
from tests.tiny import make_set, tiny_recipe

HOLD = """
import sys, time
from pathlib import Path
from kinesics.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest and a tested run."""
    folder = tmp_path_factory.mktemp("project") / "here"
    data = make_set(folder, train=2, val=2, test=2)
    run = train(tiny_recipe("tsn"), data, folder / "runs/a", device="cpu", num_workers=0)
    test_run(run, device="cpu", num_workers=0)
    return folder


def test_a_run_knows_what_is_in_its_folder(project: Path) -> None:
    run = Run(project / "runs/a")
    assert Run(project / "runs/a/best") == run
    assert os.fspath(run) == str(project / "runs/a")
    assert run.recipe == tiny_recipe("tsn")
    assert run.manifest == project / "set.csv"
    assert run.flow is None
    assert run.model_file == project / "runs/a/best/model.safetensors"
    assert [row["epoch"] for row in run.log] == ["1", "2"]
    assert len(run.scores().ids) == 4
    with pytest.raises(UserError, match="no scores of split val with views one"):
        run.scores("val")
    with pytest.raises(UserError, match="no such folder; expected a run"):
        Run(project / "runs/b")


def test_a_moved_project_finds_its_manifest(project: Path, tmp_path: Path) -> None:
    moved = tmp_path / "there"
    shutil.copytree(project, moved)
    shutil.move(project / "set.csv", project / "away.csv")
    try:
        assert Run(moved / "runs/a").manifest == moved / "set.csv"
        assert test_run(moved / "runs/a/best", device="cpu", num_workers=0).metrics.num_videos == 4
        assert calibrate(moved / "runs/a/best", device="cpu", num_workers=0) is not None
        shutil.move(moved / "runs/a", moved / "a")  # the run alone, one folder up
        assert Run(moved / "a").manifest == moved / "set.csv"
        (moved / "set.csv").unlink()
        with pytest.raises(UserError, match=r"set\.csv: the manifest of this run is gone"):
            _ = Run(moved / "a").manifest
    finally:
        shutil.move(project / "away.csv", project / "set.csv")


def test_a_second_training_in_a_folder_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=2, val=0, test=0)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(UserError, match=f"the training of process {holder.pid} writes to this folder"):
            train(tiny_recipe("tsn"), data, tmp_path / "run", device="cpu", num_workers=0)
        assert {path.name for path in (tmp_path / "run").iterdir()} == {LOCK_NAME}
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    train(tiny_recipe("tsn"), data, tmp_path / "run", device="cpu", num_workers=0)
    assert not (tmp_path / "run" / LOCK_NAME).exists()
    with locked(tmp_path / "run"), pytest.raises(UserError, match=f"process {os.getpid()} "), locked(tmp_path / "run"):
        time.sleep(0)


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=2, val=0, test=0)
    for resume in (False, True):
        run = tmp_path / f"run{resume}"
        train(tiny_recipe("tsn"), data, run, device="cpu", num_workers=0)
        shutil.rmtree(run / "last")
        shutil.rmtree(run / "best")
        (run / "log.csv").unlink()
        train(tiny_recipe("tsn"), data, run, device="cpu", num_workers=0, resume=resume)
        assert len(Run(run).log) == 2


def test_resuming_needs_nothing_retyped_and_may_ask_for_more_epochs(tmp_path: Path) -> None:
    data = make_set(tmp_path, train=2, val=0, test=0)
    out = tmp_path / "run"
    train(tiny_recipe("tsn"), data, out, device="cpu", num_workers=0)
    again = train(None, None, out, resume=True, device="cpu", num_workers=0)
    assert len(again.log) == 2
    with pytest.raises(SystemExit) as stop:
        main(["train", "--resume", "--out", str(out), "--epochs", "3", "--device", "cpu", "--num-workers", "0"])
    assert not stop.value.code
    run = Run(out)
    assert len(run.log) == 3
    assert run.recipe.optim.epochs == 3
    assert run.record["changes"] == [{"setting": "optim.epochs", "before": 2, "now": 3, "after_epoch": 2}]
    with pytest.raises(UserError, match=r"optim\.epochs is 1; expected 3"):
        train(run.recipe.with_changes({"optim.epochs": 1}), data, out, resume=True, device="cpu", num_workers=0)
    with pytest.raises(UserError, match="a new training needs a recipe and a manifest"):
        train(None, None, tmp_path / "new", device="cpu", num_workers=0)


def test_the_record_names_paths_as_seen_from_the_run(project: Path) -> None:
    record = json.loads((project / "runs/a/run.json").read_text())
    assert record["manifest"] == "../../set.csv"
    assert Path(record["manifest_absolute"]).is_absolute()
