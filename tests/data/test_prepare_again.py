"""Prepare over existing files: other files are refused, and rows that a user has corrected stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinesics.data.manifest import Row, read_manifest
from kinesics.data.prepare import prepare
from kinesics.data.splits import assign_folds, assign_split
from kinesics.errors import UserError
from tests.data.test_prepare import BY_TEXT, decoder, good_tree, tree

__all__ = ["decoder"]  # a fixture


def rows_by_name(out: Path) -> dict[str, Row]:
    return {Path(row.path).name: row for row in read_manifest(out).rows}


def edit(out: Path, old: str, new: str) -> None:
    text = out.read_text()
    assert old in text
    out.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", ["set.csv", "set.report.json", "set.quarantine.csv"])
def test_a_file_of_the_user_is_never_replaced(tmp_path: Path, name: str) -> None:
    source = good_tree(tmp_path / "in")
    (tmp_path / name).write_text("path,label\nmine.mp4,nod\n")
    with pytest.raises(UserError, match=rf"{name}: exists and is no .*; name another"):
        prepare(source, tmp_path / "set.csv", on_bad="quarantine", check=BY_TEXT)
    assert (tmp_path / name).read_text() == "path,label\nmine.mp4,nod\n"


def test_rows_keep_corrections_and_splits_and_new_clips_are_added(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in", 12), tmp_path / "set.csv"
    prepare(source, out, split="random", seed=1, check=BY_TEXT)
    first = rows_by_name(out)
    edit(out, "in/nod/3__s3_.mp4,nod,", "in/nod/3__s3_.mp4,wave,")
    tree(source, {f"wave/new{i}.mp4": f"ok new{i}" for i in range(8)})
    report = prepare(source, out, seed=2, check=BY_TEXT)
    second = {row.path: row for row in read_manifest(out).rows}
    assert len(second) == 32
    assert second["in/nod/3__s3_.mp4"].labels == ("wave",)
    for row in first.values():
        assert second[row.path].split == row.split
    assert {row.split for row in second.values() if "new" in row.path} <= {"train", "val", "test"}
    notes = [problem.message for problem in report.of("note")]
    assert "24 clips keep their earlier label, split and fold; 8 are new" in notes
    assert any("1 clips have another label in the source" in note for note in notes)
    assert any("8 clips had no split: assigned by random" in note for note in notes)


def test_reassign_takes_everything_from_the_source_again(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in", 12), tmp_path / "set.csv"
    prepare(source, out, split="random", seed=1, check=BY_TEXT)
    edit(out, "in/nod/3__s3_.mp4,nod,", "in/nod/3__s3_.mp4,wave,")
    before = [row.split for row in read_manifest(out).rows]
    prepare(source, out, split="random", seed=2, reassign=True, check=BY_TEXT)
    assert [row.split for row in read_manifest(out).rows] != before
    assert {row.labels for row in read_manifest(out).rows if "/nod/" in row.path} == {("nod",)}


def test_a_new_clip_follows_its_group_and_folds_stay(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in", 12), tmp_path / "set.csv"
    prepare(source, out, group_pattern=r"__(s\d+)_", folds="leave-one-group-out", check=BY_TEXT)
    folds = {row.group: row.fold for row in read_manifest(out).rows}
    tree(source, {f"nod/{20 + i}__s{i}_.mp4": f"ok more{i}" for i in range(6)})
    prepare(source, out, group_pattern=r"__(s\d+)_", folds="leave-one-group-out", check=BY_TEXT)
    again = {row.group: row.fold for row in read_manifest(out).rows}
    assert {group: again[group] for group in folds} == folds
    assert sorted(again[group] for group in ("s4", "s5")) == [4, 5]


def test_rows_without_a_file_are_dropped_and_rows_from_elsewhere_are_kept(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in"), tmp_path / "set.csv"
    tree(tmp_path, {"other/x.mp4": "ok x"})
    prepare(source, out, check=BY_TEXT)
    with out.open("a") as file:
        file.write("other/x.mp4,nod,train,,,,,ok,9,25,,x\n")
    (source / "nod/0__s0_.mp4").unlink()
    report = prepare(source, out, check=BY_TEXT)
    names = {row.path for row in read_manifest(out).rows}
    assert "other/x.mp4" in names and len(names) == 16
    notes = [problem.message for problem in report.of("note")]
    assert "1 clips of the manifest are not in the source; they were kept" in notes
    assert "1 clips of the manifest have no file any more; they were dropped" in notes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": {"path": "file"}}, "columns is not used by the format 'folder'; it is for csv"),
        ({"official_split": 2}, "official_split is not used by the format 'folder'; it is for ucf101, hmdb51"),
        ({"class_names": Path("names.txt")}, "class_names is not used by the format 'folder'"),
        ({"root": Path("/")}, "root is not used by the format 'folder'"),
        ({"split": "none", "val": 0.1}, "val and test are shares of splits that are assigned"),
        ({"folds": 2, "test": 0.1}, "folds replace splits"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(good_tree(tmp_path / "in"), tmp_path / "set.csv", check=BY_TEXT, **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "set.csv").exists()


def test_a_root_that_is_no_folder_and_shares_of_given_splits_are_refused(tmp_path: Path) -> None:
    good_tree(tmp_path)
    lines = [f"nod/{i}__s{i % 4}_.mp4,nod,{'train' if i % 2 else 'test'}" for i in range(8)]
    tree(tmp_path, {"l.csv": "path,label,split\n" + "\n".join(lines) + "\n"})
    with pytest.raises(UserError, match=r"root .*nowhere: no such folder"):
        prepare(tmp_path / "l.csv", tmp_path / "set.csv", root=tmp_path / "nowhere", check=BY_TEXT)
    with pytest.raises(UserError, match="the clips already have splits"):
        prepare(tmp_path / "l.csv", tmp_path / "set.csv", val=0.2, check=BY_TEXT)


def test_few_groups_in_the_test_split_are_a_warning_with_the_command_for_folds(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in", 16), tmp_path / "set.csv"
    report = prepare(source, out, group_pattern=r"__(s\d+)_", split="group", check=BY_TEXT)
    warnings = [str(problem) for problem in report.of("warning")]
    assert any(
        "the test split has 1 of 4 groups" in line and "--folds leave-one-group-out" in line for line in warnings
    )
    assert json.loads((tmp_path / "set.report.json").read_text())["problems"]
    report = prepare(source, tmp_path / "b.csv", split="random", check=BY_TEXT)
    assert any("fewer than 10 clips of 2 of 2 classes" in str(problem) for problem in report.of("warning"))
    report = prepare(source, tmp_path / "c.csv", folds=4, check=BY_TEXT)
    assert not any("test split" in str(problem) for problem in report.of("warning"))


def rows_of(count: int, **common: object) -> list[Row]:
    return [Row(f"{i}.mp4", ("ab"[i % 2],), status="ok", **common) for i in range(count)]  # type: ignore[arg-type]


def test_kept_splits_and_folds_never_move() -> None:
    rows = assign_split(rows_of(40), seed=3)
    more = [*rows, *[Row(f"new{i}.mp4", ("ab"[i % 2],), status="ok") for i in range(40)]]
    again = assign_split(more, seed=9, keep=True)
    assert [row.split for row in again[:40]] == [row.split for row in rows]
    assert sum(row.split == "test" for row in again) == 12
    folds = assign_folds(rows_of(20), 4, seed=1)
    again = assign_folds([*folds, *[Row(f"new{i}.mp4", ("a",), status="ok") for i in range(4)]], 4, seed=7, keep=True)
    assert [row.fold for row in again[:20]] == [row.fold for row in folds]
    assert sorted(row.fold for row in again[20:]) == [0, 1, 2, 3]
    with pytest.raises(UserError, match=r"in fold [23], expected folds 0 to 1"):
        assign_folds(folds, 2, keep=True)
