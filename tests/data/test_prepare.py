"""Prepare as a whole: every file gets its correct status, no clip is lost, no file is half written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from kinesics.data.manifest import read_manifest
from kinesics.data.prepare import prepare, report_lines
from kinesics.errors import UserError
from kinesics.video.integrity import decode_whole

SHARED = Path(__file__).parents[2] / "../shared/data"

DECODER = """
import hashlib
import time
from kinesics.video.integrity import Check, decode_whole

def by_text(path, **_):
    text = path.read_text()
    status, _, content = text.partition(" ")
    usable = status in ("ok", "partial")
    return Check(status, "" if status == "ok" else "as the test says", 9 * usable, 25.0, 4, 4, 0.36, content)

def or_hang(path, **arguments):
    while path.name.startswith("hang"):
        pass
    return decode_whole(path, **arguments)
"""
BY_TEXT = "prepare_decoder_of_the_test:by_text"
OR_HANG = "prepare_decoder_of_the_test:or_hang"


@pytest.fixture(autouse=True)
def decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder whose result is the text of the file: `ok some-content`."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/prepare_decoder_of_the_test.py").write_text(DECODER)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def good_tree(root: Path, per_class: int = 8) -> Path:
    """Two classes of files that decode, each with its own content, of four subjects."""
    return tree(root, {f"{c}/{i}__s{i % 4}_.mp4": f"ok {c}{i}" for c in ("nod", "wave") for i in range(per_class)})


def video(path: Path, codec: str = "mpeg4", num_frames: int = 40) -> Path:
    """A small video of moving noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (48, 64 + num_frames, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(num_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise[:, i : i + 64].copy(), format="rgb24")))
        container.mux(stream.encode())
    return path


