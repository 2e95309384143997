"""What refers to which piece, counted over all volumes of a key domain."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from sqlfs.chunks import ChunkPool, Reference
from sqlfs.store import Tally

_KEY: Final = struct.Struct(">32sBQ")
_DIGEST_BYTES: Final = 32
_END: Final = b"\xff" * (_KEY.size + 1)
_PAGE: Final = 512
# Of pieces that change hands while they are counted: beyond that, none is judged.
_MOVED_MAX: Final = 500_000


class References:
    """Counts, and the damage that was met.  Close it."""

    def __init__(self, pools: list[ChunkPool]) -> None:
        self._tally = Tally()
        self._pools = pools
        self._moved: set[bytes] = set()
        self.damaged: dict[bytes, str] = {}  # digest -> why it can't be read
        for pool in pools:
            pool.moved = self._moved

    def close(self) -> None:
        for pool in self._pools:
            pool.moved = None
        self._tally.close()

    def add(self, reference: Reference) -> bool:
        """Count one; True for the first to a manifest."""
        self._tally.add(_KEY.pack(reference.digest, reference.level, reference.length))
        if not reference.level:
            return False
        # From the reclaim queue a manifest is referred to without its length.
        return sum(seen for _, seen in self.to(reference.digest)) == 1

    def to(self, digest: bytes) -> list[tuple[Reference, int]]:
        """The kinds of references to a piece, and how many there are of each."""
        rows = self._tally.within(digest, digest + _END, _PAGE)
        return [(_reference(key), seen) for key, seen in rows]

    def all(self) -> Iterator[tuple[Reference, int]]:
        """Every kind of reference, and how many there are of it."""
        last = b""
        while rows := self._tally.within(last, _END, _PAGE):
            for key, seen in rows:
                yield _reference(key), seen
            last = rows[-1][0]

    def total(self) -> int:
        return self._tally.total()

    def has_moved(self, digest: bytes) -> bool:
        """Whether references to a piece came, went or moved meanwhile, so that what was counted
        says nothing."""
        if len(self._moved) > _MOVED_MAX:
            for pool in self._pools:
                pool.moved = None
            return True
        return digest in self._moved


def _reference(key: bytes) -> Reference:
    digest, level, length = _KEY.unpack(key)
    return Reference(level, length, digest)


assert _KEY.size == _DIGEST_BYTES + 9
