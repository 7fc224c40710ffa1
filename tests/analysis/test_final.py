"""From folds to a model to use: the final model, models that answer together, and what is said of clips seen before."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinesics
from kinesics.analysis.calibrate import calibrate
from kinesics.analysis.cross_validate import cross_validate
from kinesics.analysis.evaluate import test as evaluate
from kinesics.analysis.fuse import fuse as fuse_runs
from kinesics.cli.commands import COMMANDS
from kinesics.data.manifest import read_manifest
from kinesics.errors import UserError
from kinesics.inference.predictor import Ensemble, Predictor
from kinesics.metrics.calibration import calibrate as fit
from kinesics.runs.model_file import ENSEMBLE_NAME, read_contract
from kinesics.runs.run import Run
from kinesics.training.train import train
from kinesics.values import Scores
from tests.listeners import Heard
from tests.tiny import make_set
from tests.training.test_loop import Breaks, tiny_recipe

CPU: dict[str, Any] = {"device": "cpu", "num_workers": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("folds"), folds=2)


@pytest.fixture(scope="module")
def validated(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validation without a final model."""
    out = tmp_path_factory.mktemp("validated") / "cv"
    cross_validate(tiny_recipe(epochs=1), data, out, **CPU)
    return out


@pytest.fixture
def folder(validated: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(validated, tmp_path / "cv"))


def clips(data: Path) -> list[Path]:
    return [item.path for item in read_manifest(data).items()]


def table(predictor: Any, video: Path, **options: Any) -> Mapping[str, float]:
    return dict(predictor.predict(video, top=None, **options))


@pytest.mark.parametrize("views", ["one", "two-clip"])
def test_the_folds_answer_together_by_the_mean_of_their_probabilities(data: Path, folder: Path, views: str) -> None:
    together = kinesics.load(folder, device="cpu")
    assert isinstance(together, Ensemble)
    singles = [kinesics.load(folder / f"fold-{fold}", device="cpu") for fold in (0, 1)]
    videos = clips(data)[:3]
    many = together.predict_many(videos, plan=views, top=None, batch_size=2, num_workers=1)
    for video, outcome in zip(videos, many, strict=True):
        expected = {
            name: np.mean([table(single, video, plan=views)[name] for single in singles]) for name in ("left", "right")
        }
        assert table(together, video, plan=views) == pytest.approx(expected, abs=1e-6)
        assert outcome.prediction is not None
        assert dict(outcome.prediction) == pytest.approx(expected, abs=1e-5)


def test_a_moved_folder_answers_and_a_broken_video_is_named(data: Path, folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    (tmp_path / "text.mp4").write_text("no video")
    outcomes = list(
        kinesics.load(moved, device="cpu").predict_many([tmp_path / "text.mp4", clips(data)[0]], num_workers=0)
    )
    assert [outcome.status for outcome in outcomes] == ["error", "ok"]
    assert "text.mp4" in outcomes[0].error


def test_the_final_model_learns_from_all_and_is_calibrated_by_the_folds(data: Path, folder: Path) -> None:
    recipe = tiny_recipe(epochs=2)
    recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, epochs=1))
    with pytest.raises(ZeroDivisionError):  # a power cut in the final training
        cross_validate(recipe, data, folder, final=True, listener=Breaks(0, 2), **CPU)
    heard = Heard()
    found = cross_validate(recipe, data, folder, final=True, listener=heard, **CPU)
    assert found.has_final
    final = Run(folder / "final")
    assert final.record["split"] == "all"
    assert len(final.train_clips) == len(clips(data)) == 16
    assert any("learns from all 16 clips" in line for line in heard.lines)
    fitted = fit(Scores.load(folder / "scores.npz"))
    contract = read_contract(folder / "final" / "best")
    assert (contract.temperature, contract.threshold) == (fitted.temperature, fitted.threshold)
    assert contract.calibration["scores"] == "the pooled scores of the folds"
    predictor = kinesics.load(folder, device="cpu")
    assert isinstance(predictor, Predictor)
    assert predictor.folder == folder / "final" / "best"
    weights = (folder / "final" / "best" / "model.safetensors").stat().st_mtime_ns
    chosen = calibrate(folder, false_alarms=0.5).calibration
    cross_validate(recipe, data, folder, final=True, **CPU)
    assert (folder / "final" / "best" / "model.safetensors").stat().st_mtime_ns == weights, "a finished one is kept"
    assert read_contract(folder / "final" / "best").calibration["false_alarms"] == chosen.false_alarms == 0.5


