"""Samples: the requested frames, the same for the same key, and no other video in place of a broken one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from kinesics.data.dataset import TestClips, TrainClips, crop_views
from kinesics.data.manifest import read_manifest
from kinesics.data.mirror import flip_map
from kinesics.data.transforms import train_transform
from kinesics.errors import VideoError
from kinesics.settings import InputConfig
from kinesics.values import Sample, VideoItem
from kinesics.video.view_plan import ViewPlan
from kinesics.video.write import write_video

INPUT = InputConfig(num_segments=4, resize=32, size=24, crop="multi-scale")


def train_clips(data: Path, **changes: object) -> TrainClips:
    manifest = read_manifest(data)
    settings = dataclasses.replace(INPUT, **changes)  # type: ignore[arg-type]
    transform = train_transform(settings, flip_map(manifest.classes))
    return TrainClips(manifest.items("train"), len(manifest.classes), settings, transform, seed=7)


def sample_of(value: Sample | VideoError) -> Sample:
    assert isinstance(value, Sample)
    return value


def test_a_training_sample_depends_on_its_key_alone(tiny_set: Path) -> None:
    clips = train_clips(tiny_set)
    first = sample_of(clips[0, 3])
    sample_of(clips[5, 1])
    again = sample_of(clips[0, 3])
    other = sample_of(clips[1, 3])
    assert torch.equal(first.clips, again.clips)
    assert not torch.equal(first.clips, other.clips)
    assert first.clips.shape == (1, 4, 3, 24, 24)
    assert first.clips.dtype == torch.uint8


@pytest.fixture(scope="module")
def wide_and_high(tmp_path_factory: pytest.TempPathFactory) -> list[VideoItem]:
    """A landscape and a portrait video."""
    folder = tmp_path_factory.mktemp("shapes")
    items = []
    for name, height, width in (("wide", 48, 96), ("high", 96, 48)):
        write_video(folder / f"{name}.mp4", [np.full((height, width, 3), 60 * number, np.uint8) for number in range(4)])
        items.append(VideoItem(name, folder / f"{name}.mp4", labels=(0,)))
    return items


def keep(clip: Tensor, target: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """A transform that shows what was decoded."""
    return clip, target


def test_a_range_draws_the_short_side_of_each_training_clip(wide_and_high: list[VideoItem]) -> None:
    settings = InputConfig(num_segments=2, resize="30-33", size=24)
    clips = TrainClips(wide_and_high, 1, settings, keep, seed=7)
    shapes = {
        (epoch, index): sample_of(clips[epoch, index]).clips.shape[-2:] for epoch in range(20) for index in (0, 1)
    }
    assert {tuple(shape) for (_, index), shape in shapes.items() if index == 0} == {(s, 2 * s) for s in range(30, 34)}
    assert {tuple(shape) for (_, index), shape in shapes.items() if index == 1} == {(2 * s, s) for s in range(30, 34)}
    assert all(sample_of(clips[key]).clips.shape[-2:] == shape for key, shape in shapes.items()), "one draw for a key"
    one = dataclasses.replace(clips, input=dataclasses.replace(settings, resize="33-33"))
    plain = dataclasses.replace(clips, input=dataclasses.replace(settings, resize=33))
    assert torch.equal(sample_of(one[0, 0]).frame_indices, sample_of(plain[0, 0]).frame_indices)


def test_an_exact_size_is_that_of_all_videos(wide_and_high: list[VideoItem]) -> None:
    settings = InputConfig(num_segments=2, resize="40x32", size=24)
    clips = TrainClips(wide_and_high, 1, settings, keep, seed=7)
    whole = TestClips(wide_and_high, 1, ViewPlan(num_segments=2, resize="40x32", size="40x32"))
    for index in (0, 1):
        assert sample_of(clips[0, index]).clips.shape == (1, 2, 3, 32, 40)
        assert sample_of(whole[index]).clips.shape == (1, 2, 3, 32, 40)


def test_stacks_of_frames_become_channels(tiny_set: Path) -> None:
    sample = sample_of(train_clips(tiny_set, frames_per_segment=3)[0, 0])
    assert sample.clips.shape == (1, 4, 9, 24, 24)
    assert sample.frame_indices.shape == (1, 4, 3)


def test_flipping_swaps_left_and_right(tiny_set: Path) -> None:
    """With flips on, a clip whose square moves left must be labelled so, in each direction in which it was drawn."""
    clips = train_clips(tiny_set, crop="centre", size=32)
    flipped = 0
    for epoch in range(6):
        for index, item in enumerate(clips.items):
            sample = sample_of(clips[epoch, index])
            bright = sample.clips[0, :, 0].float()
            columns = torch.arange(32.0)
            places = (bright.clamp(min=100) - 100).sum(1) @ columns / (bright.clamp(min=100) - 100).sum((1, 2))
            seen = "right" if places[-1] > places[0] else "left"
            label = ("left", "right")[int(sample.target.argmax())]
            flipped += int(sample.target.argmax()) != item.labels[0]
            assert seen == label
    assert 0 < flipped < 6 * len(clips.items)


@pytest.mark.parametrize(("num_clips", "crops"), [(1, 1), (2, 1), (2, 3), (1, 10)])
def test_planned_views(tiny_set: Path, num_clips: int, crops: int) -> None:
    manifest = read_manifest(tiny_set)
    plan = ViewPlan(num_clips=num_clips, num_segments=4, resize=32, size=24, crops=crops)  # type: ignore[arg-type]
    sample = sample_of(TestClips(manifest.items("test"), 2, plan)[0])
    sent = (24, 24) if crops == 1 else (32, 32)
    assert sample.clips.shape == (num_clips, 4, 3, *sent)
    assert crop_views(sample.clips, plan).shape == (num_clips * crops, 4, 3, 24, 24)
    assert sample.frame_indices.shape == (num_clips, 4, 1)
    assert sample.target.tolist() == [1.0, 0.0]


def test_a_broken_video_gives_its_error_and_nothing_else(tiny_set: Path, tmp_path: Path) -> None:
    clips = train_clips(tiny_set)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nonsense")
    items = [dataclasses.replace(clips.items[0], path=broken)]
    error = dataclasses.replace(clips, items=items)[0, 0]
    assert isinstance(error, VideoError)
    assert "broken.mp4" in str(error)
    assert isinstance(TestClips(items, 2, ViewPlan(resize=32, size=24))[0], VideoError)
