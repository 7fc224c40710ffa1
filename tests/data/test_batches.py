"""The order of clips: complete, repeatable, evenly divided, balanced with balance=sampler."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from kinesics.data.batches import epoch_batches, epoch_order
from kinesics.data.dataset import Purpose, keyed_generator
from kinesics.values import VideoItem


def items_of(labels: list[tuple[int, ...]]) -> list[VideoItem]:
    return [VideoItem(str(i), Path("x"), label) for i, label in enumerate(labels)]


@given(st.integers(1, 50), st.integers(1, 7), st.integers(1, 4))
def test_devices_share_an_epoch_evenly_and_miss_no_clip(num_items: int, batch_size: int, world_size: int) -> None:
    order = epoch_order(items_of([(0,)] * num_items), 3, 0)
    shares = [epoch_batches(order, 3, batch_size, rank=r, world_size=world_size) for r in range(world_size)]
    assert len({tuple(len(batch) for batch in share) for share in shares}) == 1
    seen = [key for share in shares for batch in share for key in batch]
    assert {index for _, index in seen} == set(range(num_items))
    assert {epoch for epoch, _ in seen} == {3}
    assert len(seen) - num_items < world_size
    assert all(1 <= len(batch) <= batch_size for batch in shares[0])


def test_an_epoch_is_the_same_again_and_another_differs() -> None:
    items = items_of([(i % 3,) for i in range(30)])
    assert epoch_order(items, 1, 5) == epoch_order(items, 1, 5)
    assert epoch_order(items, 1, 5) != epoch_order(items, 2, 5)
    assert epoch_order(items, 1, 5) != epoch_order(items, 1, 6)


@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 9))
def test_the_balanced_order_draws_classes_equally_often(counts: list[int], seed: int) -> None:
    items = items_of([(label,) for label, count in enumerate(counts) for _ in range(count)])
    order = epoch_order(items, 0, seed, "sampler")
    drawn = Counter(items[index].labels[0] for index in order)
    assert len(order) == len(items)
    share = -(-len(items) // len(counts))
    assert all(count <= share for count in drawn.values())
    for label, count in enumerate(counts):  # every clip of a class comes once before one comes twice
        times = Counter(index for index in order if items[index].labels[0] == label)
        assert max(times.values(), default=0) <= -(-share // count)


def test_a_multi_label_clip_counts_for_its_rarest_class() -> None:
    items = items_of([(0,)] * 8 + [(0, 1)] * 2)
    order = epoch_order(items, 0, 0, "sampler")
    assert Counter(1 in items[index].labels for index in order) == {True: 5, False: 5}


def test_keyed_generators_are_repeatable_and_apart() -> None:
    keys = [(0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 0, 1)]
    purposes: tuple[Purpose, ...] = ("weights", "order", "clip", "batch")
    draws = {(p, *key): torch.rand(4, generator=keyed_generator(p, *key)) for p in purposes for key in keys}
    assert torch.equal(draws["clip", 0, 0, 1], torch.rand(4, generator=keyed_generator("clip", 0, 0, 1)))
    for purpose in purposes:
        others = [tuple(draw.tolist()) for key, draw in draws.items() if key[0] != purpose]
        assert not {tuple(draws[purpose, *key].tolist()) for key in keys} & set(others)


def test_a_clip_and_the_batch_of_its_number_share_no_draw() -> None:
    """Keys were padded with zeros: the dropout of batch 3 of the first process was that of the view of clip 3."""
    clip, batch = keyed_generator("clip", 7, 2, 3), keyed_generator("batch", 7, 2, 3, 0)
    assert clip.initial_seed() != batch.initial_seed()
