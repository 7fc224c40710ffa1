"""The packets of a video file by number: how a packet is recognised when the file is read from another place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.stream import VideoStream

NONE = -(2**63)
"""The value for a time stamp or position that a packet does not have."""
Stamps = tuple[int | None, int | None, int | None]


def stamps_of(packet: Packet[VideoStream]) -> Stamps:
    """What identifies a packet in its file: pts, dts and position."""
    return packet.pts, packet.dts, packet.pos


@dataclass(frozen=True)
class PacketTable:
    """Time stamps and positions of n packets, (n,) int64 each, in the order of the file; NONE for a missing one."""

    pts: npt.NDArray[np.int64]
    dts: npt.NDArray[np.int64]
    pos: npt.NDArray[np.int64]

    @staticmethod
    def of(stamps: Sequence[Stamps]) -> PacketTable:
        """The table of packets with these `stamps_of`."""
        rows = [[NONE if value is None else value for value in stamp] for stamp in stamps]
        table = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
        return PacketTable(*(np.ascontiguousarray(column) for column in table.T))

    def __len__(self) -> int:
        return len(self.pts)

    def number_of(self, packet: Packet[VideoStream], expected: int) -> int | None:
        """The number of a packet; None where it is not in the table. expected: the number that it most likely has."""
        pts, dts, pos = (NONE if value is None else value for value in stamps_of(packet))
        if 0 <= expected < len(self) and self._stamps(expected) == (pts, dts, pos):
            return expected
        matches = np.flatnonzero((self.pts == pts) & (self.dts == dts) & (self.pos == pos))
        return int(matches[0]) if len(matches) else None

    def _stamps(self, number: int) -> tuple[int, int, int]:
        return int(self.pts[number]), int(self.dts[number]), int(self.pos[number])

    def stamp(self, number: int) -> int | None:
        """The time stamp to seek to for a packet: the earlier of its two; None where it has none."""
        stamps = [int(value) for value in (self.pts[number], self.dts[number]) if value != NONE]
        return min(stamps, default=None)
