"""Predictions: the same one by one, in batches and in tests; nothing stops for a broken file; resumable."""

from __future__ import annotations

import csv
import dataclasses
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kinesics
from kinesics.data.manifest import read_manifest
from kinesics.errors import KinesicsError, UserError, VideoError
from kinesics.inference.decoding import DecodedViews, ViewDecoder
from kinesics.inference.predictor import Outcome, Predictor
from kinesics.inference.results_file import done_paths, remaining, to_dict, to_line, write_predictions
from kinesics.inference.scorer import score
from kinesics.models.build import create_model
from kinesics.runs.model_file import Contract, save_model
from kinesics.values import Prediction, VideoItem
from kinesics.video.files import annotated_names, find_videos
from kinesics.video.reader import open_video
from kinesics.video.view_plan import ViewPlan
from kinesics.video.write import write_video
from kinesics.workers.pool import Alive
from tests.tiny import moving_square

PLAN = ViewPlan(num_segments=4, resize=32, size=32)


def make_run(
    folder: Path,
    *,
    multi_label: bool = False,
    modality: str = "rgb",
    plan: ViewPlan = PLAN,
    record: dict[str, Any] | None = None,
) -> Path:
    torch.manual_seed(0)
    model = create_model("tsm_resnet18", 3, modality=modality)
    torch.nn.init.normal_(model.head.fc.weight, std=0.05)  # type: ignore[arg-type, union-attr]
    contract = Contract(
        model="tsm_resnet18",
        arguments=model.arguments,
        classes=("left", "right", "nicken – ja"),
        multi_label=multi_label,
        modality=modality,
        mean=tuple(model.mean),
        std=tuple(model.std),
        plan={**plan.to_dict(), "modality": modality},
        record=record or {},
    )
    save_model(folder / "best", model.state_dict(), contract)
    return folder


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return kinesics.load(make_run(tmp_path_factory.mktemp("run")), device="cpu")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"clip_{index}.mp4" for index in range(5)]
    for index, path in enumerate(paths):
        write_video(path, moving_square("left", index, num_frames=6 + 3 * index, size=40), fps=10)
    return paths


def same(one: Prediction | None, other: Prediction | None) -> None:
    assert one is not None
    assert other is not None
    assert (one.path, one.labels, one.frame_indices) == (other.path, other.labels, other.frame_indices)
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert one.frame_seconds == pytest.approx(other.frame_seconds, abs=1e-6)


def test_one_video(predictor: Predictor, clips: list[Path]) -> None:
    found = predictor.predict(clips[2], top=None)
    assert set(found.labels) == set(predictor.classes) == {"left", "right", "nicken – ja"}
    assert sum(found.probabilities) == pytest.approx(1)
    assert list(found.probabilities) == sorted(found.probabilities, reverse=True)
    assert found.frame_indices == tuple(PLAN.frame_indices(12).flatten().tolist())
    assert found.frame_seconds == pytest.approx([index / 10 for index in found.frame_indices])
    assert predictor.predict(str(clips[2]), top=2).labels == found.labels[:2]
    assert len({predictor.predict(clip).probability for clip in clips}) == 5, "a test that could not fail otherwise"


MANY = ViewPlan(num_clips=2, num_segments=4, resize=32, size=28, crops=3, average="probs")


RECTANGLES = ViewPlan(num_segments=4, resize="48x40", size="40x24", crops=10)


@pytest.mark.parametrize("views", ["one", "two-clip", "whole-48x32", MANY, RECTANGLES])
def test_probabilities_are_those_of_a_test(predictor: Predictor, clips: list[Path], views: str | ViewPlan) -> None:
    items = [VideoItem(str(clip), clip) for clip in clips]
    plan = predictor.views(views)
    scores = score(predictor.model, items, predictor.classes, plan, num_workers=0)
    many = predictor.predict_many(clips, plan=views, top=None, batch_size=4, num_workers=1)
    for row, clip, outcome in zip(scores.probs(), clips, many, strict=True):
        found = dict(predictor.predict(clip, plan=plan, top=None))
        assert [found[name] for name in predictor.classes] == pytest.approx(row.tolist(), abs=1e-5)
        same(outcome.prediction, predictor.predict(clip, plan=plan, top=None))


