"""Open media files for reading: which formats are read, and which track of a file. No other module opens them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from kinesics.errors import VideoError

_VIDEO_CONTAINERS = (
    "mov mp4 m4a 3gp 3g2 mj2 matroska webm avi mpegts mpeg ogg flv live_flv asf mxf gif apng jpegxl_anim avif "
    "yuv4mpegpipe dv nut nuv ivf rm swf wtv gxf lxf amv flic roq bink smk rpl nsv ty dhav vivo pva cine"
)
_RAW_STREAMS = (
    "h261 h263 h264 hevc vvc evc av1 obu m4v mpegvideo mjpeg mpjpeg vc1 vc1test cavsvideo avs2 avs3 dirac dnxhd"
)
_SOUND = "wav w64 mp3 flac aac ac3 eac3 aiff au amr caf ape tta wv dts"
FORMATS = frozenset(f"{_VIDEO_CONTAINERS} {_RAW_STREAMS} {_SOUND}".split())
"""FFmpeg's names of the formats that are opened. Each reads only one file. Sound formats are included so that the error
message can name them. Playlists and scripts (concat, hls, dash, sdp, lavfi, vobsub …) and numbered pictures (image2)
are left out, because they open further files."""

FLOW_TAG = "KINESICS_FLOW"
"""The name of the metadata field that marks a flow file."""
MAX_PIXELS = 8192 * 8192
"""Height × width of the largest frame that is decoded where no other limit is given."""
MAX_PIXEL_SHAPE = 16
"""The largest ratio between the sides of a pixel; a larger one is taken as an error in the file."""
_HEAD_BYTES = 64 * 2**10

_OPTIONS = {
    "format_whitelist": ",".join(sorted(FORMATS)),
    "protocol_whitelist": "file",
    "enable_drefs": "0",  # MOV and MP4: no tracks in other files
    "use_absolute_path": "0",
}

_PLAYLISTS = ((b"ffconcat", "an ffconcat script"), (b"#EXTM3U", "an HLS playlist"), (b"v=0", "an SDP description"))
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6", b"\0\0\0\x0cjP")


def open_container(path: Path) -> InputContainer:
    """Open a file of one of FORMATS. A link inside it never opens another file.

    Raises:
        VideoError: it is missing, it is unreadable, or its format is not read.
    """
    try:
        container = av.open(f"file:{path}", options=dict(_OPTIONS))
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file") from None
    except av.EOFError:
        raise VideoError(f"{path}: ends before its first frame", "no_frames") from None
    except (av.InvalidDataError, av.ArgumentError):  # ArgumentError: the format is not on the list
        if not path.exists():  # a numbered pattern such as i%d.png, which only FFmpeg understands
            raise VideoError(f"{path}: no such file") from None
        raise VideoError(f"{path}: {_kind(path)}") from None
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: cannot be opened: {error.strerror}") from None
    if FORMATS.isdisjoint(container.format.name.split(",")):
        name = container.format.name
        container.close()
        raise VideoError(f"{path}: its format is {name}, which is not read as video; convert it to MP4")
    return container


def holds_flow(path: Path) -> bool:
    """Whether a file is a flow file: by the tag in its Matroska header, not by its name."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(b"\x1a\x45\xdf\xa3") and FLOW_TAG.encode() in head


def _kind(path: Path) -> str:
    """The kind of a file that is not read, by its first bytes: "a single picture, not a video"."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        return "an empty file"
    for start, kind in _PLAYLISTS:
        if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(start):
            return f"{kind}, which names other files, not a video"
    if b"<MPD" in head:
        return "a DASH playlist, which names other files, not a video"
    if head.startswith(_PICTURES):
        return "a single picture, not a video"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture, not a video; FFmpeg does not decode animated ones"
    if b"\n" in head and min(head) >= 9:
        return "text, not a video"
    return "not a video, or its header is missing or broken"


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video track that players and FFmpeg choose: the one marked as default, else the largest, else the first.

    The other tracks are not read. Raises VideoError where there is no video track.
    """
    tracks = video_tracks(container)
    if not tracks:
        raise VideoError(f"{path}: holds no video{', only sound' if container.streams.audio else ''}", "no_video")
    chosen = max(tracks, key=lambda track: (bool(track.disposition & Disposition.default), _num_pixels(track)))
    for stream in container.streams:
        if stream is not chosen:
            stream.discard = Discard.all
    if chosen.codec_context is None:
        raise VideoError(f"{path}: this build of FFmpeg has no decoder for its video")
    return chosen


def too_large(path: Path, width: int, height: int, max_pixels: int) -> VideoError:
    """The error for a file whose frames are too large."""
    return VideoError(f"{path}: frames of {width}×{height}, more than the limit of {max_pixels} pixels (max_pixels)")


def pixel_shape(track: VideoStream) -> Fraction:
    """Width of a pixel over its height, as players use it: by the container, else by the codec, else 1."""
    shape = track.sample_aspect_ratio
    return Fraction(shape) if shape and 1 / MAX_PIXEL_SHAPE <= shape <= MAX_PIXEL_SHAPE else Fraction(1)


def video_tracks(container: InputContainer) -> list[VideoStream]:
    """The video tracks, without cover pictures."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def track_note(container: InputContainer, chosen: VideoStream) -> str:
    """Which of several video tracks is read: "2 video tracks; number 2 (64×48) is read"; empty for one track."""
    tracks = video_tracks(container)
    if len(tracks) < 2:
        return ""
    number = tracks.index(chosen) + 1
    size = f"{chosen.codec_context.width}×{chosen.codec_context.height}"
    return f"{len(tracks)} video tracks; number {number} ({size}) is read, as players do"


def _num_pixels(track: VideoStream) -> int:
    context = track.codec_context
    return context.width * context.height if context is not None else 0
