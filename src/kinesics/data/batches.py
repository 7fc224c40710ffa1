"""Which clips a batch holds, in which order, on which device; the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch.utils.data import Sampler

from kinesics.data.dataset import keyed_generator
from kinesics.values import VideoItem

Key = tuple[int, int]


def epoch_order(
    items: Sequence[VideoItem], epoch: int, seed: int, balance: Literal["none", "sampler", "weights"] = "none"
) -> list[int]:
    """The order of an epoch, as many indices as items: shuffled, or with `sampler` each class equally often.

    A multi-label clip counts for its rarest class.
    """
    generator = keyed_generator("order", seed, epoch)
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

    All devices get the same number of batches of the same size. Where the clips cannot be divided evenly, the last
    batch is filled with clips from the start of the order.
    """
    batches = []
    for start in range(0, len(order), batch_size * world_size):
        chunk = list(order[start : start + batch_size * world_size])
        missing = -len(chunk) % world_size
        chunk += [order[i % len(order)] for i in range(missing)]
        batches.append([(epoch, index) for index in chunk[rank::world_size]])
    return batches


class EpochSampler(Sampler[list[Key]]):
    """Batches of keys that can be replaced between epochs, so that the workers live as long as the training."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)
