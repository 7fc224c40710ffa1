"""The sound of a video, for a copy of its pictures: packets are copied where MP4 can hold them, else encoded as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from kinesics.errors import VideoError
from kinesics.video.open import open_container, video_stream

COPIED = ("aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac")
"""Codecs whose packets an MP4 file can hold."""
MAX_RATE = 48_000
"""Highest rate of encoded sound, in samples per second; most players accept no more."""
Piece = tuple[Fraction, "list[Packet[AudioStream]]"]
"""The time in seconds at which some sound starts, and its packets."""


class Sound:
    """The first sound track of a video, from the first picture on.

    A damaged track ends where it can no longer be read; the pictures go on.

    Raises:
        VideoError: the file cannot be opened, or has no sound.
    """

    def __init__(self, video: Path) -> None:
        self.container = open_container(video)
        tracks = self.container.streams.audio
        if not tracks or tracks[0].codec_context is None:
            self.container.close()
            raise VideoError(f"{video}: has no sound")
        self.track = tracks[0]
        pictures = video_stream(self.container, video)
        self.track.discard = av.stream.Discard.default
        self.start = Fraction(pictures.start_time or 0) * (pictures.time_base or 0)
        self._next: Piece | None = None

    def add_to(self, copy: OutputContainer) -> None:
        """Add its track to `copy`; call this before anything is written."""
        codec = self.track.codec_context
        if codec.codec.canonical_name in COPIED:
            self._track = copy.add_stream_from_template(self.track)
            self._pieces = self._copied()
        else:
            self._track = copy.add_stream("aac", rate=min(codec.sample_rate or MAX_RATE, MAX_RATE))
            self._track.codec_context.layout = "mono" if codec.layout.nb_channels == 1 else "stereo"
            self._pieces = self._encoded()

    def write_until(self, copy: OutputContainer, seconds: float) -> None:
        """Write the sound before a time in seconds, counted from the first picture."""
        try:
            while (piece := self._next or next(self._pieces, None)) is not None:
                self._next = piece if piece[0] >= seconds else None
                if self._next:
                    return
                for packet in piece[1]:
                    copy.mux(packet)
        except (av.FFmpegError, ValueError):
            self._pieces = iter(())  # the rest is damaged

    def close(self) -> None:
        """Free the file."""
        self.container.close()

    def _copied(self) -> Iterator[Piece]:
        base = Fraction(self.track.time_base or 1)
        shift, last = round(self.start / base), -1
        for packet in self.container.demux(self.track):
            if packet.size == 0 or packet.pts is None:
                continue
            pts = packet.pts - shift
            if pts <= last or pts < 0:
                continue
            packet.pts = packet.dts = last = pts
            packet.stream = self._track
            yield pts * base, [packet]

    def _encoded(self) -> Iterator[Piece]:
        codec = self._track.codec_context
        resampler = av.AudioResampler(codec.format or "fltp", codec.layout, codec.sample_rate)
        done = 0
        for decoded in self.container.decode(self.track):
            if decoded.time is not None and Fraction(decoded.time) < self.start:
                continue
            decoded.pts = None
            for frame in resampler.resample(decoded):
                frame.pts, frame.time_base = done, Fraction(1, codec.sample_rate)
                seconds = Fraction(done, codec.sample_rate)
                done += frame.samples
                yield seconds, self._track.encode(frame)
        yield Fraction(done, codec.sample_rate), self._track.encode(None)


def sound_of(video: Path) -> Sound | None:
    """The sound of a video; None where it has none, for example a folder of frames."""
    if not video.is_file():
        return None
    try:
        return Sound(video)
    except VideoError:
        return None
