"""The slots of one file over whose stored chunks small writes lie."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from typing import Final

from sqlfs.content.deltas import Delta, DeltaTable
from sqlfs.content.patches import Patches
from sqlfs.content.sealing import Gauge
from sqlfs.errors import Corrupt
from sqlfs.namespace import NodeRecord

log = logging.getLogger("sqlfs")

# A write is small below this part of a chunk, and a slot has few of them below that part.
_SMALL: Final = 8
_FEW: Final = 4
# What a write counts for besides its bytes: so the number of pieces and rows is bounded too.
_WRITE_BYTES: Final = 128
# What a slot counts for at least: folding it seals a chunk, however little was changed.
_SLOT_BYTES: Final = 16 * 1024


class _Slot:
    """``patches``: all that lies over the chunk; ``unlogged``: what of it is in no delta yet;
    ``below``: bytes that are stored for the slot."""

    __slots__ = ("below", "deltas", "gauged", "is_kept", "patches", "unlogged", "written")

    def __init__(self, below: int) -> None:
        self.below = below
        self.patches = Patches()
        self.unlogged: Patches | None = None
        self.deltas: list[Delta] = []
        self.written = 0  # bytes, with _WRITE_BYTES for each write
        self.gauged = 0  # of them, in the gauge
        self.is_kept = False  # can't be folded

    @property
    def counted(self) -> int:
        return max(self.written, _SLOT_BYTES)


class PatchedSlots:
    """Over the stored tree, in slots for which nothing else is in memory.

    :meth:`log` makes deltas of what is new; whoever puts all of a slot into a chunk drops it here,
    and the next :meth:`log`, in the same transaction, removes its deltas.  All methods run under
    the store's lock.
    """

    def __init__(
        self, record: NodeRecord, table: DeltaTable, gauge: Gauge, chunk_size: int
    ) -> None:
        self._record = record
        self._table = table
        self._gauge = gauge
        self._chunk_size = chunk_size
        self._slots: dict[int, _Slot] = {}
        self._unlogged: dict[int, _Slot] = {}
        self._settled: list[Delta] = []  # of slots that were dropped
        self._growth = 0  # bytes that would be stored in addition if each slot were full
        # Why the deltas that belong to the file can't be read: nobody knows what they change.
        self.damage: Corrupt | None = None

    def __bool__(self) -> bool:
        return bool(self._slots)

    def __contains__(self, index: int) -> bool:
        return index in self._slots

    def indices(self) -> list[int]:
        return list(self._slots)

    def to_fold(self, limit: int) -> list[int]:
        """Up to `limit` slots that can be folded, those that were first patched first."""
        can = (index for index, slot in self._slots.items() if not slot.is_kept)
        return list(islice(can, limit))

    def keep(self, index: int, why: Corrupt) -> None:
        """The slot can't be folded, as long as it is not written as a whole."""
        log.error("changes of node %d stay beside its content: %s", self._record.id, why)
        self._slots[index].is_kept = True

    def patches(self, index: int) -> Patches | None:
        """Raises Corrupt where it is not known what lies over the slot."""
        if self.damage is not None:
            raise self.damage
        slot = self._slots.get(index)
        return slot.patches if slot is not None else None

    def growth(self) -> int:
        """Bytes of data that the file has more than is stored in its tree."""
        tail = self._record.size % self._chunk_size
        if not tail or self._record.size // self._chunk_size not in self._slots:
            return self._growth
        return self._growth - (self._chunk_size - tail)

    # --- changing ---

    def takes(self, index: int, length: int) -> bool:
        """Whether a write of that many bytes to the slot costs less as a patch."""
        if length * _SMALL > self._chunk_size or self._table.full or self.damage is not None:
            return False
        slot = self._slots.get(index)
        written = slot.written if slot is not None else 0
        return (written + length + _WRITE_BYTES) * _FEW <= self._chunk_size

    def begin(self, index: int, below: int) -> _Slot:
        """`below`: bytes that are stored for the slot."""
        slot = self._slots[index] = _Slot(below)
        self._table.bytes += slot.counted
        self._growth += self._chunk_size - below
        return slot

    def put(self, index: int, start: int, piece: memoryview) -> None:
        """Lay a piece over a slot that was begun."""
        slot = self._slots[index]
        slot.patches.put(start, piece)
        if slot.unlogged is None:
            slot.unlogged = Patches()
            self._unlogged[index] = slot
        slot.unlogged.put(start, piece)
        self._count(slot, len(piece) + _WRITE_BYTES)
        slot.gauged += len(piece) + _WRITE_BYTES
        self._gauge.add(len(piece) + _WRITE_BYTES)

    def drop(self, index: int) -> None:
        """What lay over the slot is in its place now, or in none."""
        slot = self._slots.pop(index, None)
        if slot is None:
            return
        self._settled += slot.deltas
        self._table.bytes -= slot.counted
        self._growth -= self._chunk_size - slot.below
        self._logged(slot)
        self._unlogged.pop(index, None)

    def drop_range(self, first: int, last: int) -> None:
        """The slots from `first` to before `last`, whose chunks are gone already: nothing can be
        taken back to them.  Runs inside the store's transaction."""
        is_all = not first and last * self._chunk_size >= self._record.size
        if is_all and self.damage is not None:
            self._table.remove_all(self._record)
            self.damage = None
        for index in [index for index in self._slots if first <= index < last]:
            self.drop(index)
        gone = [delta for delta in self._settled if first <= delta.slot < last]
        self._table.remove(self._record, gone)
        self._settled = [delta for delta in self._settled if not first <= delta.slot < last]

    def _count(self, slot: _Slot, written: int) -> None:
        before = slot.counted
        slot.written += written
        self._table.bytes += slot.counted - before

    def _logged(self, slot: _Slot) -> None:
        if slot.gauged:
            self._gauge.add(-slot.gauged)
            slot.gauged = 0
        slot.unlogged = None

    # --- storing ---

    def load(self, below: Callable[[int], int]) -> None:
        """Have what an earlier owner left, or, after :meth:`forget`, what was logged last."""
        self.damage = None
        try:
            for delta in self._table.read(self._record, self._chunk_size):
                slot = self._slots.get(delta.slot) or self.begin(delta.slot, below(delta.slot))
                for start, piece in delta.pieces:
                    slot.patches.put(start, piece)
                    self._count(slot, len(piece) + _WRITE_BYTES)
                delta.pieces.clear()
                slot.deltas.append(delta)
        except Corrupt as error:
            log.error("%s", error)
            self.forget()
            self.damage = error

    def log(self) -> None:
        """Make the deltas be what lies here.  Runs inside the store's transaction."""
        for index, slot in self._unlogged.items():
            assert slot.unlogged is not None
            slot.deltas.append(self._table.add(self._record, index, slot.unlogged))
            self._logged(slot)
        self._unlogged.clear()
        if self._settled:
            self._table.remove(self._record, self._settled)
            self._settled.clear()

    def forget(self) -> None:
        """Nothing of this is needed any more; deltas stay as they are."""
        for index in list(self._slots):
            self.drop(index)
        self._settled.clear()
