"""Official splits: each is trained and tested, the mean is right, finished ones are kept, mistakes are named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinesics.analysis.evaluate import test as evaluate
from kinesics.analysis.official_splits import official_splits
from kinesics.cli.commands import COMMANDS
from kinesics.data.manifest import Manifest, Row, read_manifest, write_manifest
from kinesics.errors import UserError, VideoError
from kinesics.runs.run import Run
from kinesics.settings import Recipe
from kinesics.values import Scores
from tests.listeners import Heard
from tests.tiny import make_set
from tests.tiny import tiny_recipe as recipe_of
from tests.training.test_loop import Breaks

CPU: dict[str, Any] = {"device": "cpu", "num_workers": 0}
SMALL = ["--backbone", "resnet18", "--weights", "None", "--epochs", "1", "--batch-size", "4", "--num-segments", "3"]
SMALL += ["--resize", "32", "--size", "32", "--device", "cpu", "--num-workers", "0"]


def tiny(epochs: int = 1) -> Recipe:
    return recipe_of("tsn").with_changes({"optim.epochs": epochs})


def rows_of(data: Path, tested: int, val: int | None = None) -> list[Row]:
    """Rows of six clips of each class: two of them from number `tested` on are the split test, number `val` is val."""
    rows = []
    for row in read_manifest(data).rows:
        number = int(Path(row.path).stem.rpartition("_")[2])
        split = "test" if number in (tested, tested + 1) else "val" if number == val else "train"
        rows.append(dataclasses.replace(row, split=split, fold=None))
    return rows


def write(path: Path, rows: list[Row]) -> Path:
    write_manifest(Manifest(path, tuple(rows)), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips, and three manifests of them: clip 2 is tested in the first and in the third."""
    folder = tmp_path_factory.mktemp("splits")
    data = make_set(folder, train=6, val=0, test=0)
    for number, tested in enumerate((2, 0, 1), 1):
        write(folder / f"set{number}.csv", rows_of(data, tested))
    return folder


@pytest.fixture(scope="module")
def manifests(folder: Path) -> list[Path]:
    return [folder / "set1.csv", folder / "set2.csv", folder / "set3.csv"]


