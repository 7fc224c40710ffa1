"""Videos, pictures and patterns of frame files by their names, and their order; the videos in a folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinesics.errors import UserError
from kinesics.video.open import holds_flow

_VIDEOS = (
    ".3g2 .3gp .asf .avi .divx .flv .gif .h264 .hevc .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogm .ogv .ts "
    ".vob .webm .wmv"
)
VIDEO_SUFFIXES = frozenset(_VIDEOS.split())
PICTURE_SUFFIXES = frozenset([".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
FRAME_NUMBER = re.compile(r"(\{(?::0?\d*d?)?\})")
"""The place of a frame's number in a pattern: `img_{:05d}.jpg`."""


@dataclass(frozen=True)
class VideoListing:
    """The videos in the named files and folders, in natural order, each once; and the other files in them."""

    videos: tuple[Path, ...]
    others: tuple[Path, ...] = ()

    def line(self) -> str:
        """A line about the other files; empty where there are none: "left out 3 files that are no video: a.txt, …"."""
        if not self.others:
            return ""
        count, names = len(self.others), ", ".join(str(path) for path in self.others[:3])
        more = f" and {count - 3} more" if count > 3 else ""
        return f"left out {count} file{'s' * (count > 1)} that {'are' if count > 1 else 'is'} no video: {names}{more}"


def is_video(path: Path) -> bool:
    """Whether a file is a video by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its suffix."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_pattern(path: Path) -> bool:
    """Whether a path's name has a place for the frame's number, and no such file exists."""
    return FRAME_NUMBER.search(path.name) is not None and not path.exists()


def is_frames(path: Path) -> bool:
    """Whether a path means frame files: a folder or a pattern."""
    return path.is_dir() or is_pattern(path)


def on_disk(path: Path) -> Path:
    """The path that must exist: the folder of a frame pattern (`clip/img_{:05d}.jpg` → `clip`), else the path."""
    return path.parent if is_pattern(path) else path


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key in natural order: a2 before a10, numbers before words, capital letters next to small ones.

    >>> sorted(["b", "a10", "B", "a2", "7"], key=natural_key)
    ['7', 'a2', 'a10', 'B', 'b']
    """
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(p), "") if i % 2 else (1, 0, p.casefold()) for i, p in enumerate(parts) if p], text


def find_videos(paths: Iterable[Path | str]) -> VideoListing:
    """The videos in files and folders: a named file is one, a folder is searched with all folders in it.

    In a folder, files are videos by their suffix. A folder that holds pictures, no videos and no folders is itself one
    video (its frames). Hidden files and folders are skipped. Folders that cannot be read are among `others`.

    Raises:
        UserError: a path does not exist, or no video is in it.
    """
    videos: dict[str, Path] = {}
    others: dict[str, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; expected videos")
        if path.is_dir():
            inside, rest = _below(path, set())
        elif holds_flow(path):
            raise UserError(f"{path}: a flow file, not a video; expected the video that the flow was computed from")
        else:
            inside, rest = [path], []
        if not inside:
            holds = f"none of its {len(rest)} files is one" if rest else "it is empty"
            suffixes = ", ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
            raise UserError(f"{path}: no videos in this folder, {holds}; expected {suffixes}, or folders of frames")
        for one in inside:
            videos.setdefault(os.path.realpath(one), one)
        others.update({os.path.realpath(one): one for one in rest})
    if not videos:
        raise UserError("no videos were named; expected files, folders of videos or folders of frames")
    return VideoListing(tuple(videos.values()), tuple(path for key, path in others.items() if key not in videos))


def _below(folder: Path, seen: set[str]) -> tuple[list[Path], list[Path]]:
    """The videos and the other files in a folder and its folders; links are followed, each folder is read once."""
    real = os.path.realpath(folder)
    if real in seen:
        return [], []
    seen.add(real)
    try:
        with os.scandir(folder) as listing:
            entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: natural_key(e.name))
        folders = [folder / entry.name for entry in entries if entry.is_dir()]
        files = [folder / entry.name for entry in entries if not entry.is_dir()]
    except OSError:
        return [], [folder]
    videos = [file for file in files if is_video(file) and not holds_flow(file)]
    images = [file for file in files if is_picture(file)]
    if images and not videos and not folders:
        return [folder], [file for file in files if not is_picture(file)]
    video_files = set(videos)
    others = [file for file in files if file not in video_files]
    for inner in folders:
        inside, rest = _below(inner, seen)
        videos += inside
        others += rest
    return videos, others


def annotated_names(videos: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where the annotated copy of each video goes: `folder/STEM.annotated.mp4`, no two the same."""
    return {video: folder / f"{stem}.annotated.mp4" for video, stem in distinct_stems(videos).items()}


def distinct_stems(videos: Sequence[Path]) -> dict[Path, str]:
    """The start of the names of files about each video: its stem, no two the same.

    Videos with the same stem also get the folders in which they differ and their suffix: a/x.mp4 and b/x.avi become
    a-x.mp4 and b-x.avi. Pass all videos in one call: each name depends on the others.
    """
    count = Counter(_stem(video).casefold() for video in videos)
    full = {video: Path(os.path.abspath(video)) for video in videos}  # noqa: PTH100 - links keep their names
    shared = Path(os.path.commonpath([path.parent for path in full.values()])) if videos else Path()
    names: dict[Path, str] = {}
    used: set[str] = set()
    next_number: dict[str, int] = {}
    for video in videos:
        stem = _stem(video)
        if count[stem.casefold()] > 1:
            stem = "-".join(full[video].relative_to(shared).parts)
        name, number = stem, next_number.get(stem.casefold(), 2)
        while name.casefold() in used:
            name, number = f"{stem}-{number}", number + 1
        next_number[stem.casefold()] = number
        used.add(name.casefold())
        names[video] = name
    return names


def _stem(video: Path) -> str:
    """x for x.mp4; the whole name for a folder."""
    return video.stem if is_video(video) else video.name
