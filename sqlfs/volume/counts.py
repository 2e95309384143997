"""Counts of many nodes in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Ids are handed out one after the other, and what is known of at a time was mostly made at a time.
_BLOCK_IDS: Final = 64
_SHIFT: Final = 6
_EMPTY: Final = bytes(_BLOCK_IDS)
_BYTE_MAX: Final = 255

assert 1 << _SHIFT == _BLOCK_IDS


class Counts:
    """A count >= 0 for every node, 0 at first.

    A dictionary's entry for each of a million nodes takes 80 MiB with its number; here it is a byte
    in a block for ids that follow each other, 3 bytes a node, and where each block has one node
    only, as much as there.  Not thread-safe.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self._more: dict[int, int] = {}  # what a node's byte, which is full, does not hold

    def __contains__(self, node: int) -> bool:
        block = self._blocks.get(node >> _SHIFT)
        return block is not None and block[node % _BLOCK_IDS] != 0

    def __iter__(self) -> Iterator[int]:
        """The nodes with a count above 0, in no order.  Nothing may change meanwhile."""
        for number, block in self._blocks.items():
            for place, count in enumerate(block):
                if count:
                    yield (number << _SHIFT) + place

    def add(self, node: int) -> bool:
        """Count one more; whether the count was 0."""
        block = self._blocks.get(node >> _SHIFT)
        if block is None:
            block = self._blocks[node >> _SHIFT] = bytearray(_BLOCK_IDS)
        place = node % _BLOCK_IDS
        count = block[place]
        if count < _BYTE_MAX:
            block[place] = count + 1
            return not count
        self._more[node] = self._more.get(node, 0) + 1
        return False

    def take(self, node: int, number: int = 1) -> bool:
        """Count `number` less, or as many as there are; whether that makes the count 0, which it
        was not."""
        block = self._blocks.get(node >> _SHIFT)
        place = node % _BLOCK_IDS
        if block is None or not block[place]:
            return False
        left = block[place] + self._more.pop(node, 0) - number
        if left > _BYTE_MAX:
            self._more[node] = left - _BYTE_MAX
        block[place] = max(0, min(left, _BYTE_MAX))
        if left > 0:
            return False
        if block == _EMPTY:
            del self._blocks[node >> _SHIFT]
        return True
