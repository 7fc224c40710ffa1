"""Every command of README and docs is run on a tiny set, in the order of its page (test_extending.py: extending.md).

A training gets one epoch of small pictures and no downloaded weights; all else is as the page has it.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from kinesics.cli import main
from kinesics.video.write import write_video
from tests.docs.test_commands import ROOT, lines_of, words_of
from tests.tiny import moving_square

pytestmark = pytest.mark.slow

CLASSES = ("nod", "shake_head", "lean_in")
PEOPLE = 5
SMALL = ["--epochs", "1", "--batch-size", "8", "--resize", "64", "--size", "64"]
PREPARE = "kinesics prepare clips/ --out set.csv --format folder --group-pattern '(person\\d+)' --split group --folds 5"
TRAIN = "kinesics train tsm --data set.csv --out {0} --backbone resnet18"
FLOW = "kinesics flow set.csv --out flow"

BEFORE = {
    "README.md": [*(TRAIN.format(name) for name in ("other", "rgb")), "kinesics test other", "kinesics test rgb"],
    "calibration.md": [PREPARE, TRAIN.format("run")],
    "explain.md": [PREPARE, TRAIN.format("run")],
    "few-clips.md": [PREPARE],
    "gallery.md": [
        PREPARE,
        FLOW,
        "kinesics train stp_rgb --data set.csv --out stp",
        *(f"kinesics train {name} --data set.csv --out {name}" for name in ("tsn", "tefe", "mlfe", "kpsem", "mdt")),
        "kinesics train stp_flow --data set.csv --flow flow --out stp_flow",
    ],
    "report.md": [
        PREPARE,
        *(TRAIN.format(name) for name in ("run", "other", "third")),
        *(f"kinesics test {name}" for name in ("run", "other", "third")),
    ],
    "systems.md": [PREPARE],
}
"""What a page takes as given: what someone who reads it has done before, by the README."""
AFTER = {
    "README.md": {
        "kinesics prepare": BEFORE["README.md"],
        "kinesics train stp_flow": ["kinesics test of"],
    },
    "systems.md": {"kinesics train tefe16": ["kinesics test eight", "kinesics test sixteen"]},
}
"""What has to be done after some lines of a page, so that later lines have what they name."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of three classes and five people, with all the names that the pages use."""
    folder = tmp_path_factory.mktemp("walk")
    rows = []
    for number, label in enumerate(CLASSES):
        for person in range(PEOPLE):
            path = folder / "clips" / label / f"person{person}.mp4"
            write_video(path, moving_square("left" if number else "right", 10 * number + person, size=64), fps=12)
            rows.append((path.relative_to(folder).as_posix(), label, f"person{person}"))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "subject"), *rows])
    with (folder / "other.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((path, "rest") for path, label, _ in rows if label == "nod")])
    first = folder / rows[0][0]
    for name in ("video.mp4", "recording.mp4", "new/a.mp4", "new/b.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(first, folder / name)
    return folder


def ready(text: str, folder: Path) -> list[str]:
    """The words of a line as this test runs it: a training is made small."""
    words = ["tsm_resnet50" if word == "MODEL" else word for word in words_of(text)]
    if words[0] in ("train", "cross-validate", "splits"):
        if "--weights" in words and not (folder / words[words.index("--weights") + 1]).exists():
            place = words.index("--weights")
            del words[place : place + 2]
        words += SMALL if "few" not in words else ["--epochs", "1"]
        words += [] if "few" in words else ["--weights", "None"]
    return words


@pytest.mark.parametrize("page", list(BEFORE))
def test_the_commands_of_a_page_run_in_its_order(
    page: str, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(clips, tmp_path / "walk"))
    if page == "gallery.md":
        for label in CLASSES:
            for number in (0, 1, 6):
                shutil.copy(folder / "video.mp4", folder / "clips" / f"{label}_{number:04d}.mp4")
    monkeypatch.chdir(folder)
    place = ROOT / page if page == "README.md" else ROOT / "docs" / page
    lines = [(page, line) for line in BEFORE[page] if page != "README.md"]
    for at, text in lines_of(place):
        if len(words_of(text)) < 2 or text.rstrip().endswith("\\"):
            continue
        lines.append((at, text))
        for start, more in AFTER.get(page, {}).items():
            lines += [(at, line) for line in more] if text.startswith(start) else []
    assert len(lines) > len(BEFORE[page]) or page == "README.md"
    for at, text in lines:
        words = ready(text, folder)
        if words[0] == "train":  # two sections of a page may use one name
            shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
        with pytest.raises(SystemExit) as stop:
            main(words)
        printed = capsys.readouterr()
        assert not stop.value.code, f"{at}: kinesics {' '.join(words)}\n{printed.err[-2000:]}\n{printed.out[-500:]}"
