"""Test protocols as values: which clips of a video are scored, at which size and crops, and how scores are averaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from kinesics.checks import check_fields
from kinesics.errors import UserError, unknown
from kinesics.settings import InputConfig, Size, Steps
from kinesics.video.sampling import Sampling, clip_indices

Modality = Literal["rgb", "flow"]
VIEWS = ("one", "two-clip", "ten-by-three", "25x10", "25x1")
"""The names of the protocols that `view_plan` knows."""


@dataclass(frozen=True)
class ViewPlan:
    """How one video is scored: V = num_clips · crops views, averaged.

    A view has T = num_segments · steps_per_segment time steps.
    """

    modality: Modality = "rgb"
    """Frames, or their optical flow."""
    sampling: Sampling = "segments"
    """segments: one place in each equal share of the video. dense: steps `stride` frames apart."""
    num_clips: Steps = 1
    """Number of clips, spread evenly over the video."""
    num_segments: Steps = 8
    """Segments of a clip, each one time step: T of them."""
    steps_per_segment: Steps = 1
    """Time steps in each segment, `stride` frames apart."""
    frames_per_segment: Steps = 1
    """Consecutive frames F stacked in a time step."""
    stride: Steps = 8
    """Frames between the time steps of dense sampling, or of a segment."""
    resize: Size = 256
    """Short side that frames are resized to, in pixels."""
    size: Size = 224
    """Side of the square crops, in pixels."""
    crops: Literal[1, 3, 10] = 1
    """1: the centre. 3: along the longer side. 10: corners, centre and their mirror images."""
    average: Literal["logits", "probs"] = "logits"
    """What is averaged over the views."""

    def __post_init__(self) -> None:
        check_fields(self, "view plan: ")
        if self.steps_per_segment > 1 and self.frames_per_segment > self.stride:
            raise UserError(
                f"view plan: steps {self.stride} frames apart cannot have {self.frames_per_segment} frames each"
            )
        if self.size > self.resize:
            raise UserError(f"view plan: crops of {self.size} pixels do not fit frames resized to {self.resize}")

    @property
    def num_views(self) -> int:
        """Views V of a video: clips times crops."""
        return self.num_clips * self.crops

    def frame_indices(self, num_frames: int) -> Tensor:
        """(num_clips, T, F) int64: the frames of each clip, the same each time. Raises ValueError below 1 frame."""
        return clip_indices(
            num_frames,
            self.num_clips,
            self.num_segments,
            sampling=self.sampling,
            steps_per_segment=self.steps_per_segment,
            stride=self.stride,
            frames_per_segment=self.frames_per_segment,
        )

    def named(self, name: str) -> ViewPlan:
        """The protocol `name` with this plan's sizes and segments; "one" gives this plan. Raises UserError."""
        if name == "one":
            return self
        shared = {field.name for field in dataclasses.fields(InputConfig)} & set(vars(self))
        return view_plan(name, InputConfig(**{field: getattr(self, field) for field in shared}))

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ViewPlan:
        """The plan of the values that `to_dict` gave; missing ones get defaults. Raises UserError for unknown ones."""
        fields = [field.name for field in dataclasses.fields(ViewPlan)]
        for name in values:
            if name not in fields:
                raise unknown("setting of a view plan", name, fields)
        return ViewPlan(**values)


def view_plan(name: str, input: InputConfig) -> ViewPlan:
    """The protocol `name`, for a network trained on `input`.

    one: one clip, its centre crop. two-clip: two clips at full resolution, centre crop (TSM's "2 clips").
    ten-by-three: ten clips × three crops at full resolution, probabilities averaged (Non-local's protocol).
    25x10: 25 segments × corners, centre and their mirror images (TSN's protocol; here its 25 frames are one clip).
    25x1: the same with the centre crop only, ten times as fast.

    Raises:
        UserError: the protocol is unknown, or the crops are larger than the frames.
    """
    plan = ViewPlan(
        modality=input.modality,
        sampling=input.sampling,
        num_segments=input.num_segments,
        steps_per_segment=input.steps_per_segment,
        frames_per_segment=input.frames_per_segment,
        stride=input.stride,
        resize=input.resize,
        size=input.size,
    )
    match name:
        case "one":
            return plan
        case "two-clip":
            return dataclasses.replace(plan, num_clips=2, size=plan.resize)
        case "ten-by-three":
            return dataclasses.replace(plan, num_clips=10, crops=3, size=plan.resize, average="probs")
        case "25x10":
            return dataclasses.replace(plan, sampling="segments", num_segments=25, crops=10)
        case "25x1":
            return dataclasses.replace(plan, sampling="segments", num_segments=25)
        case _:
            raise unknown("view plan", name, VIEWS)
