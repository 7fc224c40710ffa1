"""Which packet of a file holds which frame, and where decoding can start; most files need no decoding for it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

SMALLEST_VOP = 20
"""MPEG-4 packets of fewer bytes may be placeholders for a picture that was in another packet (packed B-frames)."""
STAMPLESS = ("avi", "h264", "hevc", "m4v", "mpegvideo")
"""Containers that store no presentation times: those that FFmpeg reports for them are guesses."""
INTRA_ONLY = ("mjpeg", "rawvideo", "huffyuv", "ffvhuff", "ffv1", "png", "gif", "dvvideo", "prores", "qtrle")
"""Codecs without reordering: their packets are shown in the order of the file."""


@dataclass(frozen=True)
class PacketNote:
    """The facts about one packet that the index needs. Packets are numbered in the order of the file."""

    pts: int | None
    dts: int | None
    duration: int
    size: int
    is_key: bool
    is_hidden: bool
    """Decoded, not shown: an edit list cuts it away, or only other pictures refer to it."""
    num_pictures: int = 1
    is_bidirectional: bool = False
    is_fresh_start: bool = False
    """Carries new codec parameters; decoding from a later key frame would miss them."""


@dataclass(frozen=True)
class FrameIndex:
    """The n frames of a video in the order they are shown.

    packets: (n,) int64, the number of the packet that each frame is decoded from.
    seconds: (n,) float64, the time at which each is shown, rising from 0.
    end_seconds: the time at which the last one ends.
    keys: (k,) int64, packets at which decoding can start, rising, the first of them 0.
    order: one number per packet; sorted by it, the packets are in presentation order.
    """

    packets: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    end_seconds: float
    keys: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]

    def start_for(self, packet: int, *, back: int = 0) -> int:
        """The packet to start at so that `packet` is decoded exactly; with `back`, that many key frames earlier.

        In an open GOP, frames that follow the key frame in the file are shown before it and also need the GOP before.
        """
        for place in range(bisect_right(self.keys, packet) - 1, -1, -1):
            key = int(self.keys[place])
            if self.order[key] <= self.order[packet]:
                if back == 0:
                    return key
                back -= 1
        return 0

    def is_key(self, packet: int) -> bool:
        """Whether decoding can start at a packet."""
        place = bisect_right(self.keys, packet)
        return place > 0 and int(self.keys[place - 1]) == packet

    def only(self, packets: Sequence[int], *, seekable: bool) -> FrameIndex:
        """The index of only the frames that could be decoded, in the order in which they came out."""
        place = {p: i for i, p in enumerate(self.packets.tolist())}
        kept = [p for p in packets if p in place]
        seconds = np.sort(self.seconds[[place[p] for p in kept]])
        keys = self.keys if seekable else self.keys[:1]
        return replace(self, packets=np.asarray(kept, dtype=np.int64), seconds=seconds, keys=keys)


def index_packets(
    notes: Sequence[PacketNote], *, codec: str, container: str, time_base: Fraction, rate: float
) -> tuple[FrameIndex, bool]:
    """The index by the packets, and whether it can be trusted. If not, the file has to be decoded to be sure.

    Packets are trusted where each has its own time stamp, in a container that stores them. MPEG-4 in AVI has none:
    there the order follows from the picture types, if no packet holds two pictures and none is a placeholder.
    """
    order, trusted = np.arange(len(notes), dtype=np.int64), True
    stamps = [n.pts for n in notes if n.pts is not None]
    if codec == "mpeg4":
        trusted = all(n.size >= SMALLEST_VOP and n.num_pictures == 1 for n in notes)
        order = mpeg4_order([n.is_bidirectional for n in notes])
    elif codec not in INTRA_ONLY:
        trusted = len(set(stamps)) == len(notes) and not set(container.split(",")) & set(STAMPLESS)
        order = np.asarray(stamps, dtype=np.int64) if trusted else order
    visible = np.asarray([i for i, n in enumerate(notes) if not n.is_hidden], dtype=np.int64)
    packets = visible[np.argsort(order[visible], kind="stable")]
    keys = np.asarray([i for i, n in enumerate(notes) if n.is_key or i == 0], dtype=np.int64)
    if not trusted or any(n.is_fresh_start for n in notes[1:]):
        keys = keys[:1]
    seconds, end = times([notes[i] for i in packets.tolist()], float(time_base), rate)
    return FrameIndex(packets, seconds, end, keys, order), trusted


def mpeg4_order(bidirectional: Sequence[bool]) -> npt.NDArray[np.int64]:
    """The place of each packet in presentation order: a B-picture at once, any other when the next non-B one comes.

    The packets I P B B P:

    >>> mpeg4_order([False, False, True, True, False]).tolist()
    [0, 3, 1, 2, 4]
    """
    displayed: list[int] = []
    waiting: list[int] = []
    for i, is_b in enumerate(bidirectional):
        if is_b:
            displayed.append(i)
        else:
            displayed += waiting
            waiting = [i]
    displayed += waiting
    order = np.empty(len(displayed), dtype=np.int64)
    order[displayed] = np.arange(len(displayed))
    return order


def times(notes: Sequence[PacketNote], time_base: float, rate: float) -> tuple[npt.NDArray[np.float64], float]:
    """(n,) rising seconds from the first frame on, and the end of the last; even steps where the file has no times.

    Presentation times where they rise, else the sorted decoding times. AVI has only these: its frames are shown at the
    times of its packets.
    """
    for stamps in ([n.pts for n in notes], [n.dts for n in notes]):
        ticks = [s for s in stamps if s is not None]
        if ticks and len(ticks) == len(stamps) and all(a < b for a, b in pairwise(ticks)):
            break
    else:
        ticks = sorted(ticks) if len(set(ticks)) == len(notes) else []
    if not ticks:
        return np.arange(len(notes), dtype=np.float64) / rate, len(notes) / rate
    seconds = np.asarray([(s - ticks[0]) * time_base for s in ticks], dtype=np.float64)
    last = notes[-1].duration * time_base
    if last <= 0:
        last = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1 / rate
    return seconds, float(seconds[-1]) + last
