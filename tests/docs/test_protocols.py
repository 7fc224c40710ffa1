"""The commands of `The papers' protocols` in docs/data.md run, on tiny sets that are laid out as the real ones."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from kinesics.cli import main
from kinesics.data.manifest import read_manifest
from kinesics.video.write import write_video
from tests.docs.test_commands import ROOT, lines_of, words_of
from tests.docs.test_extending import python
from tests.docs.test_walks import ready
from tests.tiny import moving_square

PAGE = ROOT / "docs" / "data.md"
SECTION = re.search(r"^## The papers' protocols\n(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
KINETICS = ("brush painting", "wave", "yoga")
HEAD = "label,youtube_id,time_start,time_end,split\n"


def section() -> str:
    """The text of the section."""
    assert SECTION is not None
    return SECTION[1]


def snippet() -> str:
    """The Python lines of the section."""
    found = re.findall(r"```python\n(.*?)```", section(), flags=re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def clip(path: Path, number: int, *, size: int = 48) -> None:
    """A clip of its own, of one of two movements, by its number."""
    write_video(path, moving_square("left" if number % 2 else "right", number, size=size), fps=12)


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run one command; gives what it prints."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    printed = capsys.readouterr()
    assert not stop.value.code, f"kinesics {' '.join(words)}\n{printed.err[-2000:]}\n{printed.out[-500:]}"
    return printed.out


def make_kinetics(folder: Path, per_class: int = 2) -> None:
    """Three classes: clips for training and one for validation each, and one that is listed and gone."""
    lines: dict[str, list[str]] = {"train": [], "validate": []}
    for place, name in enumerate(KINETICS):
        for number in range(per_class + 2):
            split = "validate" if number == per_class else "train"
            lines[split].append(f"{name},id{place}{number},10,20,{split}\n")
            if number <= per_class:
                clip(folder / name.replace(" ", "_") / f"id{place}{number}_000010_000020.mp4", 10 * place + number)
    for split, rows in lines.items():
        (folder / f"{split}.csv").write_text(HEAD + "".join(rows))
    (folder.parent / "classes.txt").write_text("brush painting\nyoga\n")


def test_mini_kinetics_holds_the_chosen_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_kinetics(tmp_path / "kinetics")
    monkeypatch.chdir(tmp_path)
    python(tmp_path, snippet())
    (line,) = (text for _, text in lines_of(PAGE) if text.startswith("kinesics prepare mini "))
    run([*words_of(line), "--num-workers", "1"], capsys)
    manifest = read_manifest(tmp_path / "mini.csv")
    assert manifest.classes == ("brush painting", "yoga")
    assert (len(manifest.items("train")), len(manifest.items("val"))) == (4, 2)
    assert sum(not row.usable for row in manifest.rows) == 2
    assert all(item.path.is_file() for item in manifest.items())


def make_hmdb(folder: Path) -> None:
    """Two classes of six clips; clip k is tested in split k, and clips 4 and 5 only in the first."""
    for place, name in enumerate(("brush_hair", "wave")):
        for number in range(6):
            clip(folder / "hmdb51_org" / name / f"{name}_{number}.avi.mp4", 10 * place + number)
        for split in (1, 2, 3):
            lines = [f"{name}_{n}.avi.mp4 {2 if n == split or (n > 3 and split == 1) else 1}" for n in range(6)]
            path = folder / "testTrainMulti_7030_splits" / f"{name}_test_split{split}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines))


def make_something(folder: Path) -> None:
    """Versions 1 (folders of frames) and 2 (webm), two classes of two clips for training and one for validation."""
    classes = ("Holding something", "Moving something")
    one, two = folder / "ssv1", folder / "ssv2"
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "validation": []}
    for number in range(6):
        splits["train" if number < 4 else "validation"].append((str(number), classes[number % 2]))
        clip(two / "20bn-something-something-v2" / f"{number}.mp4", number)
        (two / "20bn-something-something-v2" / f"{number}.mp4").rename(
            two / "20bn-something-something-v2" / f"{number}.webm"
        )
        frames = one / "20bn-something-something-v1" / str(number)
        frames.mkdir(parents=True)
        for place, frame in enumerate(moving_square("left" if number % 2 else "right", number, size=48), 1):
            Image.fromarray(frame).save(frames / f"{place:05d}.jpg")
    (one / "something-something-v1-labels.csv").write_text("\n".join(classes))
    (two / "something-something-v2-labels.json").write_text(
        json.dumps({name: str(i) for i, name in enumerate(classes)})
    )
    for split, rows in splits.items():
        text = "".join(f"{name};{label}\n" for name, label in rows)
        (one / f"something-something-v1-{split}.csv").write_text(text)
        items = [{"id": name, "template": label.replace("something", "[something]")} for name, label in rows]
        (two / f"something-something-v2-{split}.json").write_text(json.dumps(items))


@pytest.mark.slow
def test_all_commands_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("pointing", "gesture", "nod", "stop")):
        for index in range(3):
            clip(tmp_path / ("pev" if number < 2 else "ma10") / name / f"{index}.mp4", 10 * number + index)
    make_hmdb(tmp_path / "hmdb")
    make_something(tmp_path)
    make_kinetics(tmp_path / "kinetics")
    monkeypatch.chdir(tmp_path)
    python(tmp_path, snippet())
    lines = [text for _, text in lines_of(PAGE) if text in section() and len(words_of(text)) > 3]
    assert len(lines) > 20
    for text in lines:
        if text.startswith("kinesics fuse rgb/split-1"):
            for stream in ("rgb", "of"):
                shutil.copytree(tmp_path / "hmdb-kpsem", tmp_path / stream)
                for test in (tmp_path / stream).glob("split-*/test-one"):
                    test.rename(test.with_name("test-25x10"))
        printed = run(ready(text, tmp_path), capsys)
        if text.startswith("kinesics splits"):
            assert "of 3 official splits" in printed
