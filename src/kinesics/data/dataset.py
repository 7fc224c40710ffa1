"""Samples from videos: random views for training, the views of a plan for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from zlib import crc32

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from kinesics.data.transforms import test_crops
from kinesics.errors import VideoError
from kinesics.flow.flow_folder import FlowSettings
from kinesics.flow.live import LiveFlow
from kinesics.settings import InputConfig
from kinesics.sizes import RangeSetting, Resize, ResizeSetting
from kinesics.values import Sample, VideoItem, VideoReader, one_hot
from kinesics.video.flow_file import FlowReader
from kinesics.video.reader import open_video, salvaged_if_needed
from kinesics.video.sampling import dense_indices, segment_indices
from kinesics.video.view_plan import ViewPlan

Transform = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


Purpose = Literal["weights", "order", "clip", "batch"]
"""What random numbers are for: a network's first weights, the order of an epoch, the view of a clip, or the changes to
a batch (mixup, dropout)."""


def keyed_generator(purpose: Purpose, *key: int) -> Generator:
    """A generator that depends only on its arguments, such as ("clip", seed, epoch, index).

    Any draw can be repeated, and no two purposes share one.
    """
    state = np.random.SeedSequence((crc32(purpose.encode()), *key)).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 31 ^ int(state[1]))


@dataclass(frozen=True)
class TrainClips(Dataset[Sample | VideoError]):
    """Random views of training videos, keyed by (epoch, index) instead of index.

    A video that cannot be decoded gives its VideoError instead of a Sample: the caller decides what follows, and no
    other video ever takes its place.
    """

    items: Sequence[VideoItem]
    num_classes: int
    input: InputConfig
    transform: Transform
    seed: int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: tuple[int, int]) -> Sample | VideoError:
        epoch, index = key
        item = self.items[index]
        generator = keyed_generator("clip", self.seed, epoch, index)
        settings = self.input
        resize = drawn_resize(settings.resize, generator)

        def indices(num_frames: int) -> Tensor:
            stack = settings.frames_per_segment
            if settings.sampling == "dense":
                steps = settings.num_segments
                return dense_indices(
                    num_frames, steps, stride=settings.stride, frames_per_segment=stack, generator=generator
                )
            return segment_indices(
                num_frames,
                settings.num_segments,
                steps_per_segment=settings.steps_per_segment,
                stride=settings.stride,
                frames_per_segment=stack,
                generator=generator,
            )

        try:
            clip, frames, _ = read_clip(item, resize, indices)
        except VideoError as error:
            return error
        target = torch.from_numpy(one_hot(item.labels, self.num_classes)).float()
        clip, target = self.transform(clip, target, generator)
        return Sample(item.id, clip[None], target, frames[None])


def drawn_resize(setting: RangeSetting, generator: Generator) -> ResizeSetting:
    """The same setting; of a range, one short side from it, each as likely as the others."""
    resize = Resize.of(setting)
    if resize == resize.fixed:
        return setting
    return int(torch.randint(resize.lowest, resize.highest + 1, (), generator=generator))


@dataclass(frozen=True)
class TestClips(Dataset[Sample | VideoError]):
    """The views of a plan, the same each time. A video that cannot be decoded gives its VideoError."""

    __test__ = False  # not a test case, although pytest would collect the name

    items: Sequence[VideoItem]
    num_classes: int
    plan: ViewPlan

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample | VideoError:
        item = self.items[index]
        plan = self.plan
        try:
            frames_TCHW, frames, _ = read_clip(item, plan.resize, lambda n: plan.frame_indices(n).flatten(0, 1))
        except VideoError as error:
            return error
        target = torch.from_numpy(one_hot(item.labels, self.num_classes)).float()
        return Sample(item.id, sent_part(frames_TCHW, plan), target, torch.unflatten(frames, 0, (plan.num_clips, -1)))


def sent_part(clip_TCHW: Tensor, plan: ViewPlan) -> Tensor:
    """(num_clips · T, C, H, W) → (num_clips, T, C, h, w): the part of the frames that the crops of `plan` need.

    For one crop this is the crop. Several crops overlap: the whole frames go to the device and are cropped there.
    """
    clips = torch.unflatten(clip_TCHW, 0, (plan.num_clips, -1))
    if plan.crops > 1:
        return clips.contiguous()
    crop = test_crops(clip_TCHW, resize=plan.resize, size=plan.size, crops=1, modality=plan.modality)[0]
    return torch.unflatten(crop, 0, (plan.num_clips, -1))


def crop_views(clips: Tensor, plan: ViewPlan) -> Tensor:
    """The clips of `sent_part` (num_clips, T, C, h, w) → the views (V, T, C, H, W), on the device of `clips`."""
    if plan.crops == 1:
        return clips
    return torch.cat(
        [
            test_crops(clip, resize=plan.resize, size=plan.size, crops=plan.crops, modality=plan.modality)
            for clip in clips
        ]
    )


def read_clip(
    item: VideoItem,
    resize: ResizeSetting,
    indices: Callable[[int], Tensor],
    flow: FlowSettings | None = None,
    max_pixels: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The frames of `indices(num_frames)` (T, F): clip (T, C·F, H, W) uint8, indices (T, F), seconds (T, F).

    A partial video is read as if it had only the frames that can be decoded. Where the damage appears only now,
    `indices` is called again with the number of those frames.

    resize, max_pixels: see `open_video`. flow: compute this flow of the video and return it instead of the frames.

    Raises:
        VideoError: the file cannot be decoded.
    """
    return salvaged_if_needed(
        lambda salvage: _read_clip(
            replace(item, is_partial=salvage or item.is_partial), resize, indices, flow, max_pixels
        )
    )


def _read_clip(
    item: VideoItem,
    resize: ResizeSetting,
    indices: Callable[[int], Tensor],
    flow: FlowSettings | None,
    max_pixels: int | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `read_clip`; a damaged frame of a video that is not marked as partial raises."""
    if item.is_flow:
        reader: VideoReader = FlowReader(item.path, resize)
    else:
        reader = open_video(
            item.path,
            resize=flow.short_side if flow else resize,
            start_seconds=item.start_seconds,
            end_seconds=item.end_seconds,
            fps=item.fps,
            salvage=item.is_partial,
            max_pixels=max_pixels,
            index_folder=item.index_folder,
        )
    if flow:
        reader = LiveFlow(reader, flow, resize)
    try:
        indices_TF = indices(reader.num_frames)
        frames = torch.unflatten(reader.frames_at(indices_TF.flatten()), 0, tuple(indices_TF.shape))
        seconds = reader.seconds_at(indices_TF.flatten()).reshape(indices_TF.shape)
    finally:
        reader.close()
    return frames.flatten(1, 2), indices_TF, seconds
