"""What names of files tell: videos, pictures, patterns of frame files, their order; which videos a folder holds."""

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
class Found:
    """The videos below what was named, in natural order, each once; and all other files there, so that none is lost."""

    videos: tuple[Path, ...]
    others: tuple[Path, ...] = ()

    def line(self) -> str:
        """What was left out, in a line; empty where nothing was: "left out 3 files: a.txt, b.txt and 1 more"."""
        if not self.others:
            return ""
        count, names = len(self.others), ", ".join(str(path) for path in self.others[:3])
        more = f" and {count - 3} more" if count > 3 else ""
        return f"left out {count} file{'s' * (count > 1)} that {'are' if count > 1 else 'is'} no video: {names}{more}"


def is_video(path: Path) -> bool:
    """Whether the name is one of a video file."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_picture(path: Path) -> bool:
    """Whether the name is one of a picture file."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_pattern(path: Path) -> bool:
    """Whether a path's name has a place for the frame's number, and is not the name of a file."""
    return FRAME_NUMBER.search(path.name) is not None and not path.exists()


def is_frames(path: Path) -> bool:
    """Whether a path stands for frame files: a folder or a pattern."""
    return path.is_dir() or is_pattern(path)


def on_disk(path: Path) -> Path:
    """What must be there for a clip: the folder of a frame pattern (`clip/img_{:05d}.jpg` → `clip`), else the path."""
    return path.parent if is_pattern(path) else path


def natural_key(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that counts: a2 before a10, numbers before words, capitals beside small letters.

    >>> sorted(["b", "a10", "B", "a2", "7"], key=natural_key)
    ['7', 'a2', 'a10', 'B', 'b']
    """
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(p), "") if i % 2 else (1, 0, p.casefold()) for i, p in enumerate(parts) if p], text


def find_videos(paths: Iterable[Path | str]) -> Found:
    """The videos that are meant: files as they are, folders with all that is below them.

    Below a folder, a video is told by its suffix; a folder that holds images, no videos and no folders is itself one
    (its frames). Hidden files and folders are skipped; folders that cannot be read stand among the others.

    Raises:
        UserError: a path does not exist, or no video is below it.
    """
    videos: dict[str, Path] = {}
    others: dict[str, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; wanted videos")
        if path.is_dir():
            found, rest = _below(path, set())
        elif holds_flow(path):
            raise UserError(f"{path}: a flow file, not a video; expected the video that the flow comes from")
        else:
            found, rest = [path], []
        if not found:
            holds = f"none of its {len(rest)} files is one" if rest else "it is empty"
            wanted = ", ".join(sorted(suffix[1:] for suffix in VIDEO_SUFFIXES))
            raise UserError(f"{path}: no videos below this folder, {holds}; wanted {wanted}, or folders of frames")
        for one in found:
            videos.setdefault(os.path.realpath(one), one)
        others.update({os.path.realpath(one): one for one in rest})
    if not videos:
        raise UserError("no videos were named; wanted files, folders of videos or folders of frames")
    return Found(tuple(videos.values()), tuple(path for key, path in others.items() if key not in videos))


def _below(folder: Path, seen: set[str]) -> tuple[list[Path], list[Path]]:
    """The videos and the other files below a folder; links are followed, each folder is entered once."""
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
    taken = set(videos)
    others = [file for file in files if file not in taken]
    for inner in folders:
        found, rest = _below(inner, seen)
        videos += found
        others += rest
    return videos, others


def annotated_names(videos: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where the annotated copy of each video goes: `folder/STEM.annotated.mp4`, no two the same."""
    return {video: folder / f"{stem}.annotated.mp4" for video, stem in distinct_stems(videos).items()}


def distinct_stems(videos: Sequence[Path]) -> dict[Path, str]:
    """What files about each video begin with: its stem, no two the same.

    Videos of the same stem get the folders that tell them apart and their suffix: a/x.mp4 and b/x.avi become a-x.mp4
    and b-x.avi. Ask for all videos at once: the names depend on their company.
    """
    count = Counter(_stem(video).casefold() for video in videos)
    full = {video: Path(os.path.abspath(video)) for video in videos}  # noqa: PTH100 - links stay what they are called
    shared = Path(os.path.commonpath([path.parent for path in full.values()])) if videos else Path()
    names: dict[Path, str] = {}
    taken: set[str] = set()
    next_number: dict[str, int] = {}
    for video in videos:
        wanted = _stem(video)
        if count[wanted.casefold()] > 1:
            wanted = "-".join(full[video].relative_to(shared).parts)
        name, number = wanted, next_number.get(wanted.casefold(), 2)
        while name.casefold() in taken:
            name, number = f"{wanted}-{number}", number + 1
        next_number[wanted.casefold()] = number
        taken.add(name.casefold())
        names[video] = name
    return names


def _stem(video: Path) -> str:
    """x of x.mp4; all of a folder's name."""
    return video.stem if is_video(video) else video.name