def audio(path: Path) -> Path:
    """An mp4 with sound only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for _ in range(20):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 44100
            container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return path


def bad_files(folder: Path) -> dict[str, tuple[str, ...]]:
    """Broken files in `folder`, and the correct status of each."""
    whole = video(folder / "whole.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    avi = video(folder / "whole.avi").read_bytes()
    (folder / "truncated.avi").write_bytes(avi[: len(avi) // 2])
    (folder / "zero.mp4").touch()
    (folder / "text.mp4").write_text("not a video\n" * 100)
    (folder / "page.webm").write_text("<html><body>404 Not Found</body></html>")
    audio(folder / "sound.mp4")
    (folder / "hang.mp4").write_bytes(whole)
    return {
        "whole.mp4": ("ok",),
        "whole.avi": ("ok",),
        "truncated.mp4": ("error",),
        "truncated.avi": ("partial",),
        "zero.mp4": ("error",),
        "text.mp4": ("error",),
        "page.webm": ("error",),
        "sound.mp4": ("no_video",),
        "hang.mp4": ("timeout",),
    }


def test_every_broken_file_is_named_rightly(tmp_path: Path) -> None:
    expected = bad_files(tmp_path / "in/nod")
    (tmp_path / "in/nod/notes.txt").write_text("hello")
    out = tmp_path / "set.csv"
    report = prepare(tmp_path / "in", out, on_bad="skip", split="none", timeout_seconds=8, check=OR_HANG)
    rows = {Path(row.path).name: row for row in read_manifest(out).rows}
    assert {name: row.status for name, row in rows.items()} == {name: outcome[0] for name, outcome in expected.items()}
    assert all(row.reason for row in rows.values() if row.status != "ok")
    assert 0 < (rows["truncated.avi"].num_frames or 0) < 40
    assert rows["whole.mp4"].num_frames == 40
    assert any("1 skipped, neither video nor picture: nod/notes.txt" in str(p) for p in report.of("note"))
    assert {path.split("/")[-1] for path, _, _ in report.bad} == {
        name for name, outcome in expected.items() if outcome[0] not in ("ok", "partial")
    }
    with pytest.raises(UserError) as caught:
        prepare(tmp_path / "in", out, on_bad="fail", timeout_seconds=8, check=OR_HANG)
    assert str(caught.value).startswith("6 errors, no manifest written: ")


@pytest.mark.skipif(not (SHARED / "edge-cases").is_dir(), reason="the edge cases are not here")
def test_edge_cases_decode_or_fail_with_a_reason(tmp_path: Path) -> None:
    source = tmp_path / "in/edge"
    shutil.copytree(SHARED / "edge-cases", source)
    bad_files(source)
    names = {path.name for path in source.iterdir()}
    report = prepare(tmp_path / "in", tmp_path / "set.csv", on_bad="skip", timeout_seconds=8, check=OR_HANG)
    rows = {Path(row.path).name: row for row in read_manifest(tmp_path / "set.csv").rows}
    skipped = [str(problem) for problem in report.of("note") if "skipped" in str(problem)]
    assert names - set(rows) == {"torchcodec__nasa_13013.mp4.audio.mp3"}
    assert any("edge/torchcodec__nasa_13013.mp4.audio.mp3" in line for line in skipped)
    for name, row in rows.items():
        assert row.status in ("ok", "partial", "no_frames", "no_video", "error", "timeout"), name
        assert row.status == "ok" or row.reason, name
        assert (row.num_frames or 0) > 0 or not row.usable, name
    given = {name: row.status for name, row in rows.items() if name.startswith(("torchcodec", "decord"))}
    assert given.pop("decord__corrupted.mp4") in ("partial", "error")
    assert set(given.values()) == {"ok"}, given


def test_the_manifest_and_report_of_a_good_folder(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in", 20), tmp_path / "lists/set.csv"
    report = prepare(source, out, group_pattern=r"__(s\d+)_", check=BY_TEXT)
    manifest = read_manifest(out)
    assert len(manifest.rows) == 40
    assert manifest.rows[0].path.startswith("../in/nod/")
    assert all(item.path.exists() for item in manifest.items())
    assert {(row.status, row.num_frames, row.fps) for row in manifest.rows} == {("ok", 9, 25.0)}
    splits = {row.group: {other.split for other in manifest.rows if other.group == row.group} for row in manifest.rows}
    assert sorted(map(len, splits.values())) == [1, 1, 1, 1]
    assert report.statuses == {"ok": 40}
    assert sum(report.splits.values()) == 40
    assert json.loads(report.report_path.read_text())["num_usable"] == 40
    lines = report_lines(report)
    assert lines[0] == "40 of 40 clips can be used (40 ok) in 2 classes"
    assert any("assigned by group" in line for line in lines)
    assert sorted(path.name for path in out.parent.iterdir()) == ["set.csv", "set.report.json"]


def test_bad_files_by_policy(tmp_path: Path) -> None:
    source, out = good_tree(tmp_path / "in"), tmp_path / "set.csv"
    tree(source, {"nod/bad.mp4": "error", "wave/half.mp4": "partial xyz", "wave/none.mp4": "no_frames"})
    with pytest.raises(UserError) as caught:
        prepare(source, out, check=BY_TEXT)
    assert str(caught.value).startswith("2 errors, no manifest written: ")
    assert f"{source / 'nod/bad.mp4'}: error: as the test says" in str(caught.value)
    assert not out.exists()
    assert len(json.loads((tmp_path / "set.report.json").read_text())["bad"]) == 2

    report = prepare(source, out, on_bad="skip", check=BY_TEXT)
    manifest = read_manifest(out)
    assert len(manifest.rows) == 19
    assert len(manifest.items()) == 17
    assert report.statuses == {"ok": 16, "partial": 1, "error": 1, "no_frames": 1}
    assert {row.split for row in manifest.rows if not row.usable} == {""}
    assert any("half.mp4: partial: as the test says" in str(problem) for problem in report.of("warning"))
    assert "2 clips stay in the manifest with their status, and are not used" in report_lines(report)

    report = prepare(source, out, on_bad="quarantine", check=BY_TEXT)
    assert len(read_manifest(out).rows) == 17
    aside = read_manifest(tmp_path / "set.quarantine.csv").rows
    assert [(row.path, row.status, row.reason) for row in aside] == [
        ("in/nod/bad.mp4", "error", "as the test says"),
        ("in/wave/none.mp4", "no_frames", "as the test says"),
    ]
    assert f"2 clips were moved to {tmp_path / 'set.quarantine.csv'}" in report_lines(report)

    (source / "nod/bad.mp4").write_text("ok mended")
    (source / "wave/none.mp4").unlink()
    prepare(source, out, on_bad="quarantine", check=BY_TEXT)
    assert not (tmp_path / "set.quarantine.csv").exists()


def test_listed_files_that_are_missing_are_named_with_their_line(tmp_path: Path) -> None:
    good_tree(tmp_path)
    tree(tmp_path, {"l.csv": "path,label\nnod/0__s0_.mp4,nod\ngone.mp4,nod\nnod/1__s1_.mp4,nod\nlost.mp4,wave\n"})
    with pytest.raises(UserError) as caught:
        prepare(tmp_path / "l.csv", tmp_path / "set.csv", check="no.decoder:needed")
    assert f"{tmp_path / 'l.csv'}:3: no such file: {tmp_path / 'gone.mp4'}" in str(caught.value)
    assert f"{tmp_path / 'l.csv'}:5: no such file: {tmp_path / 'lost.mp4'}" in str(caught.value)
    report = prepare(tmp_path / "l.csv", tmp_path / "set.csv", on_bad="skip", check=BY_TEXT)
    assert [row.status for row in read_manifest(tmp_path / "set.csv").rows] == ["ok", "error", "ok", "error"]
    assert any("no usable clip in the classes: wave" in str(problem) for problem in report.of("warning"))


def test_duplicates_leaks_and_contradictions_are_reported(tmp_path: Path) -> None:
    files = {"a.mp4": "ok 1", "b.mp4": "ok 1", "c.mp4": "ok 2", "d.mp4": "ok 2", "e.mp4": "ok 3", "f.mp4": "ok 4"}
    lines = ["path,label,split,group"]
    lines += ["a.mp4,nod,train,s1", "b.mp4,nod,test,s2", "c.mp4,nod,train,s1", "d.mp4,wave,train,s1"]
    lines += ["e.mp4,wave,test,s1", "a.mp4,nod,train,s1", "./a.mp4,wave,train,s1", "f.mp4,wave,,"]
    tree(tmp_path, {**files, "l.csv": "\n".join(lines) + "\n"})
    report = prepare(tmp_path / "l.csv", tmp_path / "set.csv", on_bad="skip", check=BY_TEXT)
    messages = {(p.severity, p.line): p.message for p in report.problems if p.line}
    place = tmp_path / "l.csv"
    assert messages == {
        ("warning", 7): f"{tmp_path / 'a.mp4'} is already at {place}:2; it was taken once",
        ("error", 8): f"{tmp_path / 'a.mp4'} has the label 'wave' here and 'nod' at {place}:2; the first was kept",
        ("error", 3): f"the same content is in 'test' ({tmp_path / 'b.mp4'}) and in 'train'"
        f" ({tmp_path / 'a.mp4'}, {place}:2)",
        ("warning", 5): f"{tmp_path / 'd.mp4'} has the same content as {tmp_path / 'c.mp4'} ({place}:4), but the label"
        " 'wave' instead of 'nod'",
        ("error", 6): f"the group 's1' is in 'test' ({tmp_path / 'e.mp4'}) and in 'train'"
        f" ({tmp_path / 'a.mp4'}, {place}:2)",
    }
    general = [p.message for p in report.problems if not p.line]
    assert "no clip in the splits: val" in general
    assert "1 usable clips belong to no split" in general
    assert "fewer than 5 usable clips in the classes: nod (3), wave (3)" in general
    with pytest.raises(UserError, match="2 errors, no manifest written"):
        prepare(tmp_path / "l.csv", tmp_path / "other.csv", check=BY_TEXT)


def test_frames_that_are_listed_but_not_there(tmp_path: Path) -> None:
    tree(tmp_path, {"a.mp4": "ok 1", "b.mp4": "ok 2", "l.csv": "path,label,num_frames\na.mp4,x,9\nb.mp4,x,12\n"})
    report = prepare(tmp_path / "l.csv", tmp_path / "set.csv", check=BY_TEXT)
    assert [p.message for p in report.of("warning") if p.line] == [
        f"{tmp_path / 'b.mp4'}: 12 frames are listed, 9 were decoded"
    ]


def test_splits_are_kept_cleared_or_assigned(tmp_path: Path) -> None:
    source = good_tree(tmp_path)
    lines = [f"nod/{i}__s{i % 4}_.mp4,nod,{'train' if i % 2 else 'test'}" for i in range(8)]
    tree(tmp_path, {"l.csv": "path,label,split\n" + "\n".join(lines) + "\n"})
    out = tmp_path / "set.csv"

    def splits(**arguments: object) -> list[str]:
        prepare(tmp_path / "l.csv", out, reassign=True, check=BY_TEXT, **arguments)  # type: ignore[arg-type]
        return [row.split for row in read_manifest(out).rows]

    assert splits() == ["test", "train"] * 4
    assert splits(split="none") == [""] * 8
    names = splits(split="random", val=0.25, test=0.25)
    assert sorted(names) == ["test"] * 2 + ["train"] * 4 + ["val"] * 2
    prepare(source, out, reassign=True, folds="leave-one-group-out", group_pattern=r"__(s\d+)_", check=BY_TEXT)
    rows = read_manifest(out).rows
    assert {(row.group, row.fold) for row in rows} == {("s0", 0), ("s1", 1), ("s2", 2), ("s3", 3)}
    assert {row.split for row in rows} == {""}


def test_too_few_clips_to_split_is_a_warning_unless_requested(tmp_path: Path) -> None:
    tree(tmp_path, {"in/nod/a.mp4": "ok 1", "in/nod/b.mp4": "ok 2"})
    report = prepare(tmp_path / "in", tmp_path / "set.csv", check=BY_TEXT)
    assert any("no splits were assigned" in str(problem) for problem in report.of("warning"))
    with pytest.raises(UserError, match="cannot be divided into train, val, test"):
        prepare(tmp_path / "in", tmp_path / "set.csv", split="random", check=BY_TEXT)


def test_nothing_usable_is_an_error_under_every_policy(tmp_path: Path) -> None:
    tree(tmp_path, {"in/nod/a.mp4": "error"})
    with pytest.raises(UserError, match="none of 1 clips can be used"):
        prepare(tmp_path / "in", tmp_path / "set.csv", on_bad="skip", check=BY_TEXT)
    assert not (tmp_path / "set.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "foldr"}, "did you mean 'folder'"),
        ({"split": "groups"}, "did you mean 'group'"),
        ({"on_bad": "ignore"}, "unknown policy for bad files 'ignore'"),
        ({"group_pattern": "("}, "group pattern '\\('"),
        ({"group_pattern": "s1"}, "has no brackets"),
        ({"group_pattern": "(x9)"}, "does not match nod/0__s0_.mp4"),
        ({"timeout_seconds": 0.0}, "timeout_seconds above 0"),
        ({"columns": {"pth": "x"}, "format": "csv"}, "expected a CSV file"),
    ],
)
def test_wrong_options_are_reported(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(good_tree(tmp_path / "in"), tmp_path / "set.csv", check=BY_TEXT, **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "set.csv").exists()


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    source = good_tree(tmp_path / "in")
    with pytest.raises(UserError, match="expected a name that ends in"):
        prepare(source, tmp_path / "out", check=BY_TEXT)
    tree(tmp_path, {"l.csv": "path,label\nin/nod/0__s0_.mp4,nod\n"})
    with pytest.raises(UserError, match="this is the source itself"):
        prepare(tmp_path / "l.csv", tmp_path / "l.csv", check=BY_TEXT)
    assert (tmp_path / "l.csv").read_text().startswith("path,label\nin/")


def test_a_link_in_the_way_of_the_manifest(tmp_path: Path) -> None:
    source = good_tree(tmp_path / "in")
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far/away")
    prepare(source, tmp_path / "near/set.csv", check=BY_TEXT)
    assert all(item.path.exists() for item in read_manifest(tmp_path / "near/set.csv").items())


@pytest.mark.skipif(not (SHARED / "weizmann4").is_dir(), reason="weizmann4 is not here")
def test_weizmann4_by_its_own_columns(tmp_path: Path) -> None:
    report = prepare(
        SHARED / "weizmann4/labels.csv",
        tmp_path / "set.csv",
        format="csv",
        columns={"path": "file", "group": "subject"},
        folds="leave-one-group-out",
    )
    assert report.statuses == {"ok": 72}
    assert report.folds == {str(fold): 8 for fold in range(9)}
    manifest = read_manifest(tmp_path / "set.csv")
    assert manifest.classes == ("bend", "jumping_jack", "wave1_onehand", "wave2_twohands")
    first = manifest.items()[0]
    assert decode_whole(first.path).num_frames == 61
