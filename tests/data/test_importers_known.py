"""Importers of public data sets and of CVAT, each on a small tree in their layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinesics.data.importers import import_clips
from kinesics.data.importers.source import Imported, Options
from kinesics.data.problems import missing_files
from kinesics.errors import UserError


def tree(root: Path, *names: str, text: dict[str, str] | None = None) -> Path:
    """Tiny files with these names, and text files with their content."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    for name, content in (text or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


def table(imported: Imported, root: Path) -> list[tuple[str, str, str]]:
    """(path from root, label, split) of each row."""
    return [
        (Path(e.row.path).relative_to(root).as_posix(), "|".join(e.row.labels), e.row.split) for e in imported.entries
    ]


def notes(imported: Imported) -> str:
    return "\n".join(str(problem) for problem in imported.problems)


UCF = {
    "ucfTrainTestlist/classInd.txt": "1 ApplyEyeMakeup\n2 Archery\n",
    "ucfTrainTestlist/trainlist01.txt": "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\n"
    "Archery/v_Archery_g09_c02.avi 2\n",
    "ucfTrainTestlist/testlist01.txt": "Archery/v_Archery_g01_c01.avi\n",
    "ucfTrainTestlist/trainlist02.txt": "Archery/v_Archery_g01_c01.avi 2\nArchery/v_Archery_g02_c01.avi 1\n"
    "Archery/x.avi 3\n",
    "ucfTrainTestlist/testlist02.txt": "Arcery/v_Arcery_g09_c02.avi\n",
}


def test_ucf101(tmp_path: Path) -> None:
    tree(tmp_path, "UCF-101/Archery/v_Archery_g01_c01.avi", text=UCF)
    imported = import_clips(tmp_path, "ucf101", Options())
    assert table(imported, tmp_path) == [
        ("UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup", "train"),
        ("UCF-101/Archery/v_Archery_g09_c02.avi", "Archery", "train"),
        ("UCF-101/Archery/v_Archery_g01_c01.avi", "Archery", "test"),
    ]
    assert [entry.row.group for entry in imported.entries] == ["g08", "g09", "g01"]
    assert imported.classes == ("ApplyEyeMakeup", "Archery")
    missing = missing_files(imported.entries)
    assert list(missing) == [0, 1]
    assert "trainlist01.txt:2: no such file" in str(missing[1])


def test_ucf101_second_split_and_its_mistakes(tmp_path: Path) -> None:
    tree(tmp_path, "Archery/v_Archery_g01_c01.avi", text=UCF)
    imported = import_clips(tmp_path, "ucf101", Options(official_split=2))
    assert table(imported, tmp_path) == [("Archery/v_Archery_g01_c01.avi", "Archery", "train")]
    messages = notes(imported)
    assert "trainlist02.txt:2: label 1 is ApplyEyeMakeup in classInd.txt, the folder is Archery" in messages
    assert "trainlist02.txt:3: label 3 is out of range: there are 2 classes, 1 to 2" in messages
    assert "testlist02.txt:1: class 'Arcery' is not in classInd.txt" in messages
    with pytest.raises(UserError, match="no train list of split 3"):
        import_clips(tmp_path, "ucf101", Options(official_split=3))
    with pytest.raises(UserError, match="official split 4 does not exist"):
        import_clips(tmp_path, "ucf101", Options(official_split=4))


def test_hmdb51(tmp_path: Path) -> None:
    lists = "testTrainMulti_7030_splits"
    text = {
        f"{lists}/brush_hair_test_split1.txt": "A_brush_hair_0.avi 1 \nB_brush_hair_1.avi 2 \nC_brush_hair_2.avi 0 \n",
        f"{lists}/wave_test_split1.txt": "D (1)_wave_0.avi 2\n",
        f"{lists}/wave_test_split2.txt": "D (1)_wave_0.avi 1\n",
        f"{lists}/wave_test_split3.txt": "D_wave_0.avi 3\n",
    }
    tree(tmp_path, "hmdb51_org/wave/D (1)_wave_0.avi", text=text)
    imported = import_clips(tmp_path, "hmdb51", Options())
    assert table(imported, tmp_path) == [
        ("hmdb51_org/brush_hair/A_brush_hair_0.avi", "brush_hair", "train"),
        ("hmdb51_org/brush_hair/B_brush_hair_1.avi", "brush_hair", "test"),
        ("hmdb51_org/wave/D (1)_wave_0.avi", "wave", "test"),
    ]
    assert "1 clips are in neither part" in notes(imported)
    second = import_clips(tmp_path, "hmdb51", Options(official_split=2))
    assert [split for _, _, split in table(second, tmp_path)] == ["train"]
    with pytest.raises(UserError, match=r"wave_test_split3.txt:1: found 'D_wave_0.avi 3'"):
        import_clips(tmp_path, "hmdb51", Options(official_split=3))


