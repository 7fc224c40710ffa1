"""Frame indexes kept in a folder, so that a long recording is not read from end to end for each sample.

One file per video: words of 64 bits, mapped into memory. It is valid for one size and one time of change of the video.
The folder can be deleted at any time; where it cannot be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinesics.errors import KinesicsError
from kinesics.files import atomic_path
from kinesics.video.frame_index import FrameIndex
from kinesics.video.packet_table import PacketTable

FORMAT = 1
MAGIC = int.from_bytes(b"kinindex", "little")
HEAD = 12
"""Words before the arrays: magic, format, size and time of change of the video, numbers of packets, frames and keys,
whether it is trusted, frames per second, end in seconds, and two checksums of the rest."""
Words = npt.NDArray[np.int64]


@dataclass(frozen=True)
class KeptIndex:
    """The index of a video file: what reading all its packets gives."""

    table: PacketTable
    index: FrameIndex
    is_trusted: bool
    fps: float


def load_index(folder: Path, video: Path) -> KeptIndex | None:
    """The index of `video` that `save_index` kept; None where there is none, or the video or the file has changed."""
    try:
        file = _file(folder, video)
        return _load(file, _state(file), _state(video))
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)  # a process that reads many parts of a recording checks its index once
def _load(file: Path, file_state: tuple[int, int], video_state: tuple[int, int]) -> KeptIndex | None:
    mapped = np.memmap(file, dtype="<i8", mode="c")  # copy on write: tensors are made from it
    words: Words = np.asarray(mapped)
    if len(words) < HEAD or words[:4].tolist() != [MAGIC, FORMAT, *video_state]:
        return None
    num_packets, num_frames, num_keys, is_trusted = (int(word) for word in words[4:8])
    lengths = [num_packets] * 4 + [num_frames] * 2 + [num_keys]
    if min(lengths) < 0 or len(words) != HEAD + sum(lengths) or _checksums(words) != words[10:12].tolist():
        return None
    pts, dts, pos, order, packets, seconds, keys = np.split(words[HEAD:], np.cumsum(lengths)[:-1])
    fps, end_seconds = words[8:10].view(np.float64).tolist()
    index = FrameIndex(packets, seconds.view(np.float64), end_seconds, keys, order)
    return KeptIndex(PacketTable(pts, dts, pos), index, bool(is_trusted), fps)


def save_index(folder: Path, video: Path, kept: KeptIndex) -> None:
    """Keep the index of `video`, whole or not at all. Where the folder cannot be written, nothing happens."""
    table, index = kept.table, kept.index
    arrays = (table.pts, table.dts, table.pos, index.order, index.packets, index.seconds.view(np.int64), index.keys)
    with suppress(OSError, KinesicsError):
        size, changed = _state(video)
        floats = np.asarray([kept.fps, index.end_seconds]).view(np.int64).tolist()
        counts = [len(table), len(index.packets), len(index.keys), int(kept.is_trusted)]
        head = [MAGIC, FORMAT, size, changed, *counts, *floats, 0, 0]
        words = np.concatenate([np.asarray(head, dtype=np.int64), *(a.astype(np.int64, copy=False) for a in arrays)])
        words[10:12] = _checksums(words)
        with atomic_path(_file(folder, video)) as temporary:
            words.astype("<i8").tofile(temporary)


def _file(folder: Path, video: Path) -> Path:
    name = hashlib.sha256(str(video.absolute()).encode(errors="surrogateescape")).hexdigest()[:32]
    return folder / f"{name}.index"


def _state(video: Path) -> tuple[int, int]:
    state = video.stat()
    return state.st_size, state.st_mtime_ns


def _checksums(words: Words) -> list[int]:
    """Two sums of all other words: one of each word times a number for its place, one of the plain words.

    A single changed bit changes both. Two words that change places change the first.
    """
    kept = np.concatenate([words[:10], words[HEAD:]]).view(np.uint64)
    places = np.arange(1, 2 * len(kept), 2, dtype=np.uint64)
    with np.errstate(over="ignore"):
        sums = np.asarray([np.add.reduce(kept * places), np.add.reduce(kept)], dtype=np.uint64)
    return [int(value) for value in sums.view(np.int64)]