@pytest.fixture(scope="module")
def singly(predictor: Predictor, clips: list[Path]) -> dict[Path, Prediction]:
    return {clip: predictor.predict(clip) for clip in clips}


@pytest.mark.parametrize(("num_workers", "batch_size"), [(0, 1), (0, 4), (1, 16), (2, 1), (2, 2), (7, 3)])
def test_many_are_as_one_and_in_order(
    predictor: Predictor, clips: list[Path], singly: dict[Path, Prediction], num_workers: int, batch_size: int
) -> None:
    order = [clips[3], clips[0], clips[0], clips[4], clips[1], clips[2]]
    outcomes = list(predictor.predict_many(order, num_workers=num_workers, batch_size=batch_size))
    assert [outcome.path for outcome in outcomes] == order
    for outcome in outcomes:
        same(outcome.prediction, singly[outcome.path])
    assert list(predictor.predict_many([], num_workers=num_workers)) == []


def test_frames_in_memory_are_as_the_folder_they_came_from(predictor: Predictor, tmp_path: Path) -> None:
    frames = np.stack(moving_square("right", 3, num_frames=9))
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{index:03d}.png"), frame[..., ::-1])
    from_folder = predictor.predict(tmp_path, fps=20)
    from_memory = predictor.predict(frames, fps=20)
    same(from_folder, dataclasses.replace(from_memory, path=str(tmp_path)))
    same(predictor.predict(torch.from_numpy(frames), fps=20), from_memory)
    assert from_memory.frame_seconds == pytest.approx([index / 20 for index in from_memory.frame_indices])


def test_a_model_of_rectangles_sees_frames_of_any_shape(tmp_path: Path) -> None:
    plan = ViewPlan(num_segments=4, resize="48x32", size="48x32")
    predictor = kinesics.load(make_run(tmp_path / "run", plan=plan), device="cpu")
    assert predictor.plan == plan
    seen = []
    hook = predictor.model.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    wide = np.stack(moving_square("right", 3, num_frames=9, size=40))[:, :30]
    for name, frames in (("wide", wide), ("high", wide.transpose(0, 2, 1, 3))):
        write_video(tmp_path / f"{name}.mp4", frames, fps=10, crf=4)
        from_file = predictor.predict(tmp_path / f"{name}.mp4")
        from_memory = predictor.predict(np.ascontiguousarray(frames), fps=10)
        assert sum(from_file.probabilities) == pytest.approx(1)
        assert dict(from_memory)[from_file.label] == pytest.approx(from_file.probability, abs=0.05)
    hook.remove()
    assert set(seen) == {(1, 4, 3, 32, 48)}


def test_a_part_of_a_video(predictor: Predictor, clips: list[Path]) -> None:
    found = predictor.predict(clips[4], start_seconds=0.5, end_seconds=1.5)
    assert all(0.5 <= seconds < 1.5 for seconds in found.frame_seconds)
    reader = open_video(clips[4])
    frames = reader.frames_at(torch.arange(5, 15)).permute(0, 2, 3, 1)
    assert found.probabilities == pytest.approx(predictor.predict(frames).probabilities, abs=0.02)


