"""The rows of small changes to files: what is durable before it is in a chunk.

A *delta* holds what one commit changed of one slot, where sealing the whole slot anew would have
cost far more.  Its body, little-endian::

    slot u64
    one or more pieces, in order and apart from each other:
    start within the slot u32, length u32, the bytes

The node's row says how many deltas it has and what the sum of their seals is, so that one that is
missing, or left of an earlier state, is noticed.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlfs.content.patches import Patches
from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.limits import DELTA_BYTES_MAX
from sqlfs.namespace import NodeRecord
from sqlfs.namespace.rows import VolumeRows
from sqlfs.store import IdSource

log = logging.getLogger("sqlfs")

_SLOT: Final = struct.Struct("<Q")
_PIECE: Final = struct.Struct("<II")
# A seal begins with a digest of all that it holds.
_DIGEST_BYTES: Final = 24
_SUM_MODULUS: Final = 1 << (8 * _DIGEST_BYTES)
_PAGE: Final = 4096


@dataclass(slots=True)
class Delta:
    """One row; ``number`` is what it adds to its node's sum."""

    id: int
    number: int
    slot: int
    pieces: list[tuple[int, bytes]]


class DeltaTable:
    """The deltas of one volume.  All state is guarded by the store's lock."""

    def __init__(self, rows: VolumeRows, ids: IdSource) -> None:
        self._rows = rows
        self._ids = ids
        self._by_node: dict[int, dict[int, None]] = {}  # ids in order; of all volumes
        # In memory and in the file: of all patched slots, as they are counted.
        self.bytes = 0
        self._is_readable = True
        try:
            self._read_ids()
        except Corrupt as error:
            # It costs those files that have deltas, and no others: nothing more is put there.
            log.error("%s", error)
            self._is_readable = False

    @property
    def full(self) -> bool:
        """Whether no more may come, or not before some are folded."""
        return self.bytes >= DELTA_BYTES_MAX or not self._is_readable

    @property
    def many(self) -> bool:
        """Whether some should be folded now."""
        return self.bytes >= DELTA_BYTES_MAX // 4 * 3

    def nodes(self) -> list[int]:
        """Those that have deltas; some may be of other volumes."""
        return list(self._by_node)

    def _read_ids(self) -> None:
        last = -(2**63)
        while page := self._rows.db.raw_rows("delta_ids", last, _PAGE):
            for id_, node in page:
                if type(node) is not int:
                    continue  # damaged; its node's count tells
                self._by_node.setdefault(node, {})[id_] = None
            last = page[-1][0]

    # --- reading ---

    def read(self, record: NodeRecord, chunk_size: int) -> Iterator[Delta]:
        """The deltas of a node, in the order in which they were made, one after the other.

        Raises Corrupt, at the end at the latest, if they are not all there is, or not its own."""
        ids = self._by_node.get(record.id, {})
        what = f"changes of node {record.id}"
        if len(ids) != record.delta_count:
            raise Corrupt(f"{what}: {len(ids)} rows where {record.delta_count} belong")
        numbers = []
        for id_ in list(ids):
            delta = self._opened(record, id_, chunk_size)
            numbers.append(delta.number)
            yield delta
        if not are_all(record, numbers):
            raise Corrupt(f"{what}: a row is missing, or left of an earlier state")

    def _opened(self, record: NodeRecord, id_: int, chunk_size: int) -> Delta:
        rows, what = self._rows, f"change {id_} of node {record.id}"
        row = rows.db.row("delta_get", id_)
        if row is None:
            raise Corrupt(f"{what} is missing")
        generation, sealed = row
        aad = (rows.uuid, record.id, id_)
        body = rows.open(Purpose.DELTA, aad, generation, sealed, what)
        slot, pieces = decode_delta(body, what)
        start, piece = pieces[-1]
        end = start + len(piece)
        if end > chunk_size or slot * chunk_size + end > record.size:
            raise Corrupt(f"{what}: reaches beyond the end")
        return Delta(id_, seal_number(sealed), slot, pieces)

    # --- changing: inside the store's transaction ---

    def add(self, record: NodeRecord, slot: int, patches: Patches) -> Delta:
        """A row for what `patches` holds."""
        rows, id_ = self._rows, self._ids.next()
        sealed = rows.sealer.seal(
            Purpose.DELTA, (rows.uuid, record.id, id_), encode_delta(slot, patches)
        )
        rows.db.write("delta_insert", id_, record.id, rows.sealer.generation, sealed)
        self._by_node.setdefault(record.id, {})[id_] = None
        delta = Delta(id_, seal_number(sealed), slot, [])
        record.delta_count += 1
        record.delta_sum = (record.delta_sum + delta.number) % _SUM_MODULUS
        return delta

    def remove(self, record: NodeRecord, deltas: Iterable[Delta]) -> None:
        ids = self._by_node.get(record.id, {})
        for delta in deltas:
            self._rows.db.write("delta_delete", delta.id)
            del ids[delta.id]
            record.delta_count -= 1
            record.delta_sum = (record.delta_sum - delta.number) % _SUM_MODULUS
        if not ids:
            self._by_node.pop(record.id, None)

    def remove_all(self, record: NodeRecord) -> None:
        """Whatever there is for the node, also what does not open."""
        self.remove_rows(record.id)
        record.delta_count = record.delta_sum = 0

    def remove_rows(self, node: int) -> None:
        for id_ in self._by_node.pop(node, {}):
            self._rows.db.write("delta_delete", id_)


def encode_delta(slot: int, patches: Patches) -> bytes:
    parts: list[bytes | bytearray] = [_SLOT.pack(slot)]
    for start, piece in patches:
        parts += (_PIECE.pack(start, len(piece)), piece)
    return b"".join(parts)


def decode_delta(body: bytes, what: str) -> tuple[int, list[tuple[int, bytes]]]:
    """Slot and pieces, of which there is one at least.  Raises Corrupt."""
    pieces: list[tuple[int, bytes]] = []
    at, behind = _SLOT.size, -1
    try:
        (slot,) = _SLOT.unpack_from(body)
        while at < len(body) or not pieces:
            start, length = _PIECE.unpack_from(body, at)
            at += _PIECE.size
            if start <= behind or not length or at + length > len(body):
                raise Corrupt(f"{what}: its pieces are not in order, or cut short")
            pieces.append((start, body[at : at + length]))
            at, behind = at + length, start + length
    except struct.error:
        raise Corrupt(f"{what}: cut short") from None
    return slot, pieces


def are_all(record: NodeRecord, numbers: Sequence[int]) -> bool:
    """Whether these are the numbers of all deltas of a node, and of no others."""
    return len(numbers) == record.delta_count and sum(numbers) % _SUM_MODULUS == record.delta_sum


def seal_number(sealed: bytes) -> int:
    """What a row adds to the sum in its node's row."""
    return int.from_bytes(sealed[:_DIGEST_BYTES], "little")
