"""Videos stored as one picture file per frame: a folder, or a pattern such as `clip/img_{:05d}.jpg`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from kinesics.errors import VideoError
from kinesics.sizes import ResizeSetting
from kinesics.video.convert import Picture, fit, resized
from kinesics.video.files import FRAME_NUMBER, is_pattern, is_picture, natural_key

DEFAULT_FPS = 25.0


def frame_files(path: Path) -> list[Path]:
    """The picture files of a folder, in natural order (2 before 10), or those of a pattern, counted from 0 or 1.

    Raises:
        VideoError: there are none (`no_frames`), or a number between the first and the last is missing.
    """
    if is_pattern(path):
        return _of_pattern(path)
    files = [p for p in path.iterdir() if is_picture(p) and not p.name.startswith(".") and p.is_file()]
    if not files:
        raise VideoError(f"{path}: the folder has no picture files", "no_frames")
    return sorted(files, key=lambda p: natural_key(p.name))


def _of_pattern(path: Path) -> list[Path]:
    head, field, tail = FRAME_NUMBER.split(path.name, maxsplit=1)
    if not path.parent.is_dir():
        raise VideoError(f"{path.parent}: no such folder")
    name = re.compile(re.escape(head) + r"(\d+)" + re.escape(tail))
    matches = [name.fullmatch(p.name) for p in path.parent.iterdir()]
    numbers = {int(m[1]) for m in matches if m and head + field.format(int(m[1])) + tail == m.string}
    if not numbers:
        raise VideoError(f"{path}: no file fits this pattern", "no_frames")
    first = 0 if 0 in numbers else 1
    files = [path.with_name(head + field.format(i) + tail) for i in range(first, max(numbers) + 1)]
    for number, file in enumerate(files, first):
        if number not in numbers:
            raise VideoError(f"{file}: this frame is missing, and later ones are there; add it or renumber the files")
    return files


def read_picture(path: Path) -> Picture:
    """(H, W, 3) RGB of one picture file; grey and 16-bit are converted, alpha is dropped. Raises VideoError."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file") from None
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror}") from None
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(content) else None
    if picture is None:
        raise VideoError(f"{path}: {'not a picture that can be read' if len(content) else 'an empty file'}")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


class FrameFolder:
    """The frames of a folder or pattern, each read when it is needed."""

    def __init__(self, path: Path, fps: float | None, resize: ResizeSetting | None) -> None:
        self.path = path
        self.files = frame_files(path)
        self.fps = DEFAULT_FPS if fps is None else fps
        self.seconds = np.arange(len(self.files)) / self.fps
        self.end_seconds = len(self.files) / self.fps
        height, width, _ = read_picture(self.files[0]).shape
        self._stored_size = (height, width)
        self.size = fit(height, width, resize)

    def pictures(self, indices: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """The frames at `indices`, each with its number. Raises VideoError where one is broken or has another size."""
        for index in indices:
            picture = read_picture(self.files[index])
            if picture.shape[:2] != self._stored_size:
                raise VideoError(
                    f"{self.files[index]}: {picture.shape[1]}×{picture.shape[0]} pixels, "
                    f"but the first frame has {self._stored_size[1]}×{self._stored_size[0]}"
                )
            yield index, resized(picture, self.size)

    def in_order(self) -> Iterator[Picture]:
        """All frames in their order. Raises VideoError as `pictures` does."""
        return (picture for _, picture in self.pictures(range(len(self.files))))

    def close(self) -> None:
        """Nothing stays open."""


class MemoryReader:
    """A VideoReader of frames that are in memory, (T, H, W, 3) uint8 RGB."""

    def __init__(self, frames_THWC: Tensor, fps: float, resize: ResizeSetting | None = None) -> None:
        self.frames, self.fps = frames_THWC, fps
        self.num_frames, height, width, _ = frames_THWC.shape
        self.duration_seconds = self.num_frames / fps
        self.height, self.width = fit(height, width, resize)

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order → (T, 3, H, W) uint8."""
        chosen = self.frames[indices]
        if chosen.shape[1:3] != (self.height, self.width):
            size = (self.height, self.width)
            chosen = torch.from_numpy(np.stack([resized(picture, size) for picture in chosen.numpy()]))
        return chosen.permute(0, 3, 1, 2)

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64."""
        return indices.double() / self.fps

    def close(self) -> None:
        """Nothing is open."""