@pytest.fixture(scope="module")
def finished(manifests: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    official_splits(tiny(), manifests[:2], out, **CPU)
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of two finished splits, to change; as far from the manifests as they are."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def accuracy(scores: Scores) -> float:
    hits = scores.targets[range(len(scores.ids)), scores.logits.argmax(axis=1)]
    return float(np.mean(hits))


def weights_of(out: Path, number: int) -> tuple[int, bytes]:
    file = out / f"split-{number}" / "best" / "model.safetensors"
    return file.stat().st_mtime_ns, file.read_bytes()


def test_three_splits_by_one_command(manifests: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    names = [str(path) for path in manifests]
    assert COMMANDS["splits"].run(["tsn", "--data", *names, "--out", str(out), *SMALL]) == 0
    found = []
    for number, manifest in enumerate(manifests, 1):
        run = Run(out / f"split-{number}")
        items = read_manifest(manifest)
        assert run.record["videos"] == {"train": 8, "val": 0}
        assert run.train_clips == {item.id for item in items.items("train")}
        scores = run.scores("test", "one")
        assert set(scores.ids) == {item.id for item in items.items("test")}
        assert (run / "test-one" / "confusion.csv").is_file()
        found.append(accuracy(scores))
    summary = json.loads((out / "splits.json").read_text())
    assert [split["top1"]["value"] for split in summary["splits"]] == pytest.approx(found)
    assert [split["manifest_absolute"] for split in summary["splits"]] == names
    assert summary["splits"][2]["record"]["recipe"] == "tsn"
    mean, deviation = summary["mean_and_std"]["top1"]
    assert (mean, deviation) == pytest.approx((np.mean(found), np.std(found, ddof=1)))
    printed = capsys.readouterr().out
    assert f"mean top1 of 3 official splits: {np.mean(found):.3f}" in printed
    assert "3 (set3.csv)" in printed


def test_after_an_interruption_it_goes_on_and_keeps_what_is_finished(
    manifests: list[Path], copied: Path, tmp_path: Path
) -> None:
    before = weights_of(copied, 1), weights_of(copied, 2)
    with pytest.raises(ZeroDivisionError):  # a power cut in the third split
        official_splits(tiny(), manifests, copied, listener=Breaks(0, 2), **CPU)
    shutil.rmtree(copied / "split-2" / "test-one")  # as if the cut had been after the second one's training
    result = official_splits(tiny(), manifests, copied, **CPU)
    assert (weights_of(copied, 1), weights_of(copied, 2)) == before
    assert [split.number for split in result.splits] == [1, 2, 3]
    assert result.splits[1].metrics.num_videos == 4
    whole = official_splits(tiny(), manifests[2:] + manifests[:1], tmp_path / "whole", **CPU)
    assert weights_of(copied, 3)[1] == weights_of(tmp_path / "whole", 1)[1]
    assert whole.splits[0].metrics.value("top1") == result.splits[2].metrics.value("top1")


def test_other_views_are_scored_and_more_epochs_are_trained(manifests: list[Path], copied: Path) -> None:
    before = weights_of(copied, 1)
    result = official_splits(tiny(), manifests[:2], copied, views="two-clip", **CPU)
    assert weights_of(copied, 1) == before
    assert result.splits[0].scores.record["views"] == "two-clip"
    assert Run(copied / "split-1").score_file("test", "two-clip").parent.name == "test-two-clip"
    old = Run(copied / "split-1").scores("test", "one")
    official_splits(tiny(epochs=2), manifests[:2], copied, **CPU)
    assert len(Run(copied / "split-1").log) == 2
    assert not np.array_equal(Run(copied / "split-1").scores("test", "one").logits, old.logits)


def test_a_test_on_another_manifest_in_the_same_place_does_not_count(manifests: list[Path], copied: Path) -> None:
    evaluate(copied / "split-1", manifests[1], **CPU)
    result = official_splits(tiny(), manifests[:2], copied, **CPU)
    assert set(result.splits[0].scores.ids) == {item.id for item in read_manifest(manifests[0]).items("test")}


def test_clips_of_val_choose_nothing(folder: Path, manifests: list[Path], tmp_path: Path) -> None:
    with_val = write(folder / "with_val.csv", rows_of(folder / "set.csv", 2, val=5))
    heard = Heard()
    official_splits(tiny(), [with_val, manifests[1]], tmp_path / "out", listener=heard, **CPU)
    run = Run(tmp_path / "out" / "split-1")
    assert run.record["videos"] == {"train": 6, "val": 0}
    assert run.log[0]["val_top1"] == ""
    assert [line for line in heard.lines if "not used" in line] == [
        f"{with_val}: 2 clips of split 'val' are not used; the last epoch is tested"
    ]


def test_a_run_with_other_settings_or_manifests_in_another_order_are_refused(
    manifests: list[Path], copied: Path
) -> None:
    with pytest.raises(UserError, match=r"split-1: was trained with other settings .*seed: 0 then, 1 now"):
        official_splits(tiny().with_changes(seed=1), manifests[:2], copied, **CPU)
    with pytest.raises(UserError, match=r"split-1: was trained on another manifest than .*set2\.csv is now"):
        official_splits(tiny(), manifests[1::-1], copied, **CPU)


def changed(folder: Path, name: str, **changes: str) -> Path:
    """The first manifest with rows changed: `label` of the clips of `left`, `test` or `train` as another split."""
    rows = read_manifest(folder / "set1.csv").rows
    if "label" in changes:
        labels = tuple(changes["label"].split("|"))
        rows = tuple(dataclasses.replace(row, labels=labels) if row.labels == ("left",) else row for row in rows)
    rows = tuple(dataclasses.replace(row, split=changes.get(row.split, row.split)) for row in rows)
    return write(folder / name, list(rows))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": ""}, r"bad\.csv: no usable rows with split 'test' \(found train: 8, \(empty\): 4\)"),
        ({"train": "val"}, r"bad\.csv: no usable rows with split 'train'"),
        (
            {"label": "up"},
            r"bad\.csv: its 2 classes are not the 2 of .*set1\.csv \(left only in .*set1\.csv; up only in .*bad\.csv\)",
        ),
        ({"label": "left|right"}, r"bad\.csv: has clips with several labels, .*set1\.csv has none"),
        ({}, r"bad\.csv: has the same rows as .*set1\.csv"),
    ],
)
def test_what_does_not_fit_is_named_before_any_training(
    folder: Path, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    bad = changed(folder, "bad.csv", **changes)
    with pytest.raises(UserError, match=message):
        official_splits(tiny(), [folder / "set1.csv", bad], tmp_path / "out", **CPU)
    assert not (tmp_path / "out").exists()


def test_more_mistakes_are_named(folder: Path, manifests: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"set1\.csv: is the only manifest; expected one per official split"):
        official_splits(tiny(), manifests[:1], out, **CPU)
    with pytest.raises(UserError, match="there is no manifest"):
        official_splits(tiny(), [], out, **CPU)
    with pytest.raises(UserError, match=r"set1\.csv: has the same rows as"):
        official_splits(tiny(), [manifests[0], folder / "clips" / ".." / "set1.csv"], out, **CPU)
    with pytest.raises(UserError, match="unknown view plan '25x11'"):
        official_splits(tiny(), manifests, out, views="25x11", **CPU)
    rows = [row for row in rows_of(folder / "set.csv", 2) if row.split == "test" or row.labels == ("right",)]
    extra = dataclasses.replace(rows[-1], path="clips/left_0.mp4", labels=("other",), split="train")
    taught = write(folder / "taught.csv", [*rows, extra])
    also = write(folder / "also.csv", [*rows_of(folder / "set.csv", 0), dataclasses.replace(extra, start_seconds=0.5)])
    with pytest.raises(UserError, match=r"taught\.csv: split 'test' holds all clips of left; no clip of split 'train'"):
        official_splits(tiny(), [also, taught], out, **CPU)
    gone = write(folder / "gone.csv", [*rows_of(folder / "set.csv", 3), dataclasses.replace(rows[0], path="gone.mp4")])
    with pytest.raises(VideoError, match=r"1 of 13 clips are gone: .*gone\.mp4"):
        official_splits(tiny(), [manifests[0], gone], out, **CPU)
    assert not out.exists(), "all of this is found before the first training"