def test_what_does_not_fit_is_refused(predictor: Predictor, clips: list[Path], tmp_path: Path) -> None:
    for frames in (np.zeros((4, 8, 8), np.uint8), np.zeros((4, 8, 8, 3), np.float32), np.zeros((0, 8, 8, 3), np.uint8)):
        with pytest.raises(UserError, match=r"expected frames \(T, H, W, 3\) of uint8, found"):
            predictor.predict(frames)
    with pytest.raises(UserError, match="no such file"):
        predictor.predict(tmp_path / "gone.mp4")
    with pytest.raises(UserError, match="cut them"):
        predictor.predict(np.zeros((4, 8, 8, 3), np.uint8), start_seconds=1.0)
    with pytest.raises(UserError, match="takes 1 frames a time step"):
        predictor.predict(clips[0], plan=dataclasses.replace(PLAN, frames_per_segment=5))
    with pytest.raises(UserError, match="did you mean 'two-clip'"):
        predictor.predict(clips[0], plan="two-clips")
    with pytest.raises(UserError, match="batch_size is 0"):
        predictor.predict_many(clips, batch_size=0)
    with pytest.raises(UserError, match="does not say of which method"):
        kinesics.load(make_run(tmp_path / "flow", modality="flow"))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        predictor.predict(tmp_path / "text.mp4")


def test_weights_that_are_not_numbers_are_no_answer(predictor: Predictor, clips: list[Path]) -> None:
    torch.manual_seed(0)
    broken = create_model("tsm_resnet18", 3).eval()
    torch.nn.init.constant_(broken.head.fc.bias, float("nan"))  # type: ignore[arg-type, union-attr]
    with pytest.raises(KinesicsError, match="not finite"):
        dataclasses.replace(predictor, model=broken).predict(clips[0])


def test_all_labels_above_one_half_of_a_multi_label_model_are_told(clips: list[Path], tmp_path: Path) -> None:
    found = kinesics.load(make_run(tmp_path, multi_label=True), device="cpu")
    torch.nn.init.constant_(found.model.head.fc.weight, 0.0)  # type: ignore[arg-type, union-attr]
    found.model.head.fc.bias.data = torch.tensor([2.0, -1.0, 1.0])  # type: ignore[union-attr]
    prediction = found.predict(clips[0], top=1)
    assert prediction.labels == ("left", "nicken – ja")
    assert prediction.probabilities == pytest.approx([0.880797, 0.731059], abs=1e-5)
    line = to_dict(Outcome(clips[0], prediction))
    assert line["over_half"] == ["left", "nicken – ja"]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_broken_file_is_named_and_the_rest_goes_on(
    predictor: Predictor, clips: list[Path], tmp_path: Path, num_workers: int
) -> None:
    empty, text, gone = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "gone.mp4"
    empty.write_bytes(b"")
    text.write_text("hello")
    order = [clips[0], empty, clips[1], text, gone, clips[2]]
    outcomes = list(predictor.predict_many(order, num_workers=num_workers, batch_size=4))
    assert [outcome.path for outcome in outcomes] == order
    assert [outcome.prediction is None for outcome in outcomes] == [False, True, False, True, True, False]
    for outcome in outcomes:
        if outcome.prediction is None:
            assert outcome.path.name in outcome.error
            assert outcome.status not in ("", "ok")


@dataclasses.dataclass(frozen=True)
class DeadlyDecoder(ViewDecoder):
    """Decodes, but for files whose names say what they do to the process."""

    def __call__(self, item: VideoItem, alive: Alive = lambda num_frames: None) -> DecodedViews:
        if "crash" in item.path.name:
            os.kill(os.getpid(), signal.SIGKILL)
        while "loop" in item.path.name:
            pass
        if "memory" in item.path.name:
            np.ones(2**40, np.uint8)
        return super().__call__(item, alive)


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize(
    ("bad", "status", "words"),
    [
        ("crash", "error", "SIGKILL"),
        ("loop", "timeout", "took more than 1 s of processor time (timeout_seconds)"),
        ("memory", "error", "needs more than 8 GiB of memory (memory_gib)"),
    ],
)
def test_a_file_that_ends_or_holds_its_process_is_named(
    predictor: Predictor,
    clips: list[Path],
    singly: dict[Path, Prediction],
    monkeypatch: pytest.MonkeyPatch,
    num_workers: int,
    bad: str,
    status: str,
    words: str,
) -> None:
    monkeypatch.setattr("kinesics.inference.predictor.ViewDecoder", DeadlyDecoder)
    bads = [Path(f"/x/{bad}_{index}.mp4") for index in range(2)]
    order = [bads[0], *clips[:3], *clips[3:], *clips, bads[1]]
    outcomes = list(predictor.predict_many(order, num_workers=num_workers, timeout_seconds=1.0))
    assert [outcome.path for outcome in outcomes] == order
    for outcome in outcomes:
        if outcome.path in bads:
            assert outcome.prediction is None
            assert outcome.error.startswith(f"{outcome.path}: ")
            assert words in outcome.error
            assert outcome.status == status
        else:
            same(outcome.prediction, singly[outcome.path])


