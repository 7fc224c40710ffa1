"""Calibrating a run: what is stored, what is told, and what `predict` makes of it."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

import kinesics
from kinesics.analysis.calibrate import CalibratedRun, calibrate
from kinesics.annotation.annotate import texts
from kinesics.cli.commands import COMMANDS
from kinesics.data.manifest import Manifest, Row, read_manifest, write_manifest
from kinesics.errors import UserError
from kinesics.files import sha256
from kinesics.inference.predictor import Outcome
from kinesics.inference.results_file import to_dict
from kinesics.inference.scorer import score
from kinesics.runs.model_file import WEIGHTS_NAME, Contract, load_model, write_contract
from kinesics.training.train import train
from kinesics.values import NONE_OF_THESE, Prediction
from kinesics.video.write import write_video
from tests.inference.test_predictor import make_run
from tests.training.test_loop import tiny_recipe


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of eight clips that show neither of the classes."""
    folder = tmp_path_factory.mktemp("others")
    rows = []
    for index in range(8):
        frames = [np.full((32, 32, 3), 20 + 25 * index, dtype=np.uint8)] * 8
        write_video(folder / f"still_{index}.mp4", frames, fps=12)
        rows.append(Row(f"still_{index}.mp4", ("still",)))
    write_manifest(Manifest(folder / "set.csv", tuple(rows)), folder / "set.csv")
    return folder / "set.csv"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A model with random weights, of classes left, right and one more."""
    return make_run(tmp_path / "run")


def calibrated(run: Path, data: Path, **arguments: object) -> CalibratedRun:
    return calibrate(run, data, split="train", device="cpu", num_workers=0, **arguments)  # type: ignore[arg-type]


def test_of_the_clips_of_none_a_share_is_called_one(run: Path, tiny_set: Path, others: Path) -> None:
    plain, weights = kinesics.load(run, device="cpu"), sha256(run / "best" / WEIGHTS_NAME)
    found = calibrated(run, tiny_set, none=others, false_alarms=0.25)
    predictor = kinesics.load(run, device="cpu")
    assert sha256(run / "best" / WEIGHTS_NAME) == weights
    assert predictor.contract.temperature == found.calibration.temperature != 1
    assert predictor.contract.threshold == found.calibration.threshold > 0
    items = read_manifest(others).items()
    answers = [predictor.predict(item.path, top=None) for item in items]
    assert sum(not answer.rejected for answer in answers) == found.calibration.num_none_called == 2
    assert {answer.label == NONE_OF_THESE for answer in answers if answer.rejected} == {True}

    logits = score(plain.model, items, plain.classes, plain.plan, num_workers=0).logits / found.calibration.temperature
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for item, answer, row in zip(items, answers, probs, strict=True):
        before = plain.predict(item.path, top=None)
        assert before.labels == answer.labels, "the ranking stays, and the scores with it"
        assert not before.rejected
        assert before.label == before.labels[0]
        assert [dict(answer)[name] for name in predictor.classes] == pytest.approx(row.tolist(), abs=1e-5)
    assert plain.maker() != predictor.maker(), "answers of the two are not mixed in a file"


def test_what_is_stored_and_told(run: Path, tiny_set: Path, others: Path) -> None:
    found = calibrated(run, tiny_set, none=others, false_alarms=0.1)
    stored = json.loads(found.contract_path.read_text())
    assert stored["calibration"]["none"] == str(others)
    assert stored["calibration"]["num_none"] == 8
    report = json.loads(found.report_path.read_text())
    assert found.report_path == run / "calibration.json"
    assert sum(one["num_answers"] for one in report["bins"]) == report["num_clips"] == 8
    told = "\n".join(found.lines())
    assert f"temperature {found.calibration.temperature:.3g}, from 8 clips of split train: " in told
    assert "0 of 8 clips that show none of the classes would be called one (0.0 %; the target was at most 10 %)" in told
    assert re.search(r"AUROC of the confidence, .*: [01]\.\d{3}\n", told)
    assert "8 others are few for such a target: it allows not one of them; take 10 or more" in told
    assert (
        f"rejected as none of these: {found.calibration.num_rejected} of the 8 clips of the classes in split train, "
        in told
    )


def test_calibrating_again_starts_from_the_logits(run: Path, tiny_set: Path) -> None:
    once = calibrated(run, tiny_set)
    assert calibrated(run, tiny_set).calibration == once.calibration
    assert "there were no clips that show none of the classes" in "\n".join(once.lines())


def test_clips_with_labels_that_the_model_does_not_know_show_none_of_its_classes(
    run: Path, tiny_set: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(tiny_set)
    rows = [
        dataclasses.replace(row, path=str(tiny_set.parent / row.path), labels=("wave",) if k % 8 == 0 else row.labels)
        for k, row in enumerate(manifest.rows)
    ]
    write_manifest(Manifest(tmp_path / "set.csv", tuple(rows)), tmp_path / "set.csv")
    found = calibrated(run, tmp_path / "set.csv")
    assert (found.calibration.num_clips, found.calibration.num_none) == (6, 2)
    one_split = [dataclasses.replace(row, split="test") if "wave" in row.labels else row for row in rows]
    write_manifest(Manifest(tmp_path / "set.csv", tuple(one_split)), tmp_path / "set.csv")
    again = calibrated(run, tmp_path / "set.csv", none="test")
    assert again.calibration.threshold == pytest.approx(found.calibration.threshold)
    assert (again.calibration.num_clips, again.calibration.num_none) == (6, 2)


def test_what_cannot_be_is_said(run: Path, tiny_set: Path) -> None:
    with pytest.raises(UserError, match=r"set\.csv: all of its 16 clips are of the model's classes"):
        calibrated(run, tiny_set, none=tiny_set)
    with pytest.raises(UserError, match=r"false alarms: expected a share from 0 to 1, such as 0\.05, found 5"):
        calibrated(run, tiny_set, false_alarms=5)
    with pytest.raises(UserError, match=r"nowhere\.csv: no such file"):
        calibrated(run, tiny_set, none="nowhere.csv")
    assert load_model(run)[1].calibration == {}, "nothing was stored"


def test_older_contracts_load_and_damaged_ones_are_named(run: Path) -> None:
    path = run / "best" / "model.json"
    values = json.loads(path.read_text())
    for name in ("temperature", "threshold", "calibration"):
        del values[name]
    path.write_text(json.dumps(values))
    contract = load_model(run)[1]
    assert (contract.temperature, contract.threshold) == (1.0, 0.0)
    for wrong in (0, -1.0, "warm", float("nan")):
        path.write_text(json.dumps({**values, "temperature": wrong}))
        with pytest.raises(UserError, match=r"model\.json: temperature is .*; expected a number above 0"):
            load_model(run)
    with pytest.raises(UserError, match="threshold is -1; expected a number from 0 up"):
        dataclasses.replace(contract, threshold=-1)


def set_threshold(run: Path, threshold: float) -> Contract:
    contract = dataclasses.replace(load_model(run)[1], threshold=threshold)
    write_contract(run / "best", contract)
    return contract


def test_none_of_these_in_every_form_of_answer(run: Path, tiny_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tiny_set.parent / "clips" / "left_0.mp4"
    set_threshold(run, 0.999)
    found = kinesics.load(run, device="cpu").predict(clip)
    line = to_dict(Outcome(clip, found))
    assert line["label"] == "none of these"
    assert line["over_half"] == []
    assert line["labels"] == {name: pytest.approx(p, abs=1e-6) for name, p in found}
    assert line["threshold"] == 0.999
    assert texts(found) == (f"none of these ({found.labels[0]}?)", f"{found.probability:.0%}".replace("%", " %"))
    assert COMMANDS["predict"].run([str(run), str(clip), "--device", "cpu", "--num-workers", "0"]) == 0
    table = capsys.readouterr().out
    assert "none of these" in table
    set_threshold(run, 0.0)
    assert "threshold" not in to_dict(Outcome(clip, kinesics.load(run, device="cpu").predict(clip)))


def test_labels_over_one_half_are_no_answer_where_even_the_best_is_rejected() -> None:
    sure = Prediction("v.mp4", ("nod", "wave", "shrug"), (0.9, 0.6, 0.2), (), (), threshold=0.8)
    assert (sure.rejected, sure.label) == (False, "nod")
    assert sure.over_half == (("nod", 0.9), ("wave", 0.6))
    unsure = dataclasses.replace(sure, threshold=0.95)
    assert (unsure.rejected, unsure.label, unsure.over_half) == (True, NONE_OF_THESE, ())
    assert list(unsure) == list(sure)


def test_the_command_on_a_trained_run(
    tiny_set: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tiny_recipe(epochs=1), tiny_set, tmp_path / "run", device="cpu", num_workers=0)
    words = [str(run), "--none", str(others), "--false-alarms", "0.5", "--device", "cpu", "--num-workers", "0"]
    COMMANDS["calibrate"].run(words)
    told = capsys.readouterr().out
    assert "from 4 clips of split val" in told
    assert f"`kinesics predict {run}` uses it" in told
    COMMANDS["calibrate"].run([*words, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["num_none"] == 8
    assert answer["num_none_called"] <= 4
    assert json.loads((run / "best/model.json").read_text())["threshold"] == answer["threshold"]
    videos = [str(item.path) for item in read_manifest(others).items()]
    COMMANDS["predict"].run([str(run), *videos, "--json", "--device", "cpu", "--num-workers", "0"])
    labels = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]
    assert sum(label != NONE_OF_THESE for label in labels) == answer["num_none_called"]


def test_a_model_of_many_labels(tiny_set: Path, others: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", multi_label=True)
    plain = kinesics.load(run, device="cpu")
    found = calibrated(run, tiny_set, none=others, false_alarms=0.5).calibration
    predictor, item = kinesics.load(run, device="cpu"), read_manifest(others).items()[0]
    before, after = (np.array(one.predict(item.path, top=None).probabilities) for one in (plain, predictor))
    assert np.log(after / (1 - after)) == pytest.approx(np.log(before / (1 - before)) / found.temperature, abs=1e-4)
    assert found.num_none_called == 4
