"""What the slots of a file hold, wherever it lies: in memory, or in the stored tree."""

from __future__ import annotations

from sqlfs.chunks import ChunkPool, Reference
from sqlfs.content import extent, tree
from sqlfs.content.deltas import DeltaTable
from sqlfs.content.overlay import Overlay, is_zero
from sqlfs.content.patched import PatchedSlots
from sqlfs.content.sealing import SealWorkers
from sqlfs.errors import Corrupt
from sqlfs.namespace import NodeRecord


class Slots:
    """The reading half of a body.  All methods run under the store's lock."""

    def __init__(
        self,
        record: NodeRecord,
        pool: ChunkPool,
        deltas: DeltaTable,
        workers: SealWorkers,
        chunk_size: int,
    ) -> None:
        self.record = record
        self._pool = pool
        self._workers = workers
        self._chunk_size = chunk_size
        self._over = Overlay(pool, workers, self)
        self._patched = PatchedSlots(record, deltas, workers.gauge, chunk_size)
        if record.delta_count:
            self._patched.load(self._stored_bytes)
        self._changed = False
        self._stored_size = record.size  # as of the last flush

    def find_data(self, offset: int) -> int | None:
        """Where the next bytes are, from `offset` on, that are not in a hole; None when there are
        none.  A slot that holds but zeros is a hole.  Raises Corrupt."""
        chunks = self._chunks(self.record.size)
        index = self._find(offset // self._chunk_size, chunks, is_hole=False)
        return max(offset, index * self._chunk_size) if index < chunks else None

    def find_hole(self, offset: int) -> int:
        """Where the next hole begins, from `offset` on: at the end of the file at the latest.
        Raises Corrupt."""
        size = self.record.size
        index = self._find(offset // self._chunk_size, self._chunks(size), is_hole=True)
        return max(offset, min(index * self._chunk_size, size))

    def data_within(self, offset: int, length: int) -> int:
        """Bytes that are stored for the slots that a range of the flushed content touches.
        Raises Corrupt."""
        if self.record.inline is not None:
            return self.record.size
        first, last = offset // self._chunk_size, self._chunks(offset + length)
        return extent.bytes_within(self._pool, self.record.root, first, last)

    def _find(self, index: int, end: int, *, is_hole: bool) -> int:
        if self.record.inline is not None and not self._changed:
            return index if is_zero(self.record.inline) == is_hole else end
        slots = self._over.slots().union(self._patched.indices())
        over = sorted(each for each in slots if index <= each < end)
        for limit in (*over, end):
            # Up to there, the tree shows through.
            root = self.record.root
            if is_hole:
                found = extent.first_hole(self._pool, root, index, limit, self._chunk_size)
            else:
                found = extent.first_chunk(self._pool, root, index, limit)
            if found < limit or limit == end or self._is_hole(limit) == is_hole:
                return found
            index = limit + 1
        return end

    def _is_hole(self, index: int) -> bool:
        """Of a slot over which something lies."""
        if index in self._patched:
            return is_zero(self._slot(index))
        return self._over.is_hole(index)

    def _in_memory(self, index: int) -> bytes | bytearray | None:
        if index == 0 and self.record.inline is not None and not self._changed:
            return self.record.inline
        return self._over.plain(index)

    def _slot(self, index: int) -> bytes | bytearray:
        """What is there; shorter than the slot where only zeros follow."""
        plain = self._in_memory(index)
        if plain is not None:
            return plain
        patches = self._patched.patches(index)
        reference = self._stored(index)
        below = b"" if reference is None else self._pool.read(reference)
        return below if patches is None else patches.over(below)

    def _stored(self, index: int) -> Reference | None:
        if index in self._over.landed:
            return self._over.landed[index]
        return tree.find(self._pool, self.record.root, index)

    def _stored_bytes(self, index: int) -> int:
        """How much is stored for a slot, as far as can be told."""
        try:
            reference = self._stored(index)
        except Corrupt:
            return 0
        return reference.length if reference is not None else 0

    def _chunks(self, size: int) -> int:
        return -(-size // self._chunk_size)
