"""Facts about the picture in a packet, read from the packet's first bytes."""

from __future__ import annotations

from collections.abc import Iterator

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from kinesics.video.frame_index import PacketNote

VOP_START = b"\x00\x00\x01\xb6"
NAL_START = b"\x00\x00\x01"
BIDIRECTIONAL = 2
IDR = 5
INTRA_SLICES = (2, 4, 7, 9)


def note(packet: Packet[VideoStream], codec: VideoCodecContext) -> PacketNote:
    """The facts about one packet that the index is made from."""
    name, is_key = codec.name, packet.is_keyframe
    pictures, is_b, hidden = 1, False, False
    if name == "mpeg4":
        pictures, is_b = mpeg4_pictures(bytes(packet))
    elif name in ("vp8", "vp9"):
        hidden = is_hidden(bytes(packet), name)
    elif name == "h264" and is_key:
        is_key = starts_anew(bytes(packet), codec.extradata or b"")
    return PacketNote(
        pts=packet.pts,
        dts=packet.dts,
        duration=packet.duration or 0,
        size=packet.size,
        is_key=is_key,
        is_hidden=packet.is_discard or hidden,
        num_pictures=pictures,
        is_bidirectional=is_b,
        is_fresh_start=packet.has_sidedata("new_extradata"),
    )


def starts_anew(packet: bytes, extradata: bytes) -> bool:
    """Whether an H.264 key packet holds a whole picture: IDR, or intra slices.

    Files with periodic intra refresh mark frames as key frames that are complete only some frames later (H.264 7.3.2,
    7.3.3).
    """
    for nal in nal_units(packet, extradata):
        kind = nal[0] & 31
        if kind == IDR:
            return True
        if 1 <= kind < IDR:
            bits = int.from_bytes(nal[1:9].ljust(8, b"\0"))
            _first_block, at = exp_golomb(bits, 64)
            slice_type, _ = exp_golomb(bits, at)
            return slice_type in INTRA_SLICES
    return False


def nal_units(packet: bytes, extradata: bytes) -> Iterator[bytes]:
    """The first bytes of each unit of an H.264 packet, after its length (MP4, Matroska) or its start code (others)."""
    if extradata[:1] == b"\x01" and len(extradata) > 4:
        prefix, at = (extradata[4] & 3) + 1, 0
        while at + prefix < len(packet):
            length = int.from_bytes(packet[at : at + prefix])
            yield packet[at + prefix : at + prefix + 16]
            at += prefix + length
        return
    at = packet.find(NAL_START)
    while 0 <= at < len(packet) - 3:
        yield packet[at + 3 : at + 19]
        at = packet.find(NAL_START, at + 3)


def exp_golomb(bits: int, left: int) -> tuple[int, int]:
    """The next ue(v) of a 64-bit word with `left` unread bits, and the unread bits after it: 0b1… → 0, 0b010… → 1."""
    zeros = left - (bits & ((1 << left) - 1)).bit_length()
    length = min(2 * zeros + 1, left)
    value = bits >> (left - length) & ((1 << length) - 1)
    return value - 1, left - length


def mpeg4_pictures(packet: bytes) -> tuple[int, bool]:
    """How many pictures an MPEG-4 packet holds, and whether the first is a B-picture (ISO 14496-2, vop_coding_type)."""
    start = packet.find(VOP_START)
    is_b = 0 <= start < len(packet) - 4 and packet[start + 4] >> 6 == BIDIRECTIONAL
    return packet.count(VOP_START), is_b


def is_hidden(packet: bytes, codec: str) -> bool:
    """Whether a VP8 or VP9 packet holds only a picture that others refer to (RFC 6386 9.1; VP9 6.2 and Annex B)."""
    first = packet[0]
    if codec == "vp8":
        return not first >> 4 & 1
    if packet[-1] & 0b1110_0000 == 0b1100_0000:
        return False  # a superframe ends with a shown frame
    profile = (first >> 5 & 1) | (first >> 4 & 1) << 1
    bits = first << 8 | (packet[1] if len(packet) > 1 else 0)
    at = 11 if profile < 3 else 10  # after frame_marker (2), profile (2) and the reserved bit of profile 3
    if bits >> at & 1:
        return False  # shows a picture that was decoded before
    return not bits >> (at - 2) & 1
