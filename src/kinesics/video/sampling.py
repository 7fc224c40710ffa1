"""Which frames of a video a network sees: pure functions from a number of frames to indices.

T time steps, F consecutive frames per step, V clips. Every function works for every length of 1 frame or more:

1. The steps are spread over all frames. A video with fewer frames than steps repeats its frames, in order and in equal
   shares: 3 frames in 6 steps are 0 0 1 1 2 2.
2. A step's F frames are consecutive. Where the video has fewer than F, the last frame is repeated: 0 1 2 2 2.

Indices never fall along T or F, never wrap around and never leave the video. Without a generator nothing is random.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor

Sampling = Literal["segments", "dense"]


def segment_indices(
    num_frames: int,
    num_segments: int,
    *,
    steps_per_segment: int = 1,
    stride: int = 1,
    frames_per_segment: int = 1,
    generator: Generator | None = None,
) -> Tensor:
    """(T, F) int64: one place in each of T equal segments, random with a generator, the middle without one.

    With s = num_frames - F + 1 places where a stack of F frames can start, the middle of segment t is
    floor((t + 1/2)·s/T). A random place is drawn from the whole frames floor(t·s/T) … floor((t+1)·s/T) - 1. So T
    different frames are drawn where the video has T, and every frame can be drawn.

    With `steps_per_segment` K above 1, each place is a run of K·stride consecutive frames, and every stride-th frame
    begins a step. T is then num_segments·K (STP's segments and parts). Otherwise `stride` has no effect.

    segment_indices(10, 4) → 1 3 6 8;  segment_indices(20, 2, steps_per_segment=2, stride=3) → 3 6 11 14

    Raises:
        ValueError: a number is below 1, or a step has more frames than the stride.

    Source: TSN (Wang et al. 2016), section 3.1; its code cuts the segments to whole frames and never draws
    the rest of the frames.
    STP: its paper, section 3.1, with runs of 20 frames and parts of 5.
    """
    _check(num_frames=num_frames, num_segments=num_segments, frames_per_segment=frames_per_segment)
    if steps_per_segment != 1:
        length = _run_length(steps_per_segment, stride, frames_per_segment)
        runs = segment_indices(num_frames, num_segments, frames_per_segment=length, generator=generator)
        return _parts(runs, steps_per_segment, frames_per_segment)
    if generator is None:
        return clip_indices(num_frames, 1, num_segments, frames_per_segment=frames_per_segment)[0]
    places = _places(num_frames, frames_per_segment)
    step = torch.arange(num_segments)
    share = torch.rand(num_segments, generator=generator, dtype=torch.float64)
    if places >= num_segments:
        first, end = step * places // num_segments, (step + 1) * places // num_segments
        start = torch.minimum(first + (share * (end - first)).long(), end - 1)
    else:
        start = ((step + share) * places / num_segments).long().clamp_max(places - 1)
    return _stacks(start, num_frames, frames_per_segment)


def dense_indices(
    num_frames: int,
    num_steps: int,
    *,
    stride: int,
    frames_per_segment: int = 1,
    generator: Generator | None = None,
) -> Tensor:
    """(T, F) int64: T steps that are `stride` frames apart, from a random place, or in the middle without a generator.

    Where the video is too short for the stride, the largest whole stride that fits is used. Where it is too short for
    stride 1, the steps are spread as `segment_indices` does without a generator.

    dense_indices(20, 4, stride=4) → 3 7 11 15;  dense_indices(10, 4, stride=4) → 0 3 6 9

    Raises:
        ValueError: a number is below 1.
    """
    _check(num_frames=num_frames, num_steps=num_steps, stride=stride, frames_per_segment=frames_per_segment)
    fitting = _fitting_stride(num_frames, num_steps, stride, frames_per_segment)
    if generator is None or fitting == 0:
        return clip_indices(
            num_frames, 1, num_steps, sampling="dense", stride=stride, frames_per_segment=frames_per_segment
        )[0]
    places = _places(num_frames, frames_per_segment) - (num_steps - 1) * fitting
    start = torch.randint(places, (1,), generator=generator) + torch.arange(num_steps) * fitting
    return _stacks(start, num_frames, frames_per_segment)


def clip_indices(
    num_frames: int,
    num_clips: int,
    num_segments: int,
    *,
    sampling: Sampling = "segments",
    steps_per_segment: int = 1,
    stride: int = 1,
    frames_per_segment: int = 1,
) -> Tensor:
    """(V, T, F) int64: V clips spread evenly over a video, the same each time.

    Segments: clip v takes the place at the share (v + 1/2)/V of each segment: one clip takes the middle, two take a
    quarter and three quarters. Runs of steps are as in `segment_indices`. Dense: the clips' starts are spread evenly
    from the first possible start to the last; one clip lies in the middle.

    clip_indices(8, 2, 2) → 1 5 and 3 7

    Raises:
        ValueError: a number is below 1.

    Source: TSM (Lin et al. 2019) tests two clips at shares 0 and 1/2 of the segments; they are shifted here,
    so that they lie symmetrically in the video. Ten dense clips: Non-local (Wang et al. 2018), section 4.1.
    """
    _check(
        num_frames=num_frames,
        num_clips=num_clips,
        num_segments=num_segments,
        stride=stride,
        frames_per_segment=frames_per_segment,
    )
    if sampling == "segments" and steps_per_segment != 1:
        length = _run_length(steps_per_segment, stride, frames_per_segment)
        runs = clip_indices(num_frames, num_clips, num_segments, frames_per_segment=length)
        return _parts(runs, steps_per_segment, frames_per_segment)
    places = _places(num_frames, frames_per_segment)
    clip, step = torch.arange(num_clips)[:, None], torch.arange(num_segments)
    fitting = _fitting_stride(num_frames, num_segments, stride, frames_per_segment) if sampling == "dense" else 0
    if fitting == 0:
        parts = 2 * num_clips * num_segments
        start = (2 * num_clips * step + 2 * clip + 1) * places // parts
    else:
        last = places - 1 - (num_segments - 1) * fitting
        first = last // 2 if num_clips == 1 else clip * last // (num_clips - 1)
        start = first + step * fitting + torch.zeros_like(clip)
    return _stacks(start, num_frames, frames_per_segment)


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, found {number}")


def _run_length(steps_per_segment: int, stride: int, frames_per_segment: int) -> int:
    """Frames in a segment of several steps."""
    _check(steps_per_segment=steps_per_segment, stride=stride, frames_per_segment=frames_per_segment)
    if frames_per_segment > stride:
        raise ValueError(f"steps that are {stride} frames apart cannot have {frames_per_segment} frames each")
    return steps_per_segment * stride


def _parts(runs: Tensor, steps_per_segment: int, frames_per_segment: int) -> Tensor:
    """(…, S, K·stride) runs of frames → (…, S·K, F): the first F frames of each part."""
    parts = torch.unflatten(runs, -1, (steps_per_segment, -1))
    return parts[..., :frames_per_segment].flatten(-3, -2)


def _places(num_frames: int, frames_per_segment: int) -> int:
    """How many frames a stack of F frames can start at and stay inside the video; 1 where it does not fit."""
    return max(1, num_frames - frames_per_segment + 1)


def _fitting_stride(num_frames: int, num_steps: int, stride: int, frames_per_segment: int) -> int:
    """The largest stride, up to `stride`, at which all steps fit; 0 where not even 1 fits."""
    return min(stride, (_places(num_frames, frames_per_segment) - 1) // max(1, num_steps - 1))


def _stacks(start: Tensor, num_frames: int, frames_per_segment: int) -> Tensor:
    """(…,) starts → (…, F) consecutive frames, the last repeated where the video ends."""
    return (start[..., None] + torch.arange(frames_per_segment)).clamp_max(num_frames - 1)
