"""Test protocols as values: which clips of a video are scored, at which size and crops, and how scores are averaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from kinesics.checks import check_fields
from kinesics.errors import UserError, unknown
from kinesics.settings import InputConfig, Steps
from kinesics.sizes import Resize, ResizeSetting, Size, SizeSetting
from kinesics.video.sampling import Sampling, clip_indices

Modality = Literal["rgb", "flow"]
VIEWS = ("one", "two-clip", "ten-by-three", "25x10", "25x1")
"""The names of the protocols that `view_plan` knows, besides WHOLE with a size."""
WHOLE = "whole-"
"""What the name of a protocol of whole frames begins with; their size follows."""


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
    resize: ResizeSetting = 256
    """Pixels that frames are resized to: the short side (256), or exactly width x height ("340x256")."""
    size: SizeSetting = 224
    """Pixels of the crops: a square (224), or width x height ("256x224")."""
    crops: Literal[1, 3, 10] = 1
    """1: the centre. 3: along the side that has more room. 10: corners, centre and their mirror images."""
    average: Literal["logits", "probs"] = "logits"
    """What is averaged over the views."""

    def __post_init__(self) -> None:
        check_fields(self, "view plan: ")
        if self.steps_per_segment > 1 and self.frames_per_segment > self.stride:
            raise UserError(
                f"view plan: steps {self.stride} frames apart cannot have {self.frames_per_segment} frames each"
            )
        frames = Resize.of(self.resize)
        if not frames.holds(Size.of(self.size)):
            raise UserError(
                f"view plan: crops of {self.size} pixels do not fit frames resized to {self.resize}; "
                f"expected {frames.limit}"
            )

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
    whole-WIDTHxHEIGHT: one clip, the whole frame resized to exactly this size, also of another shape: whole-256x224 is
    TEFE's (section IV.B, where it is written 224×256).

    "Full resolution" is the largest crop of the shape of `input.size` that fits into all frames. Where `input.resize`
    is a range, frames are resized to its lowest short side.

    Raises:
        UserError: the protocol or its size is unknown, or the crops are larger than the frames.
    """
    resize = Resize.of(input.resize).fixed
    plan = ViewPlan(
        modality=input.modality,
        sampling=input.sampling,
        num_segments=input.num_segments,
        steps_per_segment=input.steps_per_segment,
        frames_per_segment=input.frames_per_segment,
        stride=input.stride,
        resize=resize.setting,
        size=input.size,
    )
    if name.startswith(WHOLE):
        try:
            whole = Size.of(name.removeprefix(WHOLE))
        except ValueError:
            example = f"{WHOLE}WIDTHxHEIGHT in pixels, such as {WHOLE}256x224"
            raise UserError(f"view plan '{name}' has no size; expected {example}") from None
        return dataclasses.replace(plan, resize=str(whole), size=whole.setting)
    largest = Size.of(input.size).largest_in(*resize.smallest).setting
    match name:
        case "one":
            return plan
        case "two-clip":
            return dataclasses.replace(plan, num_clips=2, size=largest)
        case "ten-by-three":
            return dataclasses.replace(plan, num_clips=10, crops=3, size=largest, average="probs")
        case "25x10":
            return dataclasses.replace(plan, sampling="segments", num_segments=25, crops=10)
        case "25x1":
            return dataclasses.replace(plan, sampling="segments", num_segments=25)
        case _:
            raise unknown("view plan", name, [*VIEWS, f"{WHOLE}256x224"])
