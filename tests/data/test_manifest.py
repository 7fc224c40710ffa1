"""The manifest: reading, writing, and the errors of malformed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinesics.data.manifest import (
    Manifest,
    Row,
    class_names,
    natural_key,
    read_manifest,
    read_rows,
    to_csv,
    write_manifest,
)
from kinesics.errors import KinesicsError, UserError


def csv_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "set.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_only_path_and_label_are_required(tmp_path: Path) -> None:
    manifest = read_manifest(csv_file(tmp_path, "path,label\na.mp4,nod\nsub/b.mp4,wave\n"))
    assert manifest.rows == (Row("a.mp4", ("nod",)), Row("sub/b.mp4", ("wave",)))
    assert [row.line for row in manifest.rows] == [2, 3]
    assert manifest.classes == ("nod", "wave")
    items = manifest.items()
    assert [item.path for item in items] == [tmp_path / "a.mp4", tmp_path / "sub/b.mp4"]
    assert [item.labels for item in items] == [(0,), (1,)]
    assert [item.id for item in items] == ["a.mp4", "sub/b.mp4"]


def test_all_columns_are_read_in_any_order_and_others_ignored(tmp_path: Path) -> None:
    text = (
        "\ufefffps,label,path,mood,split,fold,group,start_seconds,end_seconds,status,num_frames\r\n"
        '25,"b|a","x, y.mp4",good,Validation,3.0,anna,1.5,4,ok,63\r\n'
        "\r\n"
        ",a,z.mp4,,,,,,,,\r\n"
    )
    rows = read_manifest(csv_file(tmp_path, text)).rows
    assert rows[0] == Row("x, y.mp4", ("b", "a"), "val", 3, "anna", 1.5, 4.0, "ok", 63, 25.0)
    assert rows[0].id == "x, y.mp4#1.5-4"
    assert rows[1] == Row("z.mp4", ("a",))
    assert rows[1].line == 4


def test_only_usable_rows_of_the_split_and_folds_become_items(tmp_path: Path) -> None:
    statuses = ["", "ok", "partial", "no_frames", "no_video", "error", "timeout"]
    rows = [Row(f"{i}.mp4", ("a",), "train", i % 2, status=s) for i, s in enumerate(statuses)]
    manifest = Manifest(tmp_path / "set.csv", (*rows, Row("t.mp4", ("b",), "test", 1)))
    assert [item.id for item in manifest.items("train")] == ["0.mp4", "1.mp4", "2.mp4"]
    assert [item.id for item in manifest.items("test")] == ["t.mp4"]
    assert manifest.items("val") == []
    assert [item.id for item in manifest.items(folds={1})] == ["1.mp4", "t.mp4"]
    with pytest.raises(UserError, match="did you mean 'train'"):
        manifest.items("trian")


def test_multi_label_rows(tmp_path: Path) -> None:
    manifest = read_manifest(csv_file(tmp_path, "path,label\na.mp4,nod | wave\nb.mp4,wave\n"))
    assert manifest.multi_label
    assert [item.labels for item in manifest.items()] == [(0, 1), (1,)]
    assert not Manifest(tmp_path / "x.csv", manifest.rows[1:]).multi_label


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["10", "9", "0", "1"], ("0", "1", "9", "10")),
        (["clip10", "clip9", "Clip1"], ("Clip1", "clip9", "clip10")),
        (["b", "a", "A", "2"], ("2", "A", "a", "b")),
        (["x²", "x2"], ("x2", "x²")),
    ],
)
def test_classes_are_in_natural_order(labels: list[str], expected: tuple[str, ...]) -> None:
    assert class_names(Row("p", (label,)) for label in labels) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "set.csv: the file is empty"),
        ("\n \n", "set.csv: the file is empty"),
        (b"\x00\x01\x02", "set.csv: not a text file"),
        (b"\x89PNG\r\n\xff\xfe", "set.csv: not a text file"),
        ("path,label\n", "no rows below"),
        ("path,lable\na,b\n", "set.csv:1: no column 'label' among path, lable; is it 'lable'?"),
        ("Path,label\na,b\n", "set.csv:1: no column 'path' among Path, label; is it 'Path'?"),
        ("path;label\na;b\n", "set.csv:1: fields are separated by ';'; expected commas"),
        ("a.mp4,nod\nb.mp4,wave\n", "set.csv:1: no column names"),
        ("path,label,label\na,b,c\n", "two columns are named 'label'"),
        ("path,label\na.mp4,b,c\n", "set.csv:2: found 3 fields where the first line names 2"),
        ("path,label\na.mp4\n", "set.csv:2: found 1 fields"),
        ("path,label\na.mp4,b\n,b\n", "set.csv:3: the path is empty"),
        ("path,label\na.mp4, \n", "set.csv:2: the label is empty"),
        ("path,label\na.mp4,b|\n", "set.csv:2: the label is empty"),
        ("path,label\na.mp4,b|b\n", "set.csv:2: a label appears twice"),
        ("path,label,split\na.mp4,b,trian\n", "set.csv:2: unknown split 'trian'; did you mean 'train'?"),
        ("path,label,status\na.mp4,b,good\n", "set.csv:2: unknown status 'good'"),
        ("path,label,fold\na.mp4,b,x\n", "set.csv:2: fold is 'x', expected a whole number or nothing"),
        ("path,label,fold\na.mp4,b,1.5\n", "set.csv:2: fold is '1.5', expected a whole number"),
        ("path,label,fold\na.mp4,b,-1\n", "set.csv:2: fold is -1"),
        ("path,label,fps\na.mp4,b,0\n", "set.csv:2: fps is 0.0, expected a number above 0"),
        ("path,label,start_seconds\na.mp4,b,nan\n", "set.csv:2: start_seconds is 'nan'"),
        ("path,label,start_seconds,end_seconds\na.mp4,b,3,2\n", "set.csv:2: end_seconds 2.0 is not after"),
        ("path,label\na.mp4,b\na.mp4,c\n", "set.csv:3: 'a.mp4' is already in line 2"),
        ('path,label\n"a.mp4,b\n', "not CSV"),
        ("path,label\n" + "x" * 200_000 + ",b\n", "set.csv:2: not CSV"),
    ],
)
def test_malformed_manifests_are_reported_with_file_and_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_manifest(csv_file(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(UserError, match="expected a CSV file"):
        read_manifest(tmp_path)


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "file,label,subject\na.mp4,nod,s1\n")
    assert read_rows(path, {"path": "file", "group": "subject"}) == (Row("a.mp4", ("nod",), group="s1"),)
    with pytest.raises(UserError, match="no column 'subjekt' among file, label, subject; is it 'subject'"):
        read_rows(path, {"path": "file", "group": "subjekt"})
    with pytest.raises(UserError, match="unknown column 'grup'; did you mean 'group'"):
        read_rows(path, {"grup": "subject"})


numbers = st.none() | st.floats(0, 1e6).map(lambda x: round(x, 3))
words = st.text(st.characters(exclude_characters="\0|", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
names = words.map(str.strip).filter(bool)


@st.composite
def manifest_rows(draw: st.DrawFn) -> Row:
    start = draw(numbers)
    return Row(
        path=draw(names),
        labels=tuple(draw(st.lists(names, min_size=1, max_size=3, unique=True))),
        split=draw(st.sampled_from(["", "train", "val", "test"])),
        fold=draw(st.none() | st.integers(0, 99)),
        group=draw(st.just("") | names),
        start_seconds=start,
        end_seconds=draw(st.none() | st.floats(0.001, 1e6).map(lambda x: (start or 0.0) + x)),
        status=draw(st.sampled_from(["", "ok", "partial", "error", "timeout"])),
        num_frames=draw(st.none() | st.integers(0, 10**9)),
        fps=draw(st.none() | st.floats(0.01, 1000)),
        reason=draw(st.just("") | names),
    )


@given(st.lists(manifest_rows(), min_size=1, max_size=5))
def test_written_rows_read_back_equal(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_manifest(Manifest(path, tuple(rows)), path)
    assert read_rows(path) == tuple(rows)


@given(st.lists(st.text(max_size=8)))
def test_natural_order_is_total(texts: list[str]) -> None:
    backwards = texts[::-1]
    assert sorted(texts, key=natural_key) == sorted(backwards, key=natural_key)


def test_the_hash_follows_the_content_only(tmp_path: Path) -> None:
    first = read_manifest(csv_file(tmp_path, "path,label\na.mp4,nod\n")).sha256
    assert read_manifest(csv_file(tmp_path, "note,path,label\r\nhm,a.mp4,nod\r\n")).sha256 == first
    assert read_manifest(csv_file(tmp_path, "path,label\na.mp4,nap\n")).sha256 != first


def test_an_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "set.csv").mkdir()
    with pytest.raises(KinesicsError, match="cannot write"):
        write_manifest(Manifest(tmp_path / "x.csv", (Row("a", ("b",)),)), tmp_path / "set.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["set.csv"]


def test_reason_and_digest_are_columns_only_where_there_are_any() -> None:
    assert to_csv([Row("a", ("b",))]).splitlines()[0].endswith("num_frames,fps")
    assert to_csv([Row("a", ("b",), reason="text")]).splitlines()[0].endswith("fps,reason,digest")
