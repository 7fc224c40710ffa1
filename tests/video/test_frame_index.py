"""Where decoding starts: bisection gives the same key frame as a search through all key frames."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kinesics.video.frame_index import FrameIndex


def start_by_scan(index: FrameIndex, packet: int, back: int) -> int:
    """By the rule: the last usable key frame, or the one `back` key frames earlier."""
    usable = [int(k) for k in index.keys if k <= packet and index.order[k] <= index.order[packet]]
    return usable[-1 - back] if len(usable) > back else 0


@pytest.mark.parametrize("seed", range(8))
def test_the_start_is_that_of_a_plain_scan(seed: int) -> None:
    chance = random.Random(seed)
    num_packets = 40
    # Shuffled near its place: as in an open GOP, some packets behind a key frame are shown before it.
    order = np.argsort(np.argsort([i + chance.uniform(0, 1 + 2 * seed) for i in range(num_packets)]))
    keys = (0, *sorted(chance.sample(range(1, num_packets), chance.randint(0, 12))))
    index = FrameIndex(np.argsort(order), np.arange(num_packets) / 25, num_packets / 25, keys, order)
    for packet in range(num_packets):
        for back in (0, 1, 2, num_packets):
            assert index.start_for(packet, back=back) == start_by_scan(index, packet, back)