def test_frames_that_are_too_large_are_refused(
    predictor: Predictor, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinesics.inference.predictor.ViewDecoder", partial(ViewDecoder, max_pixels=1000))
    (outcome,) = predictor.predict_many(clips[:1], num_workers=1)
    assert "more than the limit of 1000 pixels (max_pixels)" in outcome.error


def test_workers_end_with_the_iteration(predictor: Predictor, clips: list[Path]) -> None:
    outcomes = predictor.predict_many(clips * 20, num_workers=2)
    next(outcomes)
    before = {child.pid for child in multiprocessing.active_children()}
    assert len(before) == 2
    outcomes.close()  # type: ignore[attr-defined]
    assert not before & {child.pid for child in multiprocessing.active_children()}


@pytest.mark.parametrize(("num_workers", "most"), [(0, 2), (2, 12)])
def test_no_more_is_taken_than_a_little_ahead(
    predictor: Predictor, clips: list[Path], num_workers: int, most: int
) -> None:
    taken = 0

    def counted() -> Iterator[Path]:
        nonlocal taken
        while True:  # a list of all of them would never end
            taken += 1
            yield clips[0]

    outcomes = predictor.predict_many(counted(), num_workers=num_workers, batch_size=2)
    assert next(outcomes).prediction is not None
    assert taken <= most
    outcomes.close()  # type: ignore[attr-defined]


# JSON lines


def test_lines_are_written_as_they_come_and_taken_up_again(
    predictor: Predictor, clips: list[Path], tmp_path: Path
) -> None:
    out, maker = tmp_path / "deep/out.jsonl", predictor.maker()
    bad = tmp_path / "bad.mp4"
    bad.write_text("x")
    order = [clips[0], bad, clips[1], clips[2]]
    assert remaining(order, out, maker) == order
    written = write_predictions(predictor.predict_many(order, num_workers=1), out, maker)
    next(written)
    assert len(out.read_text().splitlines()) == 1, "on the disk before it is told"
    next(written)
    written.close()  # type: ignore[attr-defined]
    assert remaining(order, out, maker) == [clips[1], clips[2]]

    whole = out.read_bytes()
    third = (to_line(next(predictor.predict_many([clips[1]])), maker) + "\n").encode()
    for cut in range(len(third)):  # killed after so many bytes of the third line
        out.write_bytes(whole + third[:cut])
        complete = cut >= len(third) - 1
        assert len(done_paths(out, maker)) == 2 + complete, third[:cut]
    out.write_bytes(whole + third[:40])
    rest = remaining(order, out, maker)
    told = list(write_predictions(predictor.predict_many(rest), out, maker))
    assert [outcome.path for outcome in told] == [clips[1], clips[2]]
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["path"] for line in lines] == [str(path) for path in order]
    assert ["label" in line for line in lines] == [True, False, True, True]
    assert "bad.mp4" in lines[1]["error"]
    assert out.read_bytes().endswith(b"\n")
    assert remaining(order, out, maker) == []
    assert "nicken – ja" in out.read_text(encoding="utf-8"), "labels are written as they are"


