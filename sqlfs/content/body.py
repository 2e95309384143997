"""The bytes of one open or changed file.

A :class:`Body` lies over the content that its node's record names: its overlay over the
record's tree.  :meth:`Body.flush` moves everything down into the tree, inside the transaction
that will be committed; it must run for all bodies before each commit, or stored chunks would be
in no manifest.  All methods run under the store's lock.
"""

from __future__ import annotations

from sqlfs.chunks import ChunkPool, Reference
from sqlfs.content import extent, tree
from sqlfs.content.overlay import Overlay, is_zero
from sqlfs.content.sealing import SealWorkers
from sqlfs.content.splice import FAR, Part, splice
from sqlfs.crypto import built
from sqlfs.errors import Corrupt, DamagedRange, FileTooBig, Invalid
from sqlfs.limits import FILE_BYTES_MAX, INLINE_BYTES_MAX
from sqlfs.namespace import NodeRecord

# What a body costs besides its bytes, so that a flood of tiny files is bounded too.
_BODY_BYTES = 1024


class Body:
    """One per node; the node's ``size`` is always up to date, its content as of the last flush."""

    def __init__(
        self, record: NodeRecord, pool: ChunkPool, workers: SealWorkers, chunk_size: int
    ) -> None:
        self.record = record
        self._pool = pool
        self._workers = workers
        self._chunk_size = chunk_size
        self._over = Overlay(pool, workers, self)
        self._changed = False
        self._stored_size = record.size  # as of the last flush

    @property
    def changed(self) -> bool:
        """Whether the record's content is behind."""
        return self._changed

    # --- reading ---

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end of the file only.  Raises DamagedRange."""
        size = min(offset + size, self.record.size) - offset
        if size <= 0:
            return b""
        index, start = divmod(offset, self._chunk_size)
        if start + size > self._chunk_size:
            return built(size, lambda out: self._read_into(offset, out))
        try:
            piece = self._read_part(index, start, start + size)
        except Corrupt as error:
            raise self._damaged(index, error) from error
        return piece if len(piece) == size else piece.ljust(size, b"\0")

    def _read_part(self, index: int, start: int, stop: int) -> bytes:
        """What is there of a slot; fewer bytes where only zeros follow."""
        slot = self._in_memory(index)
        if slot is not None:
            return bytes(memoryview(slot)[start:stop])
        reference = self._stored(index)
        return b"" if reference is None else self._pool.read_range(reference, start, stop)

    def _read_into(self, offset: int, out: memoryview) -> None:
        """Fill `out`, which is all zeros, with what is there from `offset` on."""
        at = 0
        while at < len(out):
            index, start = divmod(offset + at, self._chunk_size)
            piece = out[at : at + self._chunk_size - start]
            try:
                self._read_slot(index, start, piece)
            except Corrupt as error:
                raise self._damaged(index, error) from error
            at += len(piece)

    def _read_slot(self, index: int, start: int, out: memoryview) -> None:
        slot = self._in_memory(index)
        if slot is None:
            reference = self._stored(index)
            if reference is not None:
                self._pool.read_into(reference, start, out)
        elif start < len(slot):
            there = memoryview(slot)[start : start + len(out)]
            out[: len(there)] = there

    def _in_memory(self, index: int) -> bytes | bytearray | None:
        if index == 0 and self.record.inline is not None and not self._changed:
            return self.record.inline
        return self._over.plain(index)

    def _damaged(self, index: int, why: Corrupt) -> DamagedRange:
        if why.part is not None:
            start, end = (index * self._chunk_size + each for each in why.part)
            return DamagedRange(f"bytes {start} to {end - 1}: {why.message}")
        first, behind = index, index + 1
        if self.record.root is not None and index not in self._over.landed:
            first, behind = tree.damaged_span(self._pool, self.record.root, index)
        start = first * self._chunk_size
        end = max(start + 1, min(behind * self._chunk_size, self.record.size))
        return DamagedRange(f"bytes {start} to {end - 1}: {why.message}")

    def data_bytes(self) -> int:
        """Bytes of the content, flushed or not, holes not counted."""
        record = self.record
        if not self._changed:
            return record.data_bytes
        total = record.root.length if record.root is not None else 0
        for index in self._over.slots():
            below = tree.find(self._pool, record.root, index)
            if below is not None:
                total -= below.length
            if self._over.plain(index) is not None:
                total += min(self._chunk_size, record.size - index * self._chunk_size)
            else:
                landed = self._over.landed[index]
                total += landed.length if landed is not None else 0
        return total

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
        over = sorted(each for each in self._over.slots() if index <= each < end)
        for limit in (*over, end):
            # Up to there, the tree shows through.
            root = self.record.root
            if is_hole:
                found = extent.first_hole(self._pool, root, index, limit, self._chunk_size)
            else:
                found = extent.first_chunk(self._pool, root, index, limit)
            if found < limit or limit == end or self._over.is_hole(limit) == is_hole:
                return found
            index = limit + 1
        return end

    def _slot(self, index: int) -> bytes | bytearray:
        """What is there; shorter than the slot where only zeros follow."""
        plain = self._in_memory(index)
        if plain is not None:
            return plain
        reference = self._stored(index)
        return b"" if reference is None else self._pool.read(reference)

    def _stored(self, index: int) -> Reference | None:
        if index in self._over.landed:
            return self._over.landed[index]
        return tree.find(self._pool, self.record.root, index)

    # --- writing ---

    def write(self, offset: int, data: bytes) -> None:
        """Raises FileTooBig before anything is changed."""
        end = offset + len(data)
        if end > FILE_BYTES_MAX:
            raise FileTooBig(f"a write to {end} is over the limit of a file")
        self._change()
        if offset > self.record.size:
            self._open_tail()
        old_size = self.record.size
        view = memoryview(data)
        at = offset
        while at < end:
            index, start = divmod(at, self._chunk_size)
            stop = min(self._chunk_size, start + end - at)
            self._write_slot(index, start, view[at - offset : at - offset + stop - start], old_size)
            at += stop - start
        self.record.size = max(old_size, end)

    def _write_slot(self, index: int, start: int, piece: memoryview, old_size: int) -> None:
        stop = start + len(piece)
        if len(piece) == self._chunk_size:
            self._over.forget(index)
            self._over.submit(index, bytes(piece))
            return
        if start == 0 and index * self._chunk_size + stop >= old_size:
            # Nothing that is there outlives the write: no need to load it.
            self._over.forget(index)
            self._over.open(index, b"")
        buffer = self._writable(index)
        before = len(buffer)
        if before < start:
            buffer.extend(bytes(start - before))
        buffer[start:stop] = piece
        self._workers.gauge.add(len(buffer) - before)
        if len(buffer) == self._chunk_size and stop == self._chunk_size:
            # The usual end of a sequential writer's slot.
            self._over.submit(index, bytes(self._over.take(index)))

    def truncate(self, size: int) -> None:
        """Cut or extend by a hole; runs inside the store's transaction.  Raises Invalid,
        FileTooBig."""
        if size < 0:
            raise Invalid(f"a size of {size} bytes is below 0")
        if size > FILE_BYTES_MAX:
            raise FileTooBig(f"a size of {size} bytes is over the limit of {FILE_BYTES_MAX}")
        self._change()
        if size < self.record.size:
            self._cut(size)
        elif size > self.record.size:
            self._open_tail()
        self.record.size = size

    def _cut(self, size: int) -> None:
        chunks = self._chunks(size)
        if chunks:
            tree.check(self._pool, self.record.root, (0, chunks - 1))
        index, stop = divmod(size, self._chunk_size)
        # What is damaged is met here, before anything is dropped.
        partial = self._writable(index) if stop and self._slot(index) else None
        self._over.forget_range(chunks, FAR)
        if partial is not None:
            before = len(partial)
            del partial[stop:]
            self._workers.gauge.add(len(partial) - before)
        if self.record.root is not None:
            self.record.root = tree.update(self._pool, self.record.root, chunks, {}, cut=True)
        self._stored_size = size

    # --- ranges ---

    def punch(self, offset: int, length: int) -> None:
        """Make a hole; the size stays.  Runs inside the store's transaction.  Raises Corrupt."""
        end = min(offset + length, self.record.size)
        if offset >= end:
            return
        self._change()
        first, head = divmod(offset, self._chunk_size)
        last, tail = divmod(end, self._chunk_size)
        if end == self.record.size:
            last, tail = self._chunks(end), 0  # nothing is beyond it to be kept
        edges: list[tuple[int, bytes]] = []
        if head:
            stop = tail if first == last else self._chunk_size
            edges.append((first, self._without(first, head, stop)))
        if tail and (first < last or not head):
            edges.append((last, self._without(last, 0, tail)))
        self._remove(first + (head > 0), last)
        for index, rest in edges:
            self._over.forget(index)
            if is_zero(rest):
                self._over.submit(index, rest)
            else:
                self._over.open(index, rest)

    def _without(self, index: int, start: int, stop: int) -> bytes:
        """A slot with zeros from `start` to `stop`."""
        slot = self._slot(index)
        return bytes(slot[:start]) + (
            bytes(stop - start) + slot[stop:] if stop < len(slot) else b""
        )

    def _remove(self, first: int, last: int) -> None:
        """Make slots from `first` to before `last` a hole.  What is damaged is met first."""
        root = self.record.root
        if root is not None and extent.bytes_within(self._pool, root, first, last):
            part = Part(self._pool, None)
            self.record.root = splice(self._pool, root, root.level, first, last, part)
        self._over.forget_range(first, last)

    def share(self, first: int, source: Body, source_first: int, count: int) -> None:
        """Let `count` slots from `first` on be those of `source` from `source_first` on; neither
        a byte of them is copied.  Both bodies are flushed, and may be one; the range does not
        begin beyond the end.  It may end with the source's last slot, whatever its length, where
        this content then ends too.  Runs inside the store's transaction.  Raises Corrupt."""
        assert not self._changed
        assert not source._changed
        record = self.record
        begin, last = first * self._chunk_size, first + count
        source_size = source.record.size
        assert begin <= record.size
        end = min(last * self._chunk_size, begin + source_size - source_first * self._chunk_size)
        size = max(record.size, end)
        if end == size and source_first + count == self._chunks(source_size):
            last = FAR  # subtrees that reach beyond the end are equal too
        part = Part(self._pool, source.record.root, first - source_first)
        level = tree.level_for(self._chunks(size))
        record.root = splice(self._pool, record.root, level, first, last, part)
        record.inline = None
        record.size = self._stored_size = size

    def _open_tail(self) -> None:
        # A stored chunk at the end is as long as the file; its slot is about to become longer.
        index, stop = divmod(self.record.size, self._chunk_size)
        if stop and self._slot(index):
            self._writable(index)

    def _writable(self, index: int) -> bytearray:
        buffer = self._over.dirty.get(index)
        return self._over.open(index, self._slot(index)) if buffer is None else buffer

    def _change(self) -> None:
        if self._changed:
            return
        if self.record.inline is not None:
            self._over.open(0, self.record.inline)
        self._changed = True
        self._workers.gauge.add(_BODY_BYTES)

    # --- storing ---

    def land(self, *, wait: bool, limit: int = 1 << 30) -> int:
        """Store what has been sealed, up to `limit` chunks; returns how many.  With `wait`, also
        what is being sealed.  Runs inside the store's transaction."""
        return self._over.land(wait=wait, limit=limit)

    def flush(self) -> None:
        """Bring the record's content up to date.  Runs inside the store's transaction.

        Raises Corrupt when what lies beneath is damaged, before the tree is changed."""
        if not self._changed:
            return
        record = self.record
        if record.size <= INLINE_BYTES_MAX:
            self._flush_inline()
        else:
            for index in list(self._over.dirty):
                slot_bytes = min(self._chunk_size, record.size - index * self._chunk_size)
                self._over.submit(index, bytes(self._over.take(index).ljust(slot_bytes, b"\0")))
            self.land(wait=True)
            chunks = self._chunks(record.size)
            landed = self._over.landed
            tree.check(self._pool, record.root, landed)
            record.root = tree.update(self._pool, record.root, chunks, landed, cut=False)
            record.inline = None
            landed.clear()
        self._changed = False
        self._stored_size = record.size
        self._workers.gauge.add(-_BODY_BYTES)

    def _flush_inline(self) -> None:
        record = self.record
        data = self.read(0, record.size)
        self._over.forget_range(0, FAR)
        if record.root is not None:
            self._pool.drop(record.root)
        record.root = None
        record.inline = data or None

    def abandon(self) -> None:
        """Drop everything that isn't stored: back to the last flush."""
        self._over.forget_range(0, FAR)
        self.record.size = self._stored_size
        if self._changed:
            self._changed = False
            self._workers.gauge.add(-_BODY_BYTES)

    def _chunks(self, size: int) -> int:
        return -(-size // self._chunk_size)
