"""The values that flow: VideoItem → Sample → Scores → Prediction. Frozen, and checked when made.

Axes: N batch, V views, T time steps, C channels, H, W, K classes, M videos.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kinesics.errors import UserError
from kinesics.files import atomic_path, to_json

STATUSES = ("ok", "partial", "no_frames", "no_video", "error", "timeout")
"""What decoding a whole file can come to. Only `ok` and `partial` have frames."""
NONE_OF_THESE = "none of these"
"""The answer about a video that a calibrated model is not sure enough of."""


@dataclass(frozen=True)
class VideoItem:
    """One labelled video: a file, a folder of frames or a frame pattern (`clip/img_{:05d}.jpg`), whole or a part of it.

    `labels` are class indices: one, several (multi-label) or none (unknown). `fps` is for frame folders only.
    `is_partial`: some of its frames cannot be decoded; it is read as if it had only the others. `is_flow`: the file
    holds optical flow. `digest`: identifies its content and the part of it, independent of its path; empty if unknown.
    `index_folder`: where its frame index is kept between openings.
    """

    id: str
    path: Path
    labels: tuple[int, ...] = ()
    start_seconds: float | None = None
    end_seconds: float | None = None
    fps: float | None = None
    group: str = ""
    is_partial: bool = False
    is_flow: bool = False
    digest: str = ""
    index_folder: Path | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a video needs an id")
        if self.start_seconds is not None and self.end_seconds is not None and self.end_seconds <= self.start_seconds:
            raise UserError(f"{self.path}: ends at {self.end_seconds} s, before it starts at {self.start_seconds} s")


class VideoReader(Protocol):
    """Random access to the frames of one video. Frames are RGB, rotated as a player would show them.

    Frame 0 is the first frame at or after `start_seconds`, if one was asked for.
    """

    num_frames: int
    fps: float
    duration_seconds: float
    height: int
    width: int

    def frames_at(self, indices: Tensor) -> Tensor:
        """(T,) int64, in any order, repeats allowed → (T, 3, H, W) uint8. Raises VideoError."""

    def seconds_at(self, indices: Tensor) -> Tensor:
        """(T,) int64 → (T,) float64, the time of each frame from the start of the file."""

    def close(self) -> None:
        """Free the decoder."""


@dataclass(frozen=True)
class Sample:
    """What a network sees of one video: clips (V, T, C, H, W) uint8 and the frames they came from (V, T, F) int64."""

    id: str
    clips: Tensor
    target: Tensor  # (K,) float32: one-hot, multi-hot or all zero where the label is unknown
    frame_indices: Tensor

    def __post_init__(self) -> None:
        if self.clips.ndim != 5:
            raise ValueError(f"{self.id}: clips are (V, T, C, H, W), found {tuple(self.clips.shape)}")


@dataclass(frozen=True)
class Scores:
    """The logits of M videos, keyed by id: all that metrics, fusion, plots and reports read.

    ids: M unique names. logits: (M, K) float. targets: (M, K) bool, one-hot or multi-hot; an all-false row is unknown.
    classes: K names. multi_label: whether a sigmoid (rather than a softmax) makes probabilities of the logits.
    record: how they came about (run, view plan, split, seed, versions).
    digests: the content of each video, independent of its path (`VideoItem.digest`); () where not all are known. Two
    videos may have the same content.
    """

    ids: tuple[str, ...]
    logits: npt.NDArray[np.float32]
    targets: npt.NDArray[np.bool_]
    classes: tuple[str, ...]
    multi_label: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    digests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.classes))
        for name in ("logits", "targets"):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(
                    f"scores of {shape[0]} videos and {shape[1]} classes need {name} {shape}, found {found}"
                )
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("scores have one row per video, found an id twice")
        if self.digests and (len(self.digests) != len(self.ids) or not all(self.digests)):
            raise ValueError(f"scores of {shape[0]} videos need as many digests or none, found {len(self.digests)}")

    def take(self, rows: Sequence[int]) -> Scores:
        """The scores of these rows, in this order."""
        return replace(
            self,
            ids=tuple(self.ids[row] for row in rows),
            logits=self.logits[list(rows)],
            targets=self.targets[list(rows)],
            digests=tuple(self.digests[row] for row in rows) if self.digests else (),
        )

    def probs(self) -> npt.NDArray[np.float32]:
        """(M, K) probabilities: softmax over the classes, or a sigmoid each where multi_label."""
        if self.multi_label:
            return np.asarray(np.exp(-np.logaddexp(0.0, -self.logits)), dtype=np.float32)
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write an .npz, whole or not at all."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                ids=np.array(self.ids),
                logits=self.logits,
                targets=self.targets,
                classes=np.array(self.classes),
                multi_label=np.array(self.multi_label),
                record=np.array(to_json(self.record)),
                digests=np.array(self.digests, dtype=np.str_),
            )

    @staticmethod
    def load(path: Path) -> Scores:
        """Read what `save` wrote. Raises UserError where it is missing or not a score file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return Scores(
                    ids=tuple(file["ids"].tolist()),
                    logits=file["logits"],
                    targets=file["targets"],
                    classes=tuple(file["classes"].tolist()),
                    multi_label=bool(file["multi_label"]),
                    record=json.loads(str(file["record"])),
                    digests=tuple(file["digests"].tolist()) if "digests" in file else (),  # files of before lack them
                )
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; expected scores.npz as `kinesics test` writes it") from None
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise UserError(f"{path}: not a score file of kinesics ({error})") from error


@dataclass(frozen=True)
class Prediction:
    """The answer for one video, best class first, with the frames that were looked at.

    threshold: the probability below which the best class is not the answer; 0 where the model was not calibrated.
    """

    path: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    frame_indices: tuple[int, ...]
    frame_seconds: tuple[float, ...]
    threshold: float = 0.0

    @property
    def rejected(self) -> bool:
        """Whether the answer is "none of these": even the best class is below the threshold."""
        return self.probability < self.threshold

    @property
    def label(self) -> str:
        """The most probable class, or "none of these" where it is rejected."""
        return NONE_OF_THESE if self.rejected else self.labels[0]

    @property
    def over_half(self) -> tuple[tuple[str, float], ...]:
        """The classes above one half with their probabilities: the answer of a multi-label model; none if rejected."""
        return () if self.rejected else tuple((name, probability) for name, probability in self if probability > 0.5)

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return self.probabilities[0]

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(zip(self.labels, self.probabilities, strict=True))


def one_hot(labels: Sequence[int], num_classes: int) -> npt.NDArray[np.bool_]:
    """(K,) bool, true at each label.

    >>> one_hot((1,), 3).tolist()
    [False, True, False]
    """
    row = np.zeros(num_classes, dtype=np.bool_)
    row[list(labels)] = True
    return row
