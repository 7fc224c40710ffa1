"""Importers of folders and lists, each on a small tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinesics.data.importers import FORMATS, import_clips
from kinesics.data.importers.source import Imported, Options, label_name, read_class_names
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


def test_class_folders(tmp_path: Path) -> None:
    names = ["nod/b10.mp4", "nod/b9.MP4", "nod/deep/er/c.avi", "wave/clip7/1.jpg", "wave/clip7/2.jpg", "wave/x.gif"]
    odd = ["nod/.hidden.mp4", "nod/read.me", "wave/clip7/video.mp4", "wave/single.png", "loose.mp4", ".git/x.mp4"]
    tree(tmp_path, *names, *odd)
    (tmp_path / "empty").mkdir()
    imported = import_clips(tmp_path, "folder", Options())
    assert table(imported, tmp_path) == [
        ("nod/b9.MP4", "nod", ""),
        ("nod/b10.mp4", "nod", ""),
        ("nod/deep/er/c.avi", "nod", ""),
        ("wave/clip7", "wave", ""),
        ("wave/x.gif", "wave", ""),
    ]
    messages = notes(imported)
    assert "1 skipped, neither video nor picture: nod/read.me" in messages
    assert "beside the frames of a frame folder: wave/clip7/video.mp4" in messages
    assert "a picture, not in a frame folder of its own: wave/single.png" in messages
    assert "not in a class folder: loose.mp4" in messages
    assert "2 skipped, hidden: .git, nod/.hidden.mp4" in messages
    assert f"{tmp_path / 'empty'}: no clip in this class folder" in messages


def test_a_folder_with_a_thumbnail_for_each_video_holds_videos(tmp_path: Path) -> None:
    tree(tmp_path, "nod/day/a.mp4", "nod/day/a.jpg", "nod/day/b.mp4", "nod/day/b.jpg")
    imported = import_clips(tmp_path, "folder", Options())
    assert [path for path, _, _ in table(imported, tmp_path)] == ["nod/day/a.mp4", "nod/day/b.mp4"]
    assert "2 skipped, a picture, not in a frame folder of its own: nod/day/a.jpg, nod/day/b.jpg" in notes(imported)


def test_folders_named_for_splits(tmp_path: Path) -> None:
    tree(tmp_path, "train/nod/a.mp4", "validation/nod/b.mp4", "test/wave/c.mp4")
    assert sorted(table(import_clips(tmp_path, "folder", Options()), tmp_path)) == [
        ("test/wave/c.mp4", "wave", "test"),
        ("train/nod/a.mp4", "nod", "train"),
        ("validation/nod/b.mp4", "nod", "val"),
    ]


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    tree(tmp_path, "nod/a.mp4")
    (tmp_path / "nod/again").symlink_to(tmp_path / "nod")
    imported = import_clips(tmp_path, "folder", Options())
    assert len(imported.entries) == 1
    assert "a link to a folder above it: nod/again" in notes(imported)


def test_a_template_names_the_frames(tmp_path: Path) -> None:
    tree(tmp_path, "nod/c1/img_1.jpg", "nod/c1/img_2.jpg")
    imported = import_clips(tmp_path, "folder", Options(template="img_{:d}.jpg"))
    assert table(imported, tmp_path) == [("nod/c1/img_{:d}.jpg", "nod", "")]
    assert not missing_files(imported.entries)


@pytest.mark.parametrize("template", ["img.jpg", "img_{}_{}.jpg", "{x}.jpg", "a/{:d}.jpg", "{", "{:q}"])
def test_a_template_without_a_number_is_reported(tmp_path: Path, template: str) -> None:
    with pytest.raises(UserError, match="is no template of frame names"):
        import_clips(tmp_path, "folder", Options(template=template))


def test_folders_without_clips_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no clip found; expected one folder for each class"):
        import_clips(tmp_path, "folder", Options())
    tree(tmp_path, "a.mp4")
    with pytest.raises(UserError, match="its videos are not in class folders"):
        import_clips(tmp_path, "folder", Options())
    with pytest.raises(UserError, match=r"found a file; expected a folder"):
        import_clips(tmp_path / "a.mp4", "folder", Options())
    tree(tmp_path, "a|b/c.mp4")
    with pytest.raises(UserError, match="rename the folder"):
        import_clips(tmp_path, "folder", Options())


def test_csv_with_other_columns(tmp_path: Path) -> None:
    tree(tmp_path, "in/a.mp4", text={"in/labels.csv": "file,label,subject,flip\na.mp4,nod,s1,0\ngone.mp4,wave,s2,1\n"})
    options = Options(columns={"path": "file", "group": "subject"})
    imported = import_clips(tmp_path / "in/labels.csv", "auto", options)
    assert table(imported, tmp_path) == [("in/a.mp4", "nod", ""), ("in/gone.mp4", "wave", "")]
    assert [entry.row.group for entry in imported.entries] == ["s1", "s2"]
    assert {i: str(p) for i, p in missing_files(imported.entries).items()} == {
        1: f"{tmp_path / 'in/labels.csv'}:3: no such file: {tmp_path / 'in/gone.mp4'}"
    }


def test_csv_with_numbers_and_class_names(tmp_path: Path) -> None:
    tree(tmp_path, text={"x.csv": "path,label\na.mp4,1\nb.mp4,2\nc.mp4,-1\nd.mp4,wave\n", "names.txt": "nod\nwave\n"})
    imported = import_clips(tmp_path / "x.csv", "csv", Options(class_names=tmp_path / "names.txt"))
    assert [label for _, label, _ in table(imported, tmp_path)] == ["wave", "wave"]
    assert imported.classes == ("nod", "wave")
    assert [problem.line for problem in imported.problems] == [3, 4]
    assert "x.csv:3: label 2 is out of range: there are 2 classes, 0 to 1" in notes(imported)


def test_list_of_videos(tmp_path: Path) -> None:
    lines = "a b.mp4 0\n\nsub/c.mp4 1\nmy clip 3.mp4 1\n"
    imported = import_clips(tree(tmp_path, text={"list.txt": lines}) / "list.txt", "list", Options())
    assert table(imported, tmp_path) == [("a b.mp4", "0", ""), ("sub/c.mp4", "1", ""), ("my clip 3.mp4", "1", "")]
    assert [entry.row.line for entry in imported.entries] == [1, 3, 4]


def test_list_of_frame_folders(tmp_path: Path) -> None:
    text = {"l.txt": "frames/v 1 140 1\nframes/v2 9 0\nframes/v3 9 2\n", "names.txt": "0 nod\n1 wave\n"}
    tree(tmp_path, "frames/v 1/img_00001.jpg", text=text)
    options = Options(template="img_{:05d}.jpg", class_names=tmp_path / "names.txt")
    imported = import_clips(tmp_path / "l.txt", "list", options)
    assert table(imported, tmp_path) == [
        ("frames/v 1/img_{:05d}.jpg", "wave", ""),
        ("frames/v2/img_{:05d}.jpg", "nod", ""),
    ]
    assert [entry.row.num_frames for entry in imported.entries] == [140, 9]
    assert notes(imported) == f"{tmp_path / 'l.txt'}:3: label 2 is out of range: there are 2 classes, 0 to 1"
    assert list(missing_files(imported.entries)) == [1]


def test_folder_of_lists_and_a_root(tmp_path: Path) -> None:
    tree(tmp_path, "media/a.mp4", text={"l/train.txt": "a.mp4 nod\n", "l/kinetics_val_list.txt": "b.mp4 nod\n"})
    imported = import_clips(tmp_path / "l", "list", Options(root=tmp_path / "media"))
    assert sorted(table(imported, tmp_path)) == [("media/a.mp4", "nod", "train"), ("media/b.mp4", "nod", "val")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4\n", "l.txt:1: found 'a.mp4', expected 'path label'"),
        ("", "l.txt: the list is empty"),
        ("a\0b 1\n", "l.txt: not a text file"),
    ],
)
def test_malformed_lists(tmp_path: Path, text: str, message: str) -> None:
    tree(tmp_path, text={"l.txt": text})
    with pytest.raises(UserError, match=message):
        import_clips(tmp_path / "l.txt", "list", Options())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nod\nwave hand\n", ("nod", "wave hand")),
        ("1 nod\n2 wave hand\n", ("nod", "wave hand")),
        ("0, nod\n1, wave\n", ("nod", "wave")),
        ("2 people\n3 people\n", ("2 people", "3 people")),
    ],
)
def test_class_names(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    assert read_class_names(tree(tmp_path, text={"n.txt": text}) / "n.txt") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "n.txt:3: the class 'a' is already in line 1"),
        ("1 a\n3 b\n", "n.txt:2: expected class number 2, found 3"),
        ("", "no cl"),
    ],
)
def test_malformed_class_names(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_class_names(tree(tmp_path, text={"n.txt": text}) / "n.txt")


def test_labels_by_number_and_name() -> None:
    assert label_name("007", None) == "7"
    assert label_name("1", ("a", "b")) == "b"
    assert label_name("b", ("a", "b")) == "b"
    assert label_name("1", ("1", "0")) == "1"  # a class with this name
    with pytest.raises(ValueError, match="labels count from 0"):
        label_name("-1", None)
    with pytest.raises(ValueError, match="not one of the 2 classes"):
        label_name("c", ("a", "b"))


def test_ma52(tmp_path: Path) -> None:
    text = {
        "annotations/train_list_videos.txt": "train0001.mp4 0\ntrain0002.mp4 51\ntrain0003.mp4 52\n",
        "annotations/val_list_videos.txt": "val0001.mp4 3\n",
        "annotations/test_list_videos.txt": "test0001.mp4\n",
    }
    tree(tmp_path, "train/train0001.mp4", "train/train0002.mp4", "val/val0001.mp4", text=text)
    imported = import_clips(tmp_path, "ma52", Options())
    assert sorted(table(imported, tmp_path)) == [
        ("train/train0001.mp4", "0", "train"),
        ("train/train0002.mp4", "51", "train"),
        ("val/val0001.mp4", "3", "val"),
    ]
    assert "train_list_videos.txt:3: label 52 is out of range: there are 52 classes, 0 to 51" in notes(imported)
    assert "test_list_videos.txt: 1 clips without labels were left out" in notes(imported)


def test_pev_takes_the_observers_view_and_three_folds(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "third-person/Pointing/1.mp4",
        "third-person/gesture/2.mp4",
        "first_person/pointing/1.mp4",
        "readme/a.mp4",
    )
    imported = import_clips(tmp_path, "pev", Options())
    assert sorted(table(imported, tmp_path)) == [
        ("third-person/Pointing/1.mp4", "pointing", ""),
        ("third-person/gesture/2.mp4", "gesture", ""),
    ]
    assert imported.folds == 3
    assert imported.classes is not None
    assert len(imported.classes) == 7
    assert "1 clips of the actor's view were left out" in notes(imported)
    assert "1 skipped, no class folders in them: readme" in notes(imported)


def test_ma10_from_lists_of_folds(tmp_path: Path) -> None:
    text = {"fold1.txt": "a/1.mp4 0\na/2.mp4 Shake_Head\n", "fold3.txt": "b/3.mp4 HandSalute\nb/4.mp4 Sit\n"}
    tree(tmp_path, "a/1.mp4", "a/2.mp4", "b/3.mp4", "b/4.mp4", text=text)
    imported = import_clips(tmp_path, "ma10", Options())
    assert [(entry.row.labels[0], entry.row.fold) for entry in imported.entries] == [
        ("applaud", 1),
        ("shake-head", 1),
        ("hand-salute", 3),
    ]
    assert imported.folds is None
    assert "fold3.txt:2: unknown class 'Sit'; expected applaud" in notes(imported)
    alone = import_clips(tmp_path / "fold1.txt", "ma10", Options())
    assert len(alone.entries) == 2


def test_ma10_from_class_folders_however_they_are_spelt(tmp_path: Path) -> None:
    tree(tmp_path, "ShrugShoulders/1.mp4", "throw up hands/2.mp4", "sit/3.mp4", text={"readme.txt": "Hello."})
    imported = import_clips(tmp_path, "ma10", Options())
    assert [entry.row.labels[0] for entry in imported.entries] == ["shrug-shoulders", "throw-up-hands"]
    assert "unknown class 'sit'; expected applaud" in notes(imported)


def test_formats_and_sources_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown format 'foldr'; did you mean 'folder'"):
        import_clips(tmp_path, "foldr", Options())
    for name in FORMATS:
        with pytest.raises(UserError, match="no such file or folder"):
            import_clips(tmp_path / "none", name, Options())
    with pytest.raises(UserError, match="unknown suffix"):
        import_clips(tree(tmp_path, "x.bin") / "x.bin", "auto", Options())


@pytest.mark.parametrize("name", list(FORMATS))
def test_no_importer_takes_an_empty_folder_or_a_binary_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 4)
    for source in ("empty", "binary"):
        with pytest.raises(UserError) as caught:
            import_clips(tmp_path / source, name, Options())
        assert str(tmp_path) in str(caught.value)