def test_a_final_model_counts_once_it_is_finished(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cv"
    with pytest.raises(ZeroDivisionError):
        cross_validate(tiny_recipe(epochs=2), data, folder, final=True, listener=BreaksInFinal(1, 1), **CPU)
    assert (folder / "final" / "best" / "model.safetensors").is_file(), "epoch 1 of 2 has left a model"
    assert isinstance(kinesics.load(folder, device="cpu"), Ensemble)
    assert calibrate(folder).contract_path == folder / "ensemble.json"
    assert isinstance(kinesics.load(folder, device="cpu"), Ensemble), "a calibration does not make it count"
    assert cross_validate(tiny_recipe(epochs=2), data, folder, final=True, **CPU).has_final
    assert isinstance(kinesics.load(folder, device="cpu"), Predictor)


class BreaksInFinal(Breaks):
    """A power cut in the training of the final model."""

    is_final = False

    def say(self, line: str) -> None:
        self.is_final = self.is_final or line.startswith("the final model")

    def batch(self, epoch: int, batch: int, num_batches: int, facts: Mapping[str, float]) -> None:
        if self.is_final:
            super().batch(epoch, batch, num_batches, facts)


def test_a_cross_validation_is_calibrated_by_its_own_scores(data: Path, folder: Path) -> None:
    video = clips(data)[0]
    before = table(kinesics.load(folder, device="cpu"), video)
    found = calibrate(folder, false_alarms=0.5)
    fitted = fit(Scores.load(folder / "scores.npz"), 0.5)
    assert found.calibration == fitted
    assert "the folds" in found.lines()[0]
    together = kinesics.load(folder, device="cpu")
    assert isinstance(together, Ensemble)
    assert together.threshold == fitted.threshold
    assert {member.contract.temperature for member in together.members} == {fitted.temperature}
    if fitted.temperature != 1.0:
        assert table(together, video) != pytest.approx(before)
    cross_validate(tiny_recipe(epochs=1), data, folder, **CPU)  # again: nothing is left to do
    assert kinesics.load(folder, device="cpu").rule == together.rule
    with pytest.raises(UserError, match="none: a cross-validation is calibrated by its own scores"):
        calibrate(folder, none="test")


def test_fused_streams_answer_together(data: Path, validated: Path, tmp_path: Path) -> None:
    runs = [validated / "fold-0", validated / "fold-1"]
    for run in runs:
        evaluate(run, data, **CPU)
    fuse_runs(runs, tmp_path / "fused", weights=(1.0, 3.0))
    together = kinesics.load(tmp_path / "fused", device="cpu")
    assert isinstance(together, Ensemble)
    assert together.shares == (0.25, 0.75)
    scores = Scores.load(tmp_path / "fused" / "scores.npz")
    manifest = read_manifest(data)
    paths = {item.id: item.path for item in manifest.items("test")}
    for name, row in zip(scores.ids, scores.probs(), strict=True):
        found = table(together, paths[name])
        assert [found[label] for label in scores.classes] == pytest.approx(row.tolist(), abs=1e-5)
    with pytest.raises(UserError, match="holds scores of a test, not of folds"):
        calibrate(tmp_path / "fused")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": "fold-0"}, "members are not a list"),
        ({"members": []}, "members are 0; expected 1 to"),
        ({"members": [{"path": "fold-0"}]}, "path_absolute is missing"),
        ({"members": [{"path": "fold-0", "path_absolute": "/x", "weight": -1}]}, "member.weight is -1"),
        ({"members": [{"path": "fold-9", "path_absolute": "/x/fold-9"}]}, "fold-9: no such folder"),
        ({"members": [{"path": "fold-0", "path_absolute": "/x", "weight": 0}]}, "the weights of all members are 0"),
        (
            {"members": [{"path": "fold-0", "path_absolute": "/x", "code": "x"}]},
            "setting 'code'|setting 'members.code'",
        ),
        ({"temperature": 0}, "temperature is 0; expected a number above 0"),
        ({"format": 2}, "format is 2"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(folder: Path, change: dict[str, Any], message: str) -> None:
    path = folder / ENSEMBLE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message) as caught:
        kinesics.load(folder, device="cpu")
    assert ENSEMBLE_NAME in str(caught.value)


def test_members_of_other_classes_are_refused(folder: Path) -> None:
    path = folder / "fold-1" / "best" / "model.json"
    path.write_text(path.read_text().replace('"left"', '"up"'))
    with pytest.raises(
        UserError, match=r"fold-1.* has the classes up, right; expected those of .*fold-0.*, left, right"
    ):
        kinesics.load(folder, device="cpu")


def test_where_one_model_is_needed_the_members_are_named(folder: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"several models that answer together; expected one of those in ensemble\.json"
    ):
        COMMANDS["explain"].run([str(folder), str(clips(data)[0]), "--out", str(tmp_path / "out")])


def test_predict_prints_the_answers_of_a_cross_validation(
    folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = clips(data)[0]
    assert COMMANDS["predict"].run([str(folder), str(video), "--device", "cpu", "--num-workers", "0"]) in (0, None)
    assert video.name in capsys.readouterr().out


def test_a_final_model_alone_and_what_a_test_of_it_says(data: Path, tmp_path: Path) -> None:
    run = train(tiny_recipe(epochs=1, patience=1), data, tmp_path / "all", split="all", **CPU)
    assert (run.record["split"], run.record["videos"]) == ("all", {"train": 16, "val": 0})
    heard = Heard()
    evaluate(run.path, listener=heard, **CPU)
    assert heard.lines == [line for line in heard.lines if "4 of these 4 clips are among those" in line]
    train(None, None, tmp_path / "all", resume=True, **CPU)
    with pytest.raises(UserError, match="split to train on"):
        train(tiny_recipe(), data, tmp_path / "other", split="test", **CPU)  # type: ignore[arg-type]


def test_clips_that_moved_from_training_to_test_are_counted(data: Path, tmp_path: Path) -> None:
    run = train(tiny_recipe(epochs=1), data, tmp_path / "run", **CPU)
    heard = Heard()
    evaluate(run.path, listener=heard, **CPU)
    assert not heard.lines
    evaluate(run.path, split="train", listener=heard, **CPU)
    assert "8 of these 8 clips are among those" in heard.lines[0]
    metrics = json.loads((run / "train-one" / "metrics.json").read_text())
    assert metrics["record"]["clips_of_the_training"] == 8