def test_a_last_line_that_lost_only_its_end_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text('{"path": "/v/a.mp4", "error": "x", "status": "error"}')
    list(write_predictions([Outcome(Path("/v/b.mp4"), None, "y", "error")], out))
    assert [json.loads(line)["path"] for line in out.read_text().splitlines()] == ["/v/a.mp4", "/v/b.mp4"]


def test_a_table_is_written_row_by_row_and_taken_up_again(
    predictor: Predictor, clips: list[Path], tmp_path: Path
) -> None:
    out, maker = tmp_path / "out.csv", predictor.maker()
    bad = tmp_path / 'bad, "one"\nof two lines.mp4'
    bad.write_text("x")
    order = [clips[0], bad, clips[1], clips[2]]
    list(write_predictions(predictor.predict_many(order[:3], num_workers=1), out, maker))
    whole = out.read_bytes()
    with out.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["path"] for row in table] == [str(path) for path in order[:3]]
    assert [row["status"] for row in table] == ["ok", "error", "ok"]
    assert table[0]["label"] == next(predictor.predict_many([clips[0]])).prediction.label  # type: ignore[union-attr]
    assert "nicken – ja" in table[0]["labels"]
    assert {row["model"] for row in table} == {maker}
    assert remaining(order, out, maker) == [clips[2]]
    last = whole.rindex(str(clips[1]).encode())
    for cut in range(last, len(whole)):  # killed in the middle of the third row
        out.write_bytes(whole[:cut])
        assert remaining(order, out, maker) == [clips[1], clips[2]], whole[last:cut]
    list(write_predictions(predictor.predict_many(remaining(order, out, maker), num_workers=1), out, maker))
    assert out.read_bytes().startswith(whole)
    assert remaining(order, out, maker) == []
    with pytest.raises(UserError, match=r"out\.csv, line 2: written by another model"):
        remaining(order, out, "0" * 12)


@pytest.mark.parametrize(
    "content", ["path,label\n", "hello\n", "a,b,c\n1,2,3\n", "path,label,probability\nx,y,1\n", "\xff\n"]
)
def test_a_foreign_table_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    out = tmp_path / "out.csv"
    out.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=r"out\.csv, line 1: not "):
        list(write_predictions([Outcome(Path("/v/a.mp4"), None, "x", "error")], out))
    assert out.read_text(encoding="latin-1") == content


def test_an_ending_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"out\.txt: expected a name that ends in \.csv, or in \.jsonl"):
        remaining([], tmp_path / "out.txt")


@pytest.mark.parametrize(
    "content",
    ["hello", "a,b\n1,2\n", '{"a": 1}\n', '{"path": "/v/a.mp4"}\n', "[]\n", '{"path": 3, "label": "x"}\n', b"\xff\xfe"],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: str | bytes) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = out.read_bytes()
    with pytest.raises(UserError, match=r"out\.jsonl, line 1: not an answer"):
        list(write_predictions([Outcome(Path("/v/a.mp4"), None, "x", "error")], out))
    assert out.read_bytes() == before


