"""Readers in other processes: forked, spawned, from the fork server, in a DataLoader; and many of them in one."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from kinesics.values import VideoReader
from kinesics.video.reader import open_video
from tests.video.numbered_video import numbered_video, numbers


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_video(tmp_path_factory.mktemp("film") / "a.mp4", 40, b_frames=2)


def read(reader: VideoReader, indices: list[int]) -> list[int]:
    """Runs in the other process."""
    return numbers(reader.frames_at(torch.tensor(indices)))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("resize", [None, 32])
def test_a_reader_in_use_works_in_another_process(path: Path, method: str, resize: int | None) -> None:
    reader = open_video(path, resize=resize)
    assert read(reader, [20]) == [20]
    with multiprocessing.get_context(method).Pool(2) as pool:
        answers = [pool.apply_async(read, (reader, [39, i, 0])) for i in range(6)]
        assert read(reader, [5, 30]) == [5, 30]  # at the same time
        assert [a.get(60) for a in answers] == [[39, i, 0] for i in range(6)]
    assert read(reader, [7]) == [7]


def test_a_forked_child_opens_the_file_again(path: Path) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    reader = open_video(path)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=lambda i=i: answers.put((i, read(reader, [i, 30])))) for i in range(3)]
    for child in children:
        child.start()
    assert read(reader, [1, 38]) == [1, 38]
    assert sorted(answers.get(timeout=60) for _ in children) == [(i, [i, 30]) for i in range(3)]
    for child in children:
        child.join(60)
        assert child.exitcode == 0


class Readers(Dataset[list[int]]):
    """Readers opened before the workers start."""

    def __init__(self, path: Path) -> None:
        self.readers = [open_video(path, resize=32) for _ in range(4)]

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> list[int]:
        return read(self.readers[index % 4], [index, 2 * index])


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_data_loader(path: Path, method: str) -> None:
    loader = DataLoader(Readers(path), batch_size=None, num_workers=2, multiprocessing_context=method)
    assert [list(map(int, item)) for item in loader] == [[i, 2 * i] for i in range(16)]


def test_a_pickled_reader_is_the_same_part(path: Path) -> None:
    reader = open_video(path, start_seconds=0.4, end_seconds=0.8, resize=48)
    copy = pickle.loads(pickle.dumps(reader))  # noqa: S301 - our own
    assert (copy.num_frames, copy.fps, copy.height) == (10, 25, 48)
    assert read(copy, [0, 9]) == [10, 19]


def test_a_closed_reader_opens_again(path: Path) -> None:
    reader = open_video(path)
    reader.close()
    reader.close()
    assert read(reader, [3]) == [3]


def test_memory_stays_flat(path: Path) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")

    def kilobytes() -> int:
        return int(statm.read_text().split()[1]) * 4

    def decode(times: int) -> None:
        for i in range(times):
            open_video(path, resize=32 + i % 2).frames_at(torch.tensor([1, 20, 39]))  # never closed

    gc.disable()  # the readers must be freed without the garbage collector
    try:
        decode(100)
        before = kilobytes()
        decode(300)
        grown = kilobytes() - before
    finally:
        gc.enable()
    assert grown < 4096  # 300 readers left open are a hundred MB and more
