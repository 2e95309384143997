"""Counts of nodes, beside a plain counter."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter

import pytest

from sqlfs.volume.counts import Counts


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_a_plain_counter(seed: int) -> None:
    chance = random.Random(seed)
    nodes = [chance.randrange(2 ** chance.randrange(1, 50)) for _ in range(60)]
    counts, plain = Counts(), Counter[int]()
    for _ in range(4000):
        node = chance.choice(nodes)
        if chance.random() < 0.6:
            # Far beyond what a byte holds, now and then.
            for _ in range(chance.choice((1, 1, 1, 1, 300))):
                assert counts.add(node) == (plain[node] == 0)
                plain[node] += 1
        else:
            number = chance.choice((1, 1, 2, 256, 1000))
            left = max(0, plain[node] - number)
            assert counts.take(node, number) == (plain[node] > 0 and left == 0)
            plain[node] = left
        assert (node in counts) == (plain[node] > 0)
    assert sorted(counts) == sorted(node for node in set(nodes) if plain[node])
    for node in set(nodes):
        assert counts.take(node, plain[node] or 1) == (plain[node] > 0)
    assert list(counts) == []
    assert not vars(counts)["_blocks"]
    assert not vars(counts)["_more"]


def test_many_take_few_bytes_each() -> None:
    tracemalloc.start()
    try:
        counts = Counts()
        for node in range(10**6, 10**6 + 100_000):
            counts.add(node)
        dense, _ = tracemalloc.get_traced_memory()
        scattered = Counts()
        for node in range(0, 100_000 * 64, 64):
            scattered.add(node)
        both, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert dense < 100_000 * 5
    assert both - dense < 100_000 * 300
