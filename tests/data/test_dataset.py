"""Samples: the requested frames, the same for the same key, and no other video in place of a broken one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from kinesics.data.dataset import TestClips, TrainClips, crop_views
from kinesics.data.manifest import read_manifest
from kinesics.data.mirror import flip_map
from kinesics.data.transforms import train_transform
from kinesics.errors import VideoError
from kinesics.settings import InputConfig
from kinesics.values import Sample
from kinesics.video.view_plan import ViewPlan

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
