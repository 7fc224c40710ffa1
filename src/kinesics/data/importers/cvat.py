"""Import the XML of CVAT for video: each span in which a track is visible becomes a clip."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from kinesics.data.frame_times import FrameTimes, frame_times
from kinesics.data.importers.cvat_xml import EXPECTED, Document, Track, read_document
from kinesics.data.importers.source import Imported, Options, first_existing
from kinesics.data.manifest import Row
from kinesics.data.problems import Entry, Problem
from kinesics.errors import KinesicsError, UserError


def import_cvat(source: Path, options: Options) -> Imported:
    """CVAT for video 1.1: each span in which a track is not outside becomes a row of the video, from start to end.

        <annotations><meta><task>…<source>walk.mp4</source></task></meta>
          <track label="nod"><box frame="30" outside="0" …/> … <box frame="75" outside="1" …/></track>

    The video is beside the XML (or in `root`); its time stamps give the seconds of frames. Where it cannot be read, the
    frame rate of the XML gives them, with a note. All clips of a video are one group, so that they stay in one split.
    In a folder, all XML files are read.

    Raises:
        UserError: a file is not such XML.
    """
    files = sorted(source.glob("*.xml")) if source.is_dir() else [source]
    if not files:
        raise UserError(f"{source}: no XML file in it; expected {EXPECTED}")
    documents = {file: read_document(file) for file in files}
    videos = {file: videos_of(document, options.root or file.parent) for file, document in documents.items()}
    paths = [path for by_task in videos.values() for path in by_task.values()]
    times = frame_times(paths, options.limits, options.num_workers)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file, document in documents.items():
        for task, path in videos[file].items():
            tracks = [track for track in document.tracks if track.task == task]
            seconds_at = clock(file, document.fps.get(task), tracks, path, times, problems)
            if seconds_at is not None:
                group = Path(document.videos[task]).name
                entries += [entry for track in tracks for entry in entries_of(file, track, path, group, seconds_at)]
    if not entries and not problems:
        raise UserError(f"{', '.join(map(str, files))}: no labelled track; expected {EXPECTED}")
    return Imported(tuple(entries), None, tuple(problems))


def videos_of(document: Document, base: Path) -> dict[str, Path]:
    """The video of each task: its path from `base`, or its file name in `base`."""
    base = base.absolute()
    return {task: first_existing([base / name, base / Path(name).name]) for task, name in document.videos.items()}


def clock(
    file: Path,
    fps: float | None,
    tracks: Sequence[Track],
    path: Path,
    times: Mapping[Path, FrameTimes | KinesicsError],
    problems: list[Problem],
) -> Callable[[int], float] | None:
    """The time of each frame of a video in seconds; None where it is not known. Adds to `problems`.

    fps: the rate in the XML, for a video whose own times cannot be read.
    """
    video_times = times[path]
    if isinstance(video_times, FrameTimes):
        for track in tracks:
            last = max((frame for frame, _ in track.shapes), default=0)
            if last > video_times.num_frames:
                text = f"the track '{track.label}' goes to frame {last}; {path} has {video_times.num_frames} frames"
                problems.append(Problem("warning", str(file), track.line, text))
        return video_times.at
    if fps is not None and math.isfinite(fps) and fps > 0:
        text = f"{len(tracks)} tracks have times by the XML's frame rate of {fps:g}"
        text = f"{text}, since {path} cannot be read: {video_times}"
        problems.append(Problem("note", str(file), 0, text))
        return lambda frame: frame / fps
    text = f"{len(tracks)} tracks need the times of the frames of {path}"
    problems.append(Problem("error", str(file), 0, f"{text}, which cannot be read: {video_times}"))
    return None


def entries_of(file: Path, track: Track, path: Path, group: str, seconds_at: Callable[[int], float]) -> Iterator[Entry]:
    """A clip for each span of a track."""
    for first, end in spans(track.shapes):
        try:
            row = Row(
                str(path),
                (track.label,),
                group=group,
                start_seconds=round(seconds_at(first), 6),
                end_seconds=round(seconds_at(end), 6),
                line=track.line,
            )
        except ValueError as error:
            raise UserError(f"{file}:{track.line}: {error}") from None
        yield Entry(row, file)


def spans(shapes: list[tuple[int, bool]]) -> Iterator[tuple[int, int]]:
    """(first frame, frame after the last) of each visible span, from (frame, outside) pairs.

    [(3, False), (9, False), (12, True), (20, False)] → (3, 12), (20, 21): a shape holds until the next one.
    """
    first: int | None = None
    last = 0
    for frame, outside in sorted(shapes):
        if outside and first is not None:
            yield first, frame
            first = None
        elif not outside and first is None:
            first = frame
        last = frame
    if first is not None:
        yield first, last + 1
