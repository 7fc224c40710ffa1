"""The page without a browser: its numbers, names and links, and its notes on what is missing."""

from __future__ import annotations

import dataclasses
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from kinesics.analysis.fuse import fuse as fuse_runs
from kinesics.cli.commands import COMMANDS
from kinesics.data.manifest import read_manifest
from kinesics.errors import UserError
from kinesics.metrics.accuracy import pool
from kinesics.reporting.build import report
from kinesics.reporting.page import confusions, view_text
from kinesics.reporting.previews import write_previews
from kinesics.reporting.report_data import MAX_CLIPS, gather
from kinesics.values import Scores, VideoItem
from kinesics.video.reader import open_video
from kinesics.video.view_plan import ViewPlan
from kinesics.video.write import write_video
from tests.metrics.test_accuracy import scores_of
from tests.metrics.test_significance import two_runs

EMPTY = {"meta", "link", "img", "br", "input"}
MARKUP_NAME = "<script>alert(1)</script>\"'&amp; $\\x$ ]]>"


class Page(HTMLParser):
    """The elements of a page: (tag, attributes, text). It checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        texts: list[str] = []
        self.elements.append((tag, dict(attrs), texts))
        if tag not in EMPTY:
            self.open.append((tag, texts))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, texts in self.open:
            texts.append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        """The elements of a tag with these attributes, and their text."""
        return [
            (attrs, " ".join("".join(text).split()))
            for name, attrs, text in self.elements
            if name == tag and all(attrs.get(k.rstrip("_")) == v for k, v in attributes.items())
        ]


def page_of(path: Path) -> Page:
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.open
    return page


def score_run(folder: Path, scores: Scores) -> Path:
    scores.save(folder / "test-one" / "scores.npz")
    return folder


@pytest.fixture(scope="module")
def tiny_page(tiny_runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(tiny_runs, tmp_path_factory.mktemp("report"), device="cpu", clips=3)


def test_numbers_equal_scikit_learn_and_torchmetrics(tmp_path: Path) -> None:
    scores, _, labels = two_runs(11, num_videos=90)
    page = page_of(report([score_run(tmp_path / "a", scores)], tmp_path / "out"))
    figures = {
        attrs["data-figure"]: float(str(attrs["data-value"])) for attrs, _ in page.all("td") if attrs.get("data-figure")
    }
    logits, truth = torch.from_numpy(scores.logits), torch.from_numpy(labels)
    assert figures["top1"] == pytest.approx(accuracy_score(labels, scores.logits.argmax(1)))
    assert figures["mean_class_accuracy"] == pytest.approx(float(MulticlassAccuracy(4, average="macro")(logits, truth)))
    assert figures["macro_f1"] == pytest.approx(float(MulticlassF1Score(4, average="macro")(logits, truth)))
    assert figures["macro_f1"] == pytest.approx(f1_score(labels, scores.logits.argmax(1), average="macro"))
    error = MulticlassCalibrationError(4, n_bins=15)(torch.from_numpy(scores.probs()), truth)
    gaps = [float(str(attrs["data-value"])) for attrs, _ in page.all("strong") if "data-value" in attrs]
    assert gaps == [pytest.approx(float(error), abs=1e-5)]
    text = next(text for attrs, text in page.all("td") if attrs.get("data-figure") == "top1")
    assert text.startswith(f"{100 * figures['top1']:.1f} ")


def test_the_page_is_complete_and_makes_no_requests(tiny_page: Path) -> None:
    page = page_of(tiny_page)
    assert len(page.all("h1")) == 1
    links = [attrs.get(key) for _, attrs, _ in page.elements for key in ("src", "href", "poster") if attrs.get(key)]
    assert links
    for link in links:
        assert link is not None
        assert link.startswith(("#", "data:")) or (tiny_page.parent / link).is_file(), link
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert all(str(attrs["href"])[1:] in ids for attrs, _ in page.all("a"))
    assert all(attrs.get("alt") for attrs, _ in page.all("img"))
    assert "http" not in tiny_page.read_text().replace("http-equiv", "")


def test_the_page_has_the_commands_and_facts_of_trained_runs(
    tiny_page: Path, tiny_runs: tuple[Path, Path], tiny_set: Path
) -> None:
    page, text = page_of(tiny_page), tiny_page.read_text()
    assert not page.all("aside")
    commands = [" ".join(text.split()) for _, text in page.all("code")]
    assert f"kinesics test {tiny_runs[1]} --split test --views one" in commands
    train = next(each for each in commands if each.startswith("kinesics train tsm"))
    assert f"--data {tiny_set.resolve()} --out {tiny_runs[1]} --backbone resnet18 --weights None" in train
    assert "tsm_resnet18" in text
    assert "2 of 2" in text
    assert re.search(r"CPU \(.*\), \d+ threads?", text)
    names = {path.name for path in (tiny_page.parent / "figures").iterdir()}
    assert names == {"classes.png", "reliability.png", "tradeoff.png"} | {
        f"{kind}-{number}.png" for kind in ("curves", "confusion") for number in (1, 2)
    }
    assert all(cv2.imread(str(tiny_page.parent / "figures" / name)) is not None for name in names)


def test_previews_are_small_copies_of_the_hardest_clips(tiny_page: Path, tiny_set: Path) -> None:
    page = page_of(tiny_page)
    cards = [attrs for attrs, _ in page.all("li", class_="clip")]
    assert len(cards) == 4
    videos = page.all("video")
    assert len(videos) == 3  # `clips` of the fixture
    reader = open_video(tiny_page.parent / str(videos[0][0]["src"]))
    assert (reader.num_frames, reader.height) == (12, 160)
    assert reader.duration_seconds == pytest.approx(1.0)
    losses = [float(text) for text in re.findall(r"loss ([\d.]+)</small>", tiny_page.read_text())]
    means = [(a + b) / 2 for a, b in zip(losses[::2], losses[1::2], strict=True)]
    assert means == pytest.approx(sorted(means, reverse=True), abs=0.011)


def test_confused_cells_and_cards_agree(tmp_path: Path) -> None:
    scores, other, labels = two_runs(12)
    page = page_of(report([score_run(tmp_path / "a", scores), score_run(tmp_path / "b", other)], tmp_path / "out"))
    answers = [each.logits.argmax(axis=1) for each in (scores, other)]
    cards = [attrs for attrs, _ in page.all("li", class_="clip")]
    cells = [(attrs, text) for attrs, text in page.all("button", class_="show") if attrs.get("data-run")]
    assert cells
    for attrs, text in cells:
        run, true, answer = (int(str(attrs[f"data-{name}"])) for name in ("run", "true", "answer"))
        assert int(text) == ((labels == true) & (answers[run] == answer)).sum()
        matching = [
            c for c in cards if c["data-true"] == str(true) and str(c["data-answers"]).split(";")[run] == str(answer)
        ]
        assert len(matching) == int(text)
    counts = {
        attrs["data-outcome"]: int(text) for attrs, text in page.all("button", class_="show") if "data-outcome" in attrs
    }
    is_correct = [each == labels for each in answers]
    assert counts == {
        "1:0": (is_correct[1] & ~is_correct[0]).sum(),
        "0:1": (is_correct[0] & ~is_correct[1]).sum(),
    }


def test_names_are_always_text(tmp_path: Path) -> None:
    scores, other, _ = two_runs(13)
    ids = (MARKUP_NAME, *scores.ids[1:])
    changed = [dataclasses.replace(each, ids=ids, classes=(MARKUP_NAME, "b", "c", "d")) for each in (scores, other)]
    runs = [score_run(tmp_path / "<b>run $x", changed[0]), score_run(tmp_path / "b", changed[1])]
    path = report(runs, tmp_path / "out")
    page = page_of(path)
    scripts = page.all("script")
    assert len(scripts) == 1
    assert "alert(1)" not in scripts[0][1]
    assert not page.all("b")
    assert any(attrs.get("data-id") == MARKUP_NAME for attrs, _ in page.all("li"))
    assert any(text == MARKUP_NAME for _, text in page.all("option"))
    assert "<script>alert" not in path.read_text()


def test_the_page_notes_what_is_missing(tiny_runs: tuple[Path, Path], tiny_set: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_runs[0], tmp_path / "run")
    folder = shutil.copytree(tiny_set.parent, tmp_path / "set")
    (folder / "clips" / "left_6.mp4").unlink()
    (folder / "clips" / "right_6.mp4").write_bytes(b"nonsense")
    page = page_of(report([run], tmp_path / "out", data=folder / "set.csv", device="cpu"))
    reasons = [text for _, text in page.all("p", class_="none")]
    assert len(reasons) == 2
    assert any("left_6.mp4: no such file" in reason for reason in reasons)
    assert len(page.all("video")) == 2
    alone = score_run(tmp_path / "alone", scores_of([0, 1, -1], np.eye(3)))
    notes = page_of(report([alone], tmp_path / "other")).all("aside")[0][1]
    for note in ("1 clips have no label", "no recipe.json", "no model", "manifest of the clips was not found"):
        assert note in notes
    lines = (folder / "set.csv").read_text().splitlines()
    (folder / "set.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert "has changed since" in gather([run], data=folder / "set.csv", device="cpu").notes[0]


def test_a_preview_of_a_long_clip_is_short_and_has_a_lower_rate(tmp_path: Path) -> None:
    frames = (np.full((24, 32, 3), number % 250, dtype=np.uint8) for number in range(720))
    write_video(tmp_path / "long.mp4", frames, fps=60)
    items = [
        VideoItem("long", tmp_path / "long.mp4"),
        VideoItem("part", tmp_path / "long.mp4", start_seconds=1.0, end_seconds=3.0),
    ]
    previews = write_previews(items, tmp_path)
    assert (previews["long"].seconds, previews["long"].whole) == (pytest.approx(10.0), False)
    assert (previews["part"].seconds, previews["part"].whole) == (pytest.approx(2.0), True)
    reader = open_video(tmp_path / previews["long"].video)
    assert (reader.num_frames, reader.fps, reader.height, reader.width) == (300, 30, 160, 214)
    first = open_video(tmp_path / previews["part"].video).frames_at(torch.tensor([0]))
    assert float(first.float().mean()) == pytest.approx(60, abs=3)  # the part begins at frame 60
    picture = cv2.imread(str(tmp_path / previews["part"].picture))
    assert picture is not None
    assert picture.mean() == pytest.approx(120, abs=4)


def test_new_previews_replace_old_ones(tiny_set: Path, tmp_path: Path) -> None:
    items = read_manifest(tiny_set).items("test")
    write_previews(items, tmp_path)
    other_file = tmp_path / "previews" / "holiday.mp4"
    other_file.write_bytes(b"mine")
    write_previews(items[:1], tmp_path)
    assert {path.name for path in other_file.parent.iterdir()} == {"0000.mp4", "0000.jpg", "holiday.mp4"}


def test_the_page_of_a_cross_validation_and_of_a_fused_run(tiny_runs: tuple[Path, Path], tmp_path: Path) -> None:
    scores = [Scores.load(run / "test-one" / "scores.npz") for run in tiny_runs]
    for number, run in enumerate(tiny_runs):
        shutil.copytree(run, tmp_path / "folds" / f"fold-{number}", ignore=shutil.ignore_patterns("last"))
    renamed = dataclasses.replace(scores[1], ids=tuple(f"other {name}" for name in scores[1].ids))
    pool([scores[0], renamed]).save(tmp_path / "folds" / "scores.npz")
    page = page_of(report([tmp_path / "folds"], tmp_path / "out", device="cpu"))
    command = page.all("code")[0][1]
    assert command.startswith("kinesics cross-validate tsn --data ")
    assert f"--out {tmp_path / 'folds'} --views one" in command
    assert "8 clips of 2 classes: all folds, views one." in [text for _, text in page.all("p")]
    assert len(page.all("video")) == 4  # the other four are in no manifest

    fuse_runs(tiny_runs, tmp_path / "fused")
    page = page_of(report([tmp_path / "fused", tiny_runs[1]], tmp_path / "both", device="cpu"))
    assert f"fused was fused from {tiny_runs[0]}, {tiny_runs[1]}" in page.all("aside")[0][1]
    assert len(page.all("video")) == 4


def test_views_in_words_are_width_by_height() -> None:
    plan = ViewPlan(num_segments=8, resize="256x224", size="256x224")
    assert view_text(plan.to_dict()) == "; each 8 time steps of 256×224 pixels, centre crop"
    assert view_text({"resize": 256, "size": 224}) == "; each 8 time steps of 224×224 pixels, centre crop"


def test_many_classes_and_clips(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(60, size=700)
    scores = scores_of(labels.tolist(), random.normal(size=(700, 60)) + 4 * np.eye(60)[labels])
    run = score_run(tmp_path / "a", scores)
    page, report_data = page_of(report([run], tmp_path / "out")), gather([run])
    assert not page.all("table", class_="confusion")  # a picture and a list instead
    assert page.all("img", src="figures/confusion-1.png")
    assert len(page.all("li", class_="clip")) == MAX_CLIPS
    is_wrong = scores.logits.argmax(1) != labels
    page_ids = {clip.id for clip in report_data.clips}
    assert {name for name, wrong in zip(scores.ids, is_wrong, strict=True) if wrong} <= page_ids
    counts = [confusion.count for confusion in confusions(report_data.runs[0])]
    assert counts == sorted(counts, reverse=True)


def test_multi_label_runs_have_no_matrix(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    targets = random.random((20, 3)) < 0.5
    targets[:, 0] |= ~targets.any(axis=1)
    logits = random.normal(size=(20, 3)) + 2 * targets
    both_scores = [scores_of([0] * 20, logits * scale, targets=targets, multi_label=True) for scale in (1, -1)]
    runs = [score_run(tmp_path / name, scores) for name, scores in zip(("a", "b"), both_scores, strict=True)]
    path = report(runs, tmp_path / "out")
    page = page_of(path)
    assert not page.all("table", class_="confusion")
    assert {attrs["data-figure"] for attrs, _ in page.all("td") if attrs.get("data-figure")} == {
        "mean_average_precision",
        "exact_match",
        "macro_f1",
    }
    card = page.all("li", class_="clip")[0][0]
    row = both_scores[0].ids.index(str(card["data-id"]))
    assert str(card["data-true"]).split() == [str(k) for k in np.flatnonzero(targets[row])]


def test_the_command(tiny_runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tiny_runs[0]), "--out", str(tmp_path / "r"), "--clips", "1", "--device", "cpu"]
    COMMANDS["report"].run(words)
    assert str(tmp_path / "r" / "index.html") in capsys.readouterr().out
    with pytest.raises(UserError, match="is a file"):
        report(tiny_runs, tmp_path / "r" / "index.html")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>my page</h1>")
    with pytest.raises(UserError, match="is not a report"):
        report(tiny_runs, tmp_path / "site")
    with pytest.raises(UserError, match="expected one run or more, found none"):
        report([], tmp_path / "r")
    with pytest.raises(UserError, match=r"no scores of split val with views one; `kinesics test .*`"):
        report(tiny_runs, tmp_path / "r", split="val")
    with pytest.raises(UserError, match="clips: expected 0 or more, found -1"):
        report(tiny_runs, tmp_path / "r", clips=-1)
