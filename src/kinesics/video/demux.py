"""The numbered packets of one video file: read once, kept in memory or read again, and decoded from any of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kinesics.errors import VideoError
from kinesics.video.bitstream import note
from kinesics.video.frame_index import SMALLEST_VOP, FrameIndex, PacketNote, index_packets
from kinesics.video.index_cache import KeptIndex, load_index, save_index
from kinesics.video.open import open_container, pixel_shape, too_large, video_stream
from kinesics.video.packet_table import PacketTable, Stamps, stamps_of

KEPT_BYTES = 64 * 2**20
"""Larger videos are not kept in memory while open: their packets are read again by seeking."""
SHORT_PACKETS = 300
"""Files with up to this many packets need no kept index: reading them from the start takes less time."""
SKIPPING = ("h264", "mpeg1video", "mpeg2video")
"""Codecs in which no other picture ever needs a non-reference picture: these are skipped unless requested.
Not HEVC, where higher temporal layers may need "non-reference" pictures."""


class PacketFile:
    """An open video file: `index` lists its frames, `find` decodes them.

    salvage: decode the file once and count only the frames that can be decoded. max_pixels: height × width of the
    largest frame that is decoded. index_folder: where the index of a long file is kept, see `index_cache`.

    Raises:
        VideoError: it is no video or its frames are too large (`error`), or it has no pictures (`no_video`,
            `no_frames`).
    """

    def __init__(
        self,
        path: Path,
        *,
        salvage: bool = False,
        max_pixels: int | None = None,
        index_folder: Path | None = None,
    ) -> None:
        self.path = path
        self.is_salvaged = salvage
        self.broke_off = ""
        self._max_pixels = max_pixels
        self._options = {} if max_pixels is None else {"max_pixels": str(max_pixels)}
        self._kept: list[Packet[VideoStream]] | None = []
        self.last_tick = 0
        self._small: set[int] = set()
        self._open()
        kept = None if index_folder is None or salvage else load_index(index_folder, path)
        if kept is not None:
            self._kept = None
            self.table, self.index, self.trusted, self.fps = kept.table, kept.index, kept.is_trusted, kept.fps
            self.promised, self.num_packets = self.index, len(self.table)
            return
        try:
            notes = list(self._read_all())
            if not notes:
                raise VideoError(f"{path}: the video has no frames", "no_frames")
            self.num_packets = len(notes)
            self.last_tick = max((n.dts + max(n.duration, 1) for n in notes if n.dts is not None), default=0)
            self._small = {i for i, n in enumerate(notes) if n.size < SMALLEST_VOP}
            self.index, self.trusted = index_packets(
                notes,
                codec=self.codec.name,
                container=self.container.format.name,
                time_base=self.stream.time_base or Fraction(1),
                rate=float(self.stream.average_rate or self.stream.guessed_rate or 25),
            )
            self.promised = self.index
            self.fps = rate_of(self.stream, self.index)
            if salvage or not self.trusted:
                self.recount()
            if index_folder is not None and self._is_worth_keeping():
                save_index(index_folder, path, KeptIndex(self.table, self.index, self.trusted, self.fps))
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.container = open_container(self.path)
        try:
            self.stream = video_stream(self.container, self.path)
        except BaseException:
            self.container.close()
            raise
        self.codec: VideoCodecContext = self.stream.codec_context
        if self._max_pixels is not None and self.codec.width * self.codec.height > self._max_pixels:
            self.container.close()
            raise too_large(self.path, self.codec.width, self.codec.height, self._max_pixels)
        self.pixel_shape = pixel_shape(self.stream)
        self.codec.options = self._options
        self.codec.thread_count = 1
        self.codec.thread_type = ThreadType.NONE

    def close(self) -> None:
        """Free the decoder and the file."""
        self._kept = None
        self.container.close()

    def _is_worth_keeping(self) -> bool:
        """Whether the index covers the whole file, and took long enough that keeping it saves time."""
        is_long = self.num_packets > SHORT_PACKETS or not self.trusted
        return is_long and not self.is_salvaged and not self.broke_off

    def recount(self) -> FrameIndex:
        """The index of the frames that can be decoded, by decoding all of them from the start."""
        packets = list(dict.fromkeys(int(frame.pts or 0) for frame in self.sequence(0, self.num_packets)))
        self.index = self.promised.only(packets, seekable=False)
        return self.index

    def may_be_empty(self, packet: int) -> bool:
        """Whether a packet may hold no frame and be correct: MPEG-4 repeats the last one by a few bytes."""
        return self.codec.name == "mpeg4" and packet in self._small

    def find(self, requested: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
        """The requested packets' numbers with their frames, in any order, without those that cannot be decoded.

        A missing or damaged frame is tried again from an earlier key frame, then from the start: some files mark
        pictures as key frames that are not.
        """
        if self.is_salvaged:
            yield from self._find_salvaged(requested)
            return
        left = set(requested)
        for back in (0, 1, self.num_packets):
            for number, frame in self._from_keys(left, back):
                if not frame.is_corrupt or back == self.num_packets:
                    left.discard(number)
                    yield number, frame
            if not left:
                return

    def _find_salvaged(self, requested: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
        """As `find`, decoding as `recount` does: no packet is skipped, so that the same frames come out.

        Decoding starts at a key frame. Frames that do not come out are tried again from the start of the file.
        """
        left = set(requested)
        for start in sorted({self.promised.start_for(number, back=1) for number in left} | {0}, reverse=True):
            expected = {number for number in left if number >= start}
            if not expected:
                continue
            for frame in self.sequence(start, self.num_packets):
                if frame.pts in expected:
                    expected.discard(frame.pts)
                    left.discard(frame.pts)
                    yield frame.pts, frame
                if not expected:
                    break

    def _from_keys(self, requested: Collection[int], back: int) -> Iterator[tuple[int, VideoFrame]]:
        groups: dict[int, set[int]] = {}
        for number in requested:
            groups.setdefault(self.index.start_for(number, back=back), set()).add(number)
        for start, group in sorted(groups.items()):
            for frame in self.sequence(start, max(group) + 1, group):
                if frame.pts in group:
                    group.discard(frame.pts)
                    yield frame.pts, frame

    def sequence(self, start: int, stop: int, requested: Collection[int] | None = None) -> Iterator[VideoFrame]:
        """The frames of packets start … stop - 1 in the decoder's order, without frames that no requested one needs.

        Each frame's `pts` is the number of its packet. After a packet that fails, decoding goes on at the next key
        frame: the frames between refer to lost ones.
        """
        codec = self.codec
        codec.flush_buffers()
        codec.skip_frame = "DEFAULT"
        may_skip = requested is not None and codec.name in SKIPPING
        broken = False
        for number, packet in self.packets(start, stop):
            if broken and not self.promised.is_key(number):
                continue
            if may_skip:
                codec.skip_frame = "DEFAULT" if requested and number in requested else "NONREF"
            try:
                frames = codec.decode(packet)
                broken = False
            except av.FFmpegError:
                broken = True
                continue
            yield from frames
        try:
            yield from codec.decode(None)
        except av.FFmpegError:
            return

    def packets(self, start: int, stop: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Packets start … stop - 1 with their numbers, from memory or from the file; a packet's pts is its number."""
        if self._kept is not None:
            yield from enumerate(self._kept[start:stop], start)
            return
        for number, packet in self._read_from(start):
            if number >= stop:
                return
            if number >= start:
                packet.pts = number
                yield number, packet

    def _read_from(self, start: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Numbered packets from the file, from `start` or somewhat earlier on.

        A seek may land late, where a container's own index is poor. The first packet shows it; the next try seeks
        earlier.
        """
        for seconds in (0.0, 10.0, None):
            self._seek(start, seconds)
            numbered = self._numbered(start)
            first = next(numbered, None)
            if first is not None and first[0] <= start:
                yield first
                yield from numbered
                return

    def _seek(self, start: int, early_seconds: float | None) -> None:
        stamp = self.table.stamp(start)
        if early_seconds is None or stamp is None:
            self.container.close()
            self._open()
        else:
            early = int(early_seconds / (self.stream.time_base or 1))
            self.container.seek(stamp - early, stream=self.stream, backward=True)

    def _numbered(self, expected: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        try:
            for packet in self.container.demux(self.stream):
                number = self.table.number_of(packet, expected)
                if number is not None:
                    expected = number + 1
                    yield number, packet
        except av.FFmpegError:
            return  # a file that breaks off has the frames before that place

    def _read_all(self) -> Iterator[PacketNote]:
        """Notes of all packets in the file. The packets are kept while they are few; their pts becomes their number."""
        bytes_read = 0
        stamps: list[Stamps] = []
        try:
            for packet in self.container.demux(self.stream):
                if packet.size == 0:
                    continue
                stamps.append(stamps_of(packet))
                yield note(packet, self.codec)
                packet.pts = len(stamps) - 1
                bytes_read += packet.size
                if bytes_read > KEPT_BYTES:
                    self._kept = None
                elif self._kept is not None:
                    self._kept.append(packet)
        except av.FFmpegError as error:
            self.broke_off = f"breaks off after {len(stamps)} packets: {error.strerror}"
        self.table = PacketTable.of(stamps)


def rate_of(stream: VideoStream, index: FrameIndex) -> float:
    """Frames per second by the file, or as counted where the file has no rate or a very different one."""
    declared = float(stream.average_rate or 0)
    counted = len(index.packets) / index.end_seconds if len(index.packets) and index.end_seconds > 0 else 0.0
    return declared if declared and abs(declared - counted) <= 0.1 * counted else counted or declared or 25.0
