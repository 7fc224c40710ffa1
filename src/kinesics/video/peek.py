"""What the first bytes of a packet tell about the picture in it."""

from __future__ import annotations

from av.packet import Packet
from av.video.stream import VideoStream

from kinesics.video.index import PacketNote

VOP_START = b"\x00\x00\x01\xb6"
BIDIRECTIONAL = 2


def note(packet: Packet[VideoStream], codec: str) -> PacketNote:
    """The facts of one packet that the index is made of."""
    pictures, is_b = mpeg4_pictures(bytes(packet)) if codec == "mpeg4" else (1, False)
    hidden = codec in ("vp8", "vp9") and is_hidden(bytes(packet), codec)
    return PacketNote(
        pts=packet.pts,
        dts=packet.dts,
        duration=packet.duration or 0,
        size=packet.size,
        is_key=packet.is_keyframe,
        is_hidden=packet.is_discard or hidden,
        num_pictures=pictures,
        is_bidirectional=is_b,
        is_fresh_start=packet.has_sidedata("new_extradata"),
    )


def mpeg4_pictures(packet: bytes) -> tuple[int, bool]:
    """How many pictures an MPEG-4 packet holds, and whether the first is a B-picture (ISO 14496-2, vop_coding_type)."""
    start = packet.find(VOP_START)
    is_b = 0 <= start < len(packet) - 4 and packet[start + 4] >> 6 == BIDIRECTIONAL
    return packet.count(VOP_START), is_b


def is_hidden(packet: bytes, codec: str) -> bool:
    """Whether a VP8 or VP9 packet only holds a picture that others refer to (RFC 6386 9.1; VP9 6.2 and Annex B)."""
    first = packet[0]
    if codec == "vp8":
        return not first >> 4 & 1
    if packet[-1] & 0b1110_0000 == 0b1100_0000:
        return False  # a superframe ends with one that is shown
    profile = (first >> 5 & 1) | (first >> 4 & 1) << 1
    bits = first << 8 | (packet[1] if len(packet) > 1 else 0)
    at = 11 if profile < 3 else 10  # after frame_marker (2), profile (2) and the reserved bit of profile 3
    if bits >> at & 1:
        return False  # shows a picture that is there already
    return not bits >> (at - 2) & 1