def test_kinetics(tmp_path: Path) -> None:
    head = "label,youtube_id,time_start,time_end,split\n"
    text = {
        "train.csv": head + 'brush painting,-AbC_1,10,20,train\n"a, b",whole,3,13,train\nwave,gone,1,11,train\n',
        "validate.csv": head + "wave,dup,0,10,validate\n",
        "test.csv": "youtube_id,time_start,time_end,split\nq,0,10,test\n",
    }
    files = ["train/brush_painting/-AbC_1_000010_000020.mp4", "train/a, b/whole.mkv"]
    files += ["other/dup_000000_000010.mp4", "val/wave/dup_000000_000010.mp4"]
    tree(tmp_path, *files, text=text)
    imported = import_clips(tmp_path, "kinetics", Options())
    assert sorted(table(imported, tmp_path)) == [
        ("train/a, b/whole.mkv", "a, b", "train"),
        ("train/brush_painting/-AbC_1_000010_000020.mp4", "brush painting", "train"),
        ("val/wave/dup_000000_000010.mp4", "wave", "val"),
        ("wave/gone_000001_000011.mp4", "wave", "train"),
    ]
    whole = next(entry.row for entry in imported.entries if "whole" in entry.row.path)
    assert (whole.start_seconds, whole.end_seconds) == (3.0, 13.0)
    assert "test.csv: 1 clips without labels were left out" in notes(imported)
    assert [p.line for p in missing_files(imported.entries).values()] == [4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,id\na,b\n", "k.csv:1: no column 'time_end'"),
        ("label,youtube_id,time_start,time_end\na,b,1\n", "k.csv:2: a field is missing"),
        ("label,youtube_id,time_start,time_end\na,b,x,2\n", "k.csv:2: could not convert"),
        ("label,youtube_id,time_start,time_end,split\na,b,1,2,trian\n", "k.csv:2: unknown split 'trian'"),
        ("label,youtube_id,time_start,time_end\n", "no rows"),
        ("", "k.csv:1: no column"),
    ],
)
def test_malformed_kinetics(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        import_clips(tree(tmp_path, text={"k.csv": text}) / "k.csv", "kinetics", Options())


@pytest.mark.parametrize(("name", "kind"), [("something-something-v1", "something-v1"), ("jester-v1", "jester")])
def test_something_v1_and_jester(tmp_path: Path, name: str, kind: str) -> None:
    text = {
        f"{name}-labels.csv": "Swiping Left\nHolding something\n",
        f"{name}-train.csv": "34870;Swiping Left\n56557;Swiping Lft\n",
        f"{name}-validation.csv": "9;Holding something\n",
        f"{name}-test.csv": "10\n11\n",
    }
    tree(tmp_path, f"20bn-{name}/34870/00001.jpg", text=text)
    imported = import_clips(tmp_path, kind, Options(template="{:05d}.jpg"))
    assert table(imported, tmp_path) == [
        (f"20bn-{name}/34870/{{:05d}}.jpg", "Swiping Left", "train"),
        (f"20bn-{name}/9/{{:05d}}.jpg", "Holding something", "val"),
    ]
    assert imported.entries[0].row.fps == 12.0
    assert f"{name}-train.csv:2: label 'Swiping Lft' is not one of the 2 classes" in notes(imported)
    assert f"{name}-test.csv: 2 clips without labels were left out" in notes(imported)
    assert list(missing_files(imported.entries)) == [1]
    (tmp_path / f"{name}-validation.csv").write_text("9\n")
    with pytest.raises(UserError, match=r"validation.csv:1: found '9', expected 'id;label'"):
        import_clips(tmp_path, kind, Options())


def test_something_v2(tmp_path: Path) -> None:
    name = "something-something-v2"
    clips = [
        {"id": "78687", "label": "holding potato", "template": "Holding [something] next to [something]"},
        {"id": "42326", "label": "x", "template": "Approaching [something]"},
        {"id": "1", "label": "x", "template": "Aproaching [something]"},
    ]
    text = {
        f"labels/{name}-labels.json": json.dumps(
            {"Approaching something": "0", "Holding something next to something": "1"}
        ),
        f"labels/{name}-train.json": json.dumps(clips),
        f"labels/{name}-validation.json": json.dumps(clips[:1]),
        f"labels/{name}-test.json": json.dumps([{"id": "5"}]),
    }
    tree(tmp_path, f"20bn-{name}/78687.webm", text=text)
    imported = import_clips(tmp_path, "something-v2", Options())
    assert table(imported, tmp_path) == [
        (f"20bn-{name}/78687.webm", "Holding something next to something", "train"),
        (f"20bn-{name}/42326.webm", "Approaching something", "train"),
        (f"20bn-{name}/78687.webm", "Holding something next to something", "val"),
    ]
    assert imported.classes == ("Approaching something", "Holding something next to something")
    assert "item 3 (id 1): label 'Aproaching something' is not one of the 2 classes" in notes(imported)
    (tmp_path / f"labels/{name}-train.json").write_text('[{"id": "1"},\n')
    with pytest.raises(UserError, match=r"train.json:2: not JSON"):
        import_clips(tmp_path, "something-v2", Options())
    (tmp_path / f"labels/{name}-train.json").write_text('{"id": "1"}')
    with pytest.raises(UserError, match=r"train.json: expected JSON such as"):
        import_clips(tmp_path, "something-v2", Options())
