"""A set of ids, which are dense, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_BLOCK: Final = 65536  # ids


class IdSet:
    """One bit per id; a million nodes take 125 KB."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}

    def add(self, id_: int) -> None:
        block, at = divmod(id_, _BLOCK)
        bits = self._blocks.get(block)
        if bits is None:
            bits = self._blocks[block] = bytearray(_BLOCK // 8)
        bits[at >> 3] |= 1 << (at & 7)

    def __contains__(self, id_: int) -> bool:
        block, at = divmod(id_, _BLOCK)
        bits = self._blocks.get(block)
        return bits is not None and bool(bits[at >> 3] & 1 << (at & 7))

    def __iter__(self) -> Iterator[int]:
        for block in sorted(self._blocks):
            bits = self._blocks[block]
            for byte, value in enumerate(bits):
                if value:
                    first = block * _BLOCK + byte * 8
                    yield from (first + bit for bit in range(8) if value >> bit & 1)