def test_answers_of_two_models_are_not_mixed(predictor: Predictor, clips: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    list(write_predictions(predictor.predict_many(clips[:1]), out, predictor.maker()))
    assert predictor.maker() == predictor.maker("one") != predictor.maker("two-clip")
    with pytest.raises(UserError, match="line 1: written by another model or other views"):
        done_paths(out, predictor.maker("two-clip"))
    with pytest.raises(UserError, match="not a file; expected one"):
        done_paths(tmp_path)


def test_a_full_disk_is_one_line_and_can_be_taken_up(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no file size limit on this system")
    out = tmp_path / "out.jsonl"
    outcomes = [Outcome(Path(f"/v/{index}.mp4"), None, "x" * 50, "error") for index in range(5)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, before[1]))
    try:
        with pytest.raises(KinesicsError, match=r"cannot write .*out\.jsonl: File too large"):
            list(write_predictions(outcomes, out))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert out.stat().st_size == 250
    rest = remaining([outcome.path for outcome in outcomes], out)
    assert len(rest) == 3
    list(write_predictions([outcome for outcome in outcomes if outcome.path in rest], out))
    assert [json.loads(line)["path"] for line in out.read_text().splitlines()] == [str(o.path) for o in outcomes]


# Finding videos


def tree(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def test_videos_below_a_folder_in_natural_order(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "v10.mp4", "v2.AVI", "notes.txt", ".hidden.mp4", ".git/x.mp4", "thumb.jpg",
        "a/clip.webm", "a/deep/b.mov", "frames/1.jpg", "frames/2.jpg", "frames/times.txt", "empty/.keep",
    )  # fmt: skip
    (tmp_path / "a/loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "nowhere.mp4")
    found = find_videos([tmp_path, tmp_path / "v2.AVI"])
    names = [str(path.relative_to(tmp_path)) for path in found.videos]
    assert names == ["broken.mp4", "v2.AVI", "v10.mp4", "a/clip.webm", "a/deep/b.mov", "frames"]
    assert {str(path.relative_to(tmp_path)) for path in found.others} == {"notes.txt", "thumb.jpg", "frames/times.txt"}
    assert found.line().startswith("left out 3 files that are no video: ")
    assert find_videos([tmp_path / "notes.txt"]).videos == (tmp_path / "notes.txt",), "named files are tried"
    assert find_videos([tmp_path / "a/clip.webm"]).line() == ""


def test_folders_without_videos_are_refused(tmp_path: Path) -> None:
    tree(tmp_path, "texts/a.txt", "texts/b.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no videos in this folder, it is empty; expected .*mp4"):
        find_videos([tmp_path / "empty"])
    with pytest.raises(UserError, match="none of its 2 files is one"):
        find_videos([tmp_path / "texts"])
    with pytest.raises(UserError, match="gone: no such file or folder"):
        find_videos([tmp_path / "gone"])


def test_names_of_copies_tell_videos_apart() -> None:
    videos = [Path(name) for name in ("d/a/x.mp4", "d/b/X.avi", "d/b/y.mp4", "d/b/run.v2")]
    names = annotated_names(videos, Path("out"))
    assert [path.name for path in names.values()] == [
        "a-x.mp4.annotated.mp4",
        "b-X.avi.annotated.mp4",
        "y.annotated.mp4",
        "run.v2.annotated.mp4",
    ]
    assert annotated_names([], Path("out")) == {}


@given(st.sets(st.from_regex(r"\A([ab]{1,2}/){0,2}[abAB-]{1,3}\.(mp4|avi)\Z"), max_size=12))
def test_no_two_copies_have_one_name(paths: set[str]) -> None:
    videos = [Path(path) for path in sorted(paths)]
    names = annotated_names(videos, Path("out"))
    assert list(names) == videos
    assert len({str(name).casefold() for name in names.values()}) == len(videos)


def test_manifest_videos_are_found_again(tiny_set: Path) -> None:
    wanted = {item.path.resolve() for item in read_manifest(tiny_set).items()}
    assert {path.resolve() for path in find_videos([tiny_set.parent / "clips"]).videos} == wanted


def test_a_model_of_flow_computes_it(tmp_path: Path, clips: list[Path]) -> None:
    run = make_run(tmp_path / "flow", modality="flow", record={"flow": {"method": "dis", "short_side": 40}})
    predictor = kinesics.load(run, device="cpu")
    one = predictor.predict(clips[1])
    assert sum(one.probabilities) == pytest.approx(1, abs=1e-5)
    many = list(predictor.predict_many(clips[:3], num_workers=1))
    assert many[1].prediction is not None
    assert many[1].prediction.probabilities == pytest.approx(one.probabilities, abs=1e-5)
    frames = open_video(clips[1], resize=40).frames_at(torch.arange(9)).permute(0, 2, 3, 1)
    assert predictor.predict(frames, fps=10).probabilities == pytest.approx(one.probabilities, abs=1e-3)
