"""Sampling: tables of indices checked by hand, and properties that hold for every length."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from kinesics.video.sampling import clip_indices, dense_indices, segment_indices

small = st.integers(1, 12)
lengths = st.one_of(st.integers(1, 40), st.integers(1, 100_000))


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("num_frames", "num_segments", "frames_per_segment", "expected"),
    [
        (8, 8, 1, [[0], [1], [2], [3], [4], [5], [6], [7]]),
        (16, 8, 1, [[1], [3], [5], [7], [9], [11], [13], [15]]),
        (10, 4, 1, [[1], [3], [6], [8]]),  # middles 1.25 3.75 6.25 8.75
        (300, 3, 1, [[50], [150], [250]]),
        (9, 1, 1, [[4]]),
        (1, 1, 1, [[0]]),
        (1, 4, 1, [[0], [0], [0], [0]]),
        (2, 4, 1, [[0], [0], [1], [1]]),  # shorter than the segments: spread, with an equal share for each frame
        (3, 6, 1, [[0], [0], [1], [1], [2], [2]]),
        (3, 8, 1, [[0], [0], [0], [1], [1], [2], [2], [2]]),  # middles .19 .56 .94 1.3 1.7 2.1 2.4 2.8
        (7, 8, 1, [[0], [1], [2], [3], [3], [4], [5], [6]]),
        (10, 2, 3, [[2, 3, 4], [6, 7, 8]]),  # 8 places to start, middles 2 and 6
        (5, 2, 5, [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]),
        (3, 2, 5, [[0, 1, 2, 2, 2], [0, 1, 2, 2, 2]]),  # shorter than a stack: the last is repeated
        (1, 2, 3, [[0, 0, 0], [0, 0, 0]]),
        (6, 4, 4, [[0, 1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4, 5]]),  # 3 places: .4 1.1 1.9 2.6
    ],
)
def test_segments_take_the_middle_without_a_generator(
    num_frames: int, num_segments: int, frames_per_segment: int, expected: list[list[int]]
) -> None:
    indices = segment_indices(num_frames, num_segments, frames_per_segment=frames_per_segment)
    assert indices.tolist() == expected
    assert indices.dtype == torch.int64


@pytest.mark.parametrize(
    ("num_frames", "num_steps", "stride", "frames_per_segment", "expected"),
    [
        (20, 4, 4, 1, [[3], [7], [11], [15]]),  # 13 frames of 20, 7 are left
        (13, 4, 4, 1, [[0], [4], [8], [12]]),
        (12, 4, 4, 1, [[1], [4], [7], [10]]),  # stride 4 does not fit, 3 does: 10 frames of 12
        (10, 4, 4, 1, [[0], [3], [6], [9]]),
        (4, 4, 4, 1, [[0], [1], [2], [3]]),
        (3, 4, 4, 1, [[0], [1], [1], [2]]),  # not even stride 1: as segments
        (1, 4, 4, 1, [[0], [0], [0], [0]]),
        (9, 1, 4, 1, [[4]]),
        (12, 2, 5, 3, [[2, 3, 4], [7, 8, 9]]),
        (2, 2, 5, 3, [[0, 1, 1], [0, 1, 1]]),
    ],
)
def test_dense_lies_in_the_middle_without_a_generator(
    num_frames: int, num_steps: int, stride: int, frames_per_segment: int, expected: list[list[int]]
) -> None:
    indices = dense_indices(num_frames, num_steps, stride=stride, frames_per_segment=frames_per_segment)
    assert indices.tolist() == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"num_frames": 8, "num_clips": 2, "num_segments": 2}, [[1, 5], [3, 7]]),
        ({"num_frames": 16, "num_clips": 2, "num_segments": 4}, [[1, 5, 9, 13], [3, 7, 11, 15]]),
        ({"num_frames": 12, "num_clips": 3, "num_segments": 2}, [[1, 7], [3, 9], [5, 11]]),
        ({"num_frames": 2, "num_clips": 2, "num_segments": 4}, [[0, 0, 1, 1], [0, 0, 1, 1]]),
        ({"num_frames": 1, "num_clips": 2, "num_segments": 2}, [[0, 0], [0, 0]]),
        (
            {"num_frames": 20, "num_clips": 3, "num_segments": 3, "sampling": "dense", "stride": 4},
            [[0, 4, 8], [5, 9, 13], [11, 15, 19]],  # starts 0 … 11
        ),
        ({"num_frames": 20, "num_clips": 1, "num_segments": 3, "sampling": "dense", "stride": 4}, [[5, 9, 13]]),
        (
            {"num_frames": 4, "num_clips": 2, "num_segments": 3, "sampling": "dense", "stride": 4},
            [[0, 1, 2], [1, 2, 3]],
        ),
        ({"num_frames": 2, "num_clips": 2, "num_segments": 2, "sampling": "dense", "stride": 4}, [[0, 1], [0, 1]]),
    ],
)
def test_clips_are_spread_over_the_video(arguments: dict[str, Any], expected: list[list[int]]) -> None:
    assert clip_indices(**arguments)[..., 0].tolist() == expected


def assert_sound(indices: Tensor, num_frames: int) -> None:
    assert indices.min() >= 0
    assert indices.max() < num_frames
    assert (indices.diff(dim=-2) >= 0).all()  # time never runs backwards
    steps = indices.diff(dim=-1)
    if indices.shape[-1] <= num_frames:
        assert (steps == 1).all()  # a stack that fits is consecutive
    else:
        assert torch.equal(indices, torch.arange(indices.shape[-1]).clamp_max(num_frames - 1).expand_as(indices))


@given(num_frames=lengths, num_segments=small, frames=small, seed=st.none() | st.integers(0, 2**32))
def test_segments_are_sound_for_every_length(num_frames: int, num_segments: int, frames: int, seed: int | None) -> None:
    def draw() -> Tensor:
        generator = None if seed is None else seeded(seed)
        return segment_indices(num_frames, num_segments, frames_per_segment=frames, generator=generator)

    indices = draw()
    assert indices.shape == (num_segments, frames)
    assert_sound(indices, num_frames)
    assert torch.equal(indices, draw())
    places = max(1, num_frames - frames + 1)
    start = indices[:, 0].tolist()
    for t, index in enumerate(start):  # each inside its own segment, which may be less than a frame long
        assert t * places // num_segments <= index <= (t + 1) * places / num_segments
    if places >= num_segments:
        assert len(set(start)) == num_segments
    else:
        counts = Counter(start)
        assert len(counts) >= min(places, num_segments) - 1 if seed is not None else len(counts) == places


@given(num_frames=lengths, num_steps=small, stride=small, frames=small, seed=st.none() | st.integers(0, 2**32))
def test_dense_is_sound_for_every_length(
    num_frames: int, num_steps: int, stride: int, frames: int, seed: int | None
) -> None:
    generator = None if seed is None else seeded(seed)
    indices = dense_indices(num_frames, num_steps, stride=stride, frames_per_segment=frames, generator=generator)
    assert indices.shape == (num_steps, frames)
    assert_sound(indices, num_frames)
    gaps = {b - a for a, b in pairwise(indices[:, 0].tolist())}
    if num_frames >= (num_steps - 1) * stride + frames:
        assert gaps <= {stride}
    elif num_frames >= num_steps - 1 + frames:
        assert len(gaps) == 1
        assert 1 <= gaps.pop() < stride


@given(num_frames=lengths, num_clips=small, num_segments=small, stride=small, frames=small, dense=st.booleans())
def test_clips_are_sound_for_every_length(
    num_frames: int, num_clips: int, num_segments: int, stride: int, frames: int, dense: bool
) -> None:
    indices = clip_indices(
        num_frames,
        num_clips,
        num_segments,
        sampling="dense" if dense else "segments",
        stride=stride,
        frames_per_segment=frames,
    )
    assert indices.shape == (num_clips, num_segments, frames)
    assert_sound(indices, num_frames)
    assert (indices.diff(dim=0) >= 0).all()  # later clips have later frames
    if not dense:  # the clips' places are symmetric in the video, up to one frame
        start = indices[..., 0]
        places = max(1, num_frames - frames + 1)
        assert ((start + start.flip(0, 1) - (places - 1)).abs() <= 1).all()


def test_random_segments_reach_every_frame_and_no_other_segment() -> None:
    generator = seeded(0)
    draws = torch.stack([segment_indices(11, 3, generator=generator)[:, 0] for _ in range(500)])
    reached = [sorted(set(column.tolist())) for column in draws.T]
    assert reached == [[0, 1, 2], [3, 4, 5, 6], [7, 8, 9, 10]]


def test_random_dense_reaches_every_start() -> None:
    generator = seeded(0)
    starts = {int(dense_indices(12, 3, stride=4, generator=generator)[0, 0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3}


@pytest.mark.parametrize("num_frames", [0, -1])
def test_a_video_without_frames_is_refused(num_frames: int) -> None:
    with pytest.raises(ValueError, match=f"num_frames must be 1 or more, found {num_frames}"):
        segment_indices(num_frames, 8)
    with pytest.raises(ValueError, match="num_frames"):
        dense_indices(num_frames, 8, stride=2, generator=seeded(0))
    with pytest.raises(ValueError, match="num_frames"):
        clip_indices(num_frames, 2, 8)


def test_counts_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="num_segments must be 1 or more, found 0"):
        segment_indices(5, 0)
    with pytest.raises(ValueError, match="stride must be 1 or more, found 0"):
        dense_indices(5, 2, stride=0)
    with pytest.raises(ValueError, match="num_clips"):
        clip_indices(5, 0, 2)


@pytest.mark.parametrize(
    ("num_frames", "frames", "expected"),
    [
        (60, 1, [6, 11, 16, 21, 20, 25, 30, 35, 34, 39, 44, 49]),
        (26, 1, [1, 6, 11, 16, 3, 8, 13, 18, 5, 10, 15, 20]),
        (7, 1, [0, 5, 6, 6] * 3),
        (1, 1, [0] * 12),
    ],
)
def test_parts_of_segments_without_chance(num_frames: int, frames: int, expected: list[int]) -> None:
    """STP's three runs of 20 frames in four parts of 5."""
    indices = segment_indices(num_frames, 3, steps_per_segment=4, stride=5, frames_per_segment=frames)
    assert indices.shape == (12, frames)
    runs = segment_indices(num_frames, 3, frames_per_segment=20)
    assert indices[:, 0].tolist() == runs[:, ::5].flatten().tolist()
    assert indices[:, 0].tolist() == expected


@given(st.integers(1, 400), st.integers(1, 25), st.integers(1, 8), st.integers(1, 6), st.booleans())
def test_parts_are_in_range_and_never_fall_in_a_segment(
    num_frames: int, segments: int, parts: int, stride: int, chance: bool
) -> None:
    generator = torch.Generator().manual_seed(0) if chance else None
    indices = segment_indices(
        num_frames, segments, steps_per_segment=parts, stride=stride, frames_per_segment=stride, generator=generator
    )
    assert indices.shape == (segments * parts, stride)
    assert 0 <= int(indices.min()) <= int(indices.max()) < num_frames
    inside = indices.reshape(segments, -1)
    steps = inside.diff(dim=1)
    assert bool(((steps == 1) | (inside[:, 1:] == num_frames - 1)).all())
    starts = inside[:, 0]
    assert bool((starts.diff() >= 0).all())


def test_several_clips_of_parts_have_their_shape() -> None:
    indices = clip_indices(300, 2, 25, steps_per_segment=4, stride=5, frames_per_segment=5)
    assert indices.shape == (2, 100, 5)
    with pytest.raises(ValueError, match="cannot have 6 frames"):
        segment_indices(30, 2, steps_per_segment=2, stride=5, frames_per_segment=6)
