"""Which files are opened, and which of their tracks is read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from kinesics.errors import VideoError
from kinesics.video.integrity import decode_whole
from kinesics.video.open import FORMATS, open_container, track_note, video_stream
from tests.video.numbered_video import numbered_video, picture

WRITTEN = [  # ending, codec, format of the muxer where the ending does not give it
    ("mp4", "libx264", None),
    ("mov", "libx264", None),
    ("m4v", "libx264", "mp4"),
    ("3gp", "mpeg4", None),
    ("mkv", "libx264", None),
    ("webm", "libvpx", None),
    ("avi", "mpeg4", None),
    ("ts", "libx264", None),
    ("mts", "libx264", "mpegts"),
    ("mpg", "mpeg1video", None),
    ("vob", "mpeg2video", None),
    ("ogv", "libvpx", "ogg"),
    ("flv", "flv", None),
    ("wmv", "wmv2", "asf"),
    ("mxf", "mpeg2video", None),
    ("gif", "gif", None),
    ("png", "apng", "apng"),
    ("y4m", "rawvideo", "yuv4mpegpipe"),
    ("h264", "libx264", None),
    ("hevc", "libx265", None),
    ("ivf", "libvpx", None),
    ("nut", "mpeg4", None),
    ("mjpeg", "mjpeg", None),
    ("m2v", "mpeg2video", None),
    ("swf", "flv", None),
    ("dv", "dvvideo", None),
]
PIXELS = {"png": "rgb24", "gif": "rgb8", "apng": "rgb24", "mjpeg": "yuvj420p"}


def write(path: Path, codec: str, format: str | None, size: tuple[int, int] = (64, 96), frames: int = 6) -> None:
    """A short video of one track."""
    height, width = (576, 720) if codec == "dvvideo" else size
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, PIXELS.get(codec, "yuv420p")
        for number in range(frames):
            image = np.resize(picture(number), (height, width, 3))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("ending", "codec", "format"), WRITTEN, ids=[ending for ending, _, _ in WRITTEN])
def test_every_container_that_can_be_written_is_read(
    tmp_path: Path, ending: str, codec: str, format: str | None
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg does not write {codec}")
    write(tmp_path / f"a.{ending}", codec, format)
    check = decode_whole(tmp_path / f"a.{ending}")
    assert (check.status, check.num_frames) == ("ok", 6), check.reason


PLAYLISTS = {
    "ffconcat": ("ffconcat version 1.0\nfile other.mkv\n", "ffconcat script"),
    "HLS": ("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mkv\n#EXT-X-ENDLIST\n", "HLS playlist"),
    "SDP": ("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n", "SDP"),
    "DASH": ('<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"/>\n', "DASH playlist"),
}


@pytest.mark.parametrize("ending", ["mkv", "mp4", "m3u8", "ffconcat"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_text_that_names_another_video_is_refused(tmp_path: Path, kind: str, ending: str) -> None:
    numbered_video(tmp_path / "other.mkv", 6)
    text, name = PLAYLISTS[kind]
    path = tmp_path / f"innocent.{ending}"
    path.write_text(text)
    with pytest.raises(VideoError, match=rf"innocent\.{ending}: .*{name}"):
        open_container(path)
    assert decode_whole(path).status == "error"


def test_numbered_pictures_and_pictures_are_refused(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"i{number}.png", "png", "image2", frames=1)
    with pytest.raises(VideoError, match="single picture"):
        open_container(tmp_path / "i1.png")
    with pytest.raises(VideoError, match="no such file"):
        open_container(tmp_path / "i%d.png")


def test_formats_that_open_other_files_are_not_on_the_list() -> None:
    assert not FORMATS & {
        "concat",
        "hls",
        "dash",
        "image2",
        "sdp",
        "rtsp",
        "lavfi",
        "vobsub",
        "imf",
        "webm_dash_manifest",
    }


def test_only_the_open_module_opens_files_to_read() -> None:
    source = Path(__file__).parents[2] / "src/kinesics"
    calls = [
        f"{file.name}: {line.strip()}"
        for file in source.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if "av.open(" in line and '"w"' not in line
    ]
    assert [call.split(":")[0] for call in calls] == ["open.py"], calls


@pytest.mark.parametrize(
    ("sizes", "default", "expected"),
    [
        ([(32, 48), (64, 96)], None, 1),
        ([(64, 96), (32, 48)], None, 0),
        ([(64, 96), (32, 48)], 1, 1),
        ([(32, 48), (32, 48)], None, 0),
    ],
)
def test_the_default_track_is_read_then_the_largest_then_the_first(
    tmp_path: Path, sizes: list[tuple[int, int]], default: int | None, expected: int
) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w", options={"default_mode": "passthrough"}) as container:
        streams = []
        for number, (height, width) in enumerate(sizes):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        for stream in streams:
            for _ in range(3):
                image = np.zeros((stream.height, stream.width, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    with open_container(path) as container:
        chosen = video_stream(container, path)
        assert chosen.index == expected
        assert track_note(container, chosen).startswith(f"2 video tracks; number {expected + 1} ")
    check = decode_whole(path)
    assert (check.height, check.width) == sizes[expected]
    assert check.note == f"2 video tracks; number {expected + 1} ({check.width}×{check.height}) is read, as players do"
    assert decode_whole(numbered_video(tmp_path / "one.mp4", 3)).note == ""
