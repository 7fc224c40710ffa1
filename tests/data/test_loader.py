"""Batches from the decoding processes to the network."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from kinesics.data import loader
from kinesics.data.dataset import TestClips, TrainClips, crop_views
from kinesics.data.loader import Batch, Batches, packed, stacked, test_batches, train_batches, worker_deaths_named
from kinesics.data.manifest import read_manifest
from kinesics.data.mirror import flip_map
from kinesics.data.transforms import train_transform
from kinesics.errors import KinesicsError, VideoError
from kinesics.settings import InputConfig
from kinesics.values import Sample, VideoItem
from kinesics.video.view_plan import ViewPlan
from kinesics.video.write import write_video

batches_of_a_test = test_batches
test_batches.__test__ = False  # type: ignore[attr-defined]
TestClips.__test__ = False
PLAN = ViewPlan(num_segments=2, resize=32, size=24)
INPUT = InputConfig(num_segments=2, resize=32, size=24)


def test_clips_of(data: Path, plan: ViewPlan = PLAN) -> TestClips:
    return TestClips(read_manifest(data).items("test"), 2, plan)


test_clips_of.__test__ = False  # type: ignore[attr-defined]


def train_clips_of(data: Path) -> TrainClips:
    return TrainClips(
        read_manifest(data).items("train"), 2, INPUT, train_transform(INPUT, flip_map(("left", "right"))), 0
    )


def equal(one: Iterable[Batch], other: Iterable[Batch]) -> bool:
    pairs = list(zip(list(one), list(other), strict=True))
    return bool(pairs) and all(
        a.ids == b.ids and torch.equal(torch.as_tensor(a.clips), torch.as_tensor(b.clips)) for a, b in pairs
    )


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_batch_is_one_tensor_whoever_decodes_it(tiny_set: Path, num_workers: int) -> None:
    clips = test_clips_of(tiny_set)
    indices = range(len(clips))
    here = list(batches_of_a_test(clips, indices, 3, 0))
    assert isinstance(here[0].clips, torch.Tensor)
    assert (here[0].clips.shape, here[0].clips.dtype) == ((3, 1, 2, 3, 24, 24), torch.uint8)
    assert [name for batch in here for name in batch.ids] == [item.id for item in clips.items]
    assert equal(here, batches_of_a_test(clips, indices, 3, num_workers).on(torch.device("cpu")))


def test_workers_are_used_again(tiny_set: Path) -> None:
    batches = batches_of_a_test(test_clips_of(tiny_set), range(4), 2, 2)
    first = list(batches)
    workers = {worker.pid for worker in batches._loader._iterator._workers}  # type: ignore[union-attr]
    assert equal(first, batches)
    assert workers == {worker.pid for worker in batches._loader._iterator._workers}  # type: ignore[union-attr]


def test_without_shared_memory_batches_come_through_pipes(tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = train_clips_of(tiny_set)
    keys = [[(0, 0), (0, 1)], [(0, 2), (0, 3)]]
    plenty = train_batches(clips, keys, 2, 1)
    monkeypatch.setattr(loader, "shared_memory_left", lambda: 4 * 2**10)
    little = train_batches(clips, keys, 2, 1)
    assert (plenty._loader.collate_fn, little._loader.collate_fn) == (stacked, packed)
    assert equal(plenty, little)


def test_what_little_is_depends_on_the_batch(tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "shared_memory_left", lambda: 64 * 2**20)  # Docker's default
    clips = test_clips_of(tiny_set)
    small, large = (Batches(clips, [[0]], batch_bytes=size, num_workers=1) for size in (10_000, 20_000_000))
    assert (small._loader.collate_fn, large._loader.collate_fn) == (stacked, packed)


def test_few_open_files_are_enough(tiny_set: Path) -> None:
    clips = train_clips_of(tiny_set)
    keys = [[(epoch, index % len(clips)) for index in range(32)] for epoch in range(12)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    num_open = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (num_open + 96, before[1]))  # tensors of single clips take 256 and more
    try:
        kept = list(train_batches(clips, keys, 32, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [len(batch.ids) for batch in kept] == [32] * 12


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_video_that_cannot_be_decoded_stops_the_batches(tmp_path: Path, num_workers: int) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    clips = TestClips([VideoItem("text", tmp_path / "text.mp4")], 2, PLAN)
    with pytest.raises(VideoError, match=r"text\.mp4"):
        list(batches_of_a_test(clips, [0], 1, num_workers))


class Deadly(TestClips):
    """Clips of which one ends its process."""

    def __getitem__(self, index: int) -> Sample | VideoError:
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def test_the_death_of_a_worker_is_no_fault_of_ours(tiny_set: Path) -> None:
    plain = test_clips_of(tiny_set)
    clips = Deadly(plain.items, 2, PLAN)
    with pytest.raises(KinesicsError, match="process that decodes clips ended") as caught, worker_deaths_named():
        list(batches_of_a_test(clips, range(4), 1, 1))
    assert "num_workers" in str(caught.value)
    del caught
    gc.collect()  # PyTorch watches the dead worker until its loader goes, and raises when any process ends
    with pytest.raises(RuntimeError, match="another"), worker_deaths_named():
        raise RuntimeError("another")


@pytest.fixture(scope="module")
def wide_and_high(tmp_path_factory: pytest.TempPathFactory) -> list[VideoItem]:
    folder = tmp_path_factory.mktemp("sizes")
    items = []
    for name, height, width in (("wide", 48, 96), ("high", 80, 48)):
        write_video(folder / f"{name}.mp4", [np.full((height, width, 3), 40 * number, np.uint8) for number in range(4)])
        items.append(VideoItem(name, folder / f"{name}.mp4"))
    return items


def samples(clips: TestClips) -> Iterator[Sample]:
    for index in range(len(clips)):
        sample = clips[index]
        assert isinstance(sample, Sample)
        yield sample


@pytest.mark.parametrize(("size", "crops"), [("40x24", 1), ("24x32", 3), ("28x20", 10)])
@pytest.mark.parametrize("resize", ["40x32", 40])
def test_rectangular_views_of_videos_of_any_shape(
    wide_and_high: list[VideoItem], size: str, crops: Literal[1, 3, 10], resize: int | str
) -> None:
    plan = ViewPlan(num_clips=2, num_segments=2, resize=resize, size=size, crops=crops)
    clips = TestClips(wide_and_high, 2, plan)
    (batch,) = batches_of_a_test(clips, range(2), 2, 1)
    width, height = map(int, size.split("x"))
    views = batch.views(plan)
    assert views.shape == (2, 2 * crops, 2, 3, height, width)
    for row, sample in zip(views, samples(clips), strict=True):
        assert torch.equal(row, crop_views(sample.clips, plan))


@pytest.mark.parametrize("crops", [3, 10])
def test_overlapping_crops_are_cut_on_the_device(wide_and_high: list[VideoItem], crops: int) -> None:
    plan = ViewPlan(num_clips=2, num_segments=2, resize=32, size=32 if crops == 3 else 24, crops=crops)  # type: ignore[arg-type]
    clips = TestClips(wide_and_high, 2, plan)
    (batch,) = batches_of_a_test(clips, range(2), 2, 1)
    sent = [clip.numel() for clip in batch.clips]
    views = batch.views(plan)
    assert views.shape == (2, 2 * crops, 2, 3, plan.size, plan.size)
    assert sent == [2 * 2 * 3 * 32 * 64, 2 * 2 * 3 * 53 * 32], "the frames, once"
    for row, sample in zip(views, samples(clips), strict=True):
        assert torch.equal(row, crop_views(sample.clips, plan))
