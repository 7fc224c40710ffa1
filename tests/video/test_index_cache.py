"""A kept frame index gives the same frames, and never those of another file or of a damaged index."""

from __future__ import annotations

import multiprocessing
import os
import random
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from kinesics.data.manifest import Manifest, Row, write_manifest
from kinesics.video import demux
from kinesics.video.demux import PacketFile
from kinesics.video.index_cache import load_index
from kinesics.video.reader import open_video
from tests.video.numbered_video import numbered_video, numbers
from tests.video.test_reader_exact import FILMS

NUM_FRAMES = 60


@pytest.fixture(autouse=True)
def every_index_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demux, "SHORT_PACKETS", 0)


def frames_of(path: Path, folder: Path | None, indices: list[int], **options: object) -> torch.Tensor:
    reader = open_video(path, index_folder=folder, **options)  # type: ignore[arg-type]
    try:
        return reader.frames_at(torch.tensor(indices))
    finally:
        reader.close()


def reads_all(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read from end to end from now on."""
    seen: list[Path] = []
    original = PacketFile._read_all

    def counted(self: PacketFile) -> object:
        seen.append(self.path)
        return original(self)

    monkeypatch.setattr(PacketFile, "_read_all", counted)
    return seen


@pytest.mark.parametrize("name", FILMS)
def test_frames_and_times_are_the_same_in_every_container(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = FILMS[name]
    if arguments.get("codec", "libx264") not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {arguments['codec']}")
    path = numbered_video(tmp_path / name, NUM_FRAMES, **arguments)
    chance = random.Random(1)
    draws = [[i] for i in chance.sample(range(NUM_FRAMES), 8)]
    draws += [chance.choices(range(NUM_FRAMES), k=6) for _ in range(6)]
    expected = [frames_of(path, None, indices) for indices in draws]
    plain = open_video(path)
    open_video(path, index_folder=tmp_path / "index").close()
    read = reads_all(monkeypatch)
    for indices, frames in zip(draws, expected, strict=True):
        assert torch.equal(frames_of(path, tmp_path / "index", indices), frames), indices
    kept = open_video(path, index_folder=tmp_path / "index")
    everything = torch.arange(NUM_FRAMES)
    assert torch.equal(kept.seconds_at(everything), plain.seconds_at(everything))
    assert (kept.num_frames, kept.fps, kept.duration_seconds) == (plain.num_frames, plain.fps, plain.duration_seconds)
    assert not read, "the file is not read from end to end again"


def test_a_part_is_read_without_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_video(tmp_path / "a.mp4", 600, gop=10, b_frames=2)
    frames_of(path, tmp_path / "index", [0])
    num_read = 0
    original = PacketFile._numbered

    def counted(self: PacketFile, expected: int) -> object:
        nonlocal num_read
        for numbered in original(self, expected):
            num_read += 1
            yield numbered

    monkeypatch.setattr(PacketFile, "_numbered", counted)
    frames = frames_of(path, tmp_path / "index", [0, 9], start_seconds=20.0, end_seconds=22.0)
    assert numbers(frames) == [500, 509]
    assert num_read < 60


def test_another_file_of_the_same_name_has_an_index_of_its_own(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.mp4", tmp_path / "index"
    numbered_video(path, 60, gop=12, b_frames=2)
    assert numbers(frames_of(path, folder, [40])) == [40]
    state = path.stat()
    numbered_video(path, 50, gop=5)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # only the size differs
    assert numbers(frames_of(path, folder, [40, 49])) == [40, 49]
    assert open_video(path, index_folder=folder).num_frames == 50


def damaged(content: bytes) -> list[bytes]:
    """Damaged indexes, as a full or bad disk or another program may leave them."""
    chance = random.Random(2)
    contents = [b"", b"text", content[:100], content[:-8], content[: len(content) // 2], content + bytes(8)]
    for _ in range(40):
        place = chance.randrange(len(content))
        contents.append(content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :])
    words = np.frombuffer(content, dtype="<i8").copy()
    words[[20, 40]] = words[[40, 20]]
    return [*contents, words.tobytes()]


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    path, folder = numbered_video(tmp_path / "a.mkv", 60, gop=12, b_frames=2), tmp_path / "index"
    expected = frames_of(path, folder, [3, 31, 59])
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for content in damaged(whole):
        file.write_bytes(content)
        assert load_index(folder, path) is None
        assert torch.equal(frames_of(path, folder, [3, 31, 59]), expected)
        assert file.read_bytes() == whole


def test_no_index_of_a_damaged_or_salvaged_file_is_kept(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mkv", 60)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 600] = bytes(600)
    path.write_bytes(content)
    salvaged = open_video(path, salvage=True, index_folder=tmp_path / "index")
    assert salvaged.num_frames < 60
    assert not (tmp_path / "index").exists()
    promised = open_video(path, index_folder=tmp_path / "index").num_frames
    assert open_video(path, index_folder=tmp_path / "index").num_frames == promised
    assert open_video(path, salvage=True, index_folder=tmp_path / "index").num_frames == salvaged.num_frames


def test_a_folder_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4", 60)
    (tmp_path / "index").write_text("a file")
    assert numbers(frames_of(path, tmp_path / "index", [7])) == [7]


def read_one(path: Path, folder: Path, index: int) -> list[int]:
    demux.SHORT_PACKETS = 0
    return numbers(frames_of(path, folder, [index]))


def test_processes_share_a_folder(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.mp4", 60, b_frames=2)
    with multiprocessing.get_context("forkserver").Pool(3) as pool:
        frames = pool.starmap(read_one, [(path, tmp_path / "index", index) for index in range(0, 60, 5)])
    assert frames == [[index] for index in range(0, 60, 5)]
    assert len(list((tmp_path / "index").iterdir())) == 1


def test_a_manifest_has_its_folder_and_short_files_need_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_video(tmp_path / "a.mp4", 60)
    write_manifest(Manifest(tmp_path / "set.csv", (Row("a.mp4", ("x",)),)), tmp_path / "set.csv")
    (item,) = Manifest(tmp_path / "set.csv", (Row("a.mp4", ("x",)),)).items()
    assert item.index_folder == tmp_path / ".set.index"
    monkeypatch.setattr(demux, "SHORT_PACKETS", 300)
    open_video(item.path, index_folder=item.index_folder)
    assert not item.index_folder.exists()
    monkeypatch.setattr(demux, "SHORT_PACKETS", 59)
    open_video(item.path, index_folder=item.index_folder)
    assert len(list(item.index_folder.iterdir())) == 1


def test_frames_without_time_stamps_are_found_too(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "a.h264", 60, b_frames=2)
    expected = frames_of(path, None, [0, 17, 59])
    for _ in range(2):
        assert np.array_equal(frames_of(path, tmp_path / "index", [0, 17, 59]), expected)
