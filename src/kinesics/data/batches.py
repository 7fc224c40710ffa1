"""Batches: which clips, in which order, on which device; the same again for the same seed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from kinesics.data.dataset import TestClips, TrainClips, keyed_generator
from kinesics.errors import VideoError
from kinesics.values import Sample, VideoItem

Key = tuple[int, int]


@dataclass(frozen=True)
class Batch:
    """Clips (N, V, T, C, H, W) uint8 with their targets (N, K) and ids."""

    ids: tuple[str, ...]
    clips: Tensor
    targets: Tensor


def collate(samples: Sequence[Sample | VideoError]) -> list[Sample | VideoError]:
    """The samples as they are: videos that failed must not break the batch that they were in."""
    return list(samples)


def stack(samples: Sequence[Sample | VideoError]) -> Batch:
    """One Batch of samples.

    Raises:
        VideoError: the first that a sample carries; training and testing never go on without a clip.
    """
    good: list[Sample] = []
    for sample in samples:
        if isinstance(sample, VideoError):
            raise sample
        good.append(sample)
    clips = torch.stack([s.clips for s in good])
    return Batch(tuple(s.id for s in good), clips, torch.stack([s.target for s in good]))


def epoch_order(
    items: Sequence[VideoItem], epoch: int, seed: int, balance: Literal["none", "sampler", "weights"] = "none"
) -> list[int]:
    """The order of an epoch, as long as the items are many: shuffled, or with `sampler` each class equally often.

    A multi-label clip counts for its rarest class.
    """
    generator = keyed_generator(seed, epoch, 0x0E90C4)
    if balance != "sampler":
        return torch.randperm(len(items), generator=generator).tolist()
    counts: dict[int, int] = {}
    for item in items:
        for label in item.labels:
            counts[label] = counts.get(label, 0) + 1
    by_class: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        by_class.setdefault(min(item.labels, key=lambda label: counts[label]), []).append(index)
    share = -(-len(items) // len(by_class))
    drawn: list[int] = []
    for members in by_class.values():
        rounds = [torch.randperm(len(members), generator=generator) for _ in range(-(-share // len(members)))]
        drawn += [members[i] for i in torch.cat(rounds)[:share].tolist()]
    return [drawn[i] for i in torch.randperm(len(drawn), generator=generator)[: len(items)].tolist()]


def epoch_batches(
    order: Sequence[int], epoch: int, batch_size: int, *, rank: int = 0, world_size: int = 1
) -> list[list[Key]]:
    """This device's share of the batches of an epoch, as (epoch, index) keys.

    All devices get equally many batches of equal size; where the clips do not share out evenly, the last batch is
    filled up from the start of the order.
    """
    batches = []
    for start in range(0, len(order), batch_size * world_size):
        chunk = list(order[start : start + batch_size * world_size])
        missing = -len(chunk) % world_size
        chunk += [order[i % len(order)] for i in range(missing)]
        batches.append([(epoch, index) for index in chunk[rank::world_size]])
    return batches


def default_workers() -> int:
    """Decoding processes beside the one that trains: a core each, four at most."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


class EpochSampler(Sampler[list[Key]]):
    """Batches of keys that can be replaced between epochs, so that the workers live through the whole training."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def train_loader(clips: TrainClips, sampler: EpochSampler, num_workers: int) -> DataLoader[list[Sample | VideoError]]:
    """A loader of the batches that stand in `sampler` when iteration starts."""
    return _loader(clips, num_workers, batch_sampler=sampler, persistent_workers=num_workers > 0)


def test_loader(
    clips: TestClips, indices: Sequence[int], batch_size: int, num_workers: int
) -> DataLoader[list[Sample | VideoError]]:
    """A loader of the clips at `indices`, in that order."""
    batches = [list(indices[i : i + batch_size]) for i in range(0, len(indices), batch_size)]
    return _loader(clips, min(num_workers, len(batches)), batch_sampler=batches)


test_loader.__test__ = False  # type: ignore[attr-defined]


def _loader(
    clips: Dataset[Sample | VideoError], num_workers: int, **arguments: object
) -> DataLoader[list[Sample | VideoError]]:
    return DataLoader(
        clips,  # type: ignore[arg-type]
        collate_fn=collate,
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
        **arguments,  # type: ignore[arg-type]
    )
