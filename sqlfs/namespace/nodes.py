"""The node table, with the records that are in memory.

A record that is changed is marked with :meth:`NodeTable.touch` and written by
:meth:`NodeTable.flush`, which runs before every commit: a file that is created, written and
given its times costs one row, not four.  There is one record per node, as long as anybody
holds it.
"""

from __future__ import annotations

import contextlib
import logging
import struct
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

from sqlfs.chunks import unpack
from sqlfs.crypto import Codec, Compressor, Purpose
from sqlfs.errors import Corrupt, NotFound
from sqlfs.limits import (
    AHEAD_ROWS,
    COMPRESSION_DEFAULT,
    DAMAGED_ENTRY,
    INLINE_BYTES_MAX,
    INLINE_COMPRESSED_BYTES_MIN,
    KIB,
    NODE_CACHE_ENTRIES,
)
from sqlfs.namespace.records import NodeRecord, decode_node, encode_node
from sqlfs.namespace.rows import VolumeRows
from sqlfs.store.rows import Row

log = logging.getLogger("sqlfs")

_TIME = struct.Struct("<q")
# Rows are deleted this many at a time at the latest.
_REMOVED_MAX = 128
# Of a node's row; a symlink's target is seldom longer than what is inline.
_ROW_BYTES_MAX = INLINE_BYTES_MAX + KIB


class NodeTable:
    """All state is guarded by the store's lock."""

    def __init__(self, rows: VolumeRows) -> None:
        self._rows = rows
        self._live: WeakValueDictionary[int, NodeRecord] = WeakValueDictionary()
        # Held so that they stay: those that came into memory last.
        self._recent: OrderedDict[int, NodeRecord] = OrderedDict()
        # Of nodes that are not live: as their rows are, which were read ahead.
        self._ahead: OrderedDict[int, NodeRecord] = OrderedDict()
        self._changed: dict[int, NodeRecord] = {}
        self._new: set[int] = set()  # of them, those without a row
        self._removed: dict[int, bool] = {}  # id -> whether it has an access time's row as well
        self._accessed: dict[int, NodeRecord] = {}
        self._compressor = Compressor(COMPRESSION_DEFAULT)

    def get(self, id_: int) -> NodeRecord:
        """Raises NotFound, and Corrupt for a row that isn't what was written there."""
        record = self._recent.get(id_)
        if record is not None:
            return record
        record = self._live.get(id_)
        if record is None:
            record = self._ahead.pop(id_, None) or self._decode(id_, self._row(id_))
            self._live[id_] = record
        self._remember(record)
        return record

    def read_ahead(self, parent: int, cookie: int, limit: int) -> None:
        """Read the rows of what up to `limit` edges above `cookie` lead to; damaged ones are left
        to :meth:`get`."""
        rows, ahead = self._rows, self._ahead
        for id_, *row in rows.db.sound_rows("node_ahead", parent, cookie, limit, rows.volume):
            if id_ not in self._recent and id_ not in self._live and id_ not in self._removed:
                with contextlib.suppress(Corrupt):
                    ahead[id_] = self._decode(id_, row)
        while len(ahead) > AHEAD_ROWS:
            ahead.popitem(last=False)

    def forget_ahead(self) -> None:
        self._ahead.clear()

    def _row(self, id_: int) -> Row:
        if id_ >= DAMAGED_ENTRY:
            raise Corrupt(f"entry {id_ - DAMAGED_ENTRY} is damaged; sqlfs check tells more")
        row = None
        if id_ not in self._removed:
            row = self._rows.db.row("node_get", id_, self._rows.volume)
        if row is None:
            raise NotFound(f"no node {id_}")
        return row

    def add(self, record: NodeRecord) -> None:
        self._live[record.id] = record
        self._remember(record)
        self._new.add(record.id)
        self.touch(record)

    def touch(self, record: NodeRecord) -> None:
        """The record differs from its row."""
        self._changed[record.id] = record

    def touch_atime(self, record: NodeRecord) -> None:
        """Nothing but the access time differs."""
        self._accessed[record.id] = record

    def remove(self, record: NodeRecord) -> None:
        """Its row goes with the next flush; the record is of no use afterwards."""
        self._changed.pop(record.id, None)
        self._accessed.pop(record.id, None)
        self._live.pop(record.id, None)
        self._recent.pop(record.id, None)
        if record.id in self._new:
            self._new.remove(record.id)
            return
        self._removed[record.id] = record.has_atime_row
        if len(self._removed) >= _REMOVED_MAX:
            self._delete_removed()

    def _delete_removed(self) -> None:
        write, removed = self._rows.db.write_many, self._removed
        write("node_delete", [(id_,) for id_ in removed])
        write("atime_delete", [(id_,) for id_, has_atime_row in removed.items() if has_atime_row])
        removed.clear()

    def remove_row(self, id_: int) -> None:
        """Delete a row that does not open."""
        self._ahead.pop(id_, None)
        self._rows.db.write("node_delete", id_)

    @property
    def dirty(self) -> bool:
        return bool(self._changed or self._accessed or self._removed)

    @property
    def dirty_pages(self) -> int:
        """How many pages the next flush changes, at most; new rows come last in the table."""
        new = len(self._new)
        old = len(self._changed) - new
        return old + new * _ROW_BYTES_MAX // self._rows.db.page_size + 2 * len(self._removed)

    def flush(self) -> None:
        """Write what differs.  Runs inside the store's transaction."""
        rows = self._rows
        self._delete_removed()
        generation = rows.sealer.generation
        for record in self._changed.values():
            aad = (rows.uuid, record.id, record.since)
            sealed = rows.sealer.seal(Purpose.NODE, aad, *self._encoded(record))
            rows.db.write("node_put", record.id, rows.volume, record.since, generation, sealed)
            if record.has_atime_row:
                rows.db.write("atime_delete", record.id)
                record.has_atime_row = False
        for record in self._accessed.values():
            if record.id not in self._changed:
                body = _TIME.pack(record.atime_ns)
                sealed = rows.sealer.seal(Purpose.ATIME, (rows.uuid, record.id), body)
                rows.db.write("atime_set", record.id, generation, sealed)
                record.has_atime_row = True
        self._changed.clear()
        self._new.clear()
        self._accessed.clear()

    def _encoded(self, record: NodeRecord) -> tuple[bytes, Codec]:
        body = encode_node(record)
        if record.inline is not None and len(record.inline) >= INLINE_COMPRESSED_BYTES_MIN:
            frame = self._compressor.compressed(body)
            if frame is not None:
                return frame, Codec.ZSTD
        return body, Codec.NONE

    def _remember(self, record: NodeRecord) -> None:
        self._recent[record.id] = record
        if len(self._recent) > NODE_CACHE_ENTRIES:
            self._recent.popitem(last=False)

    def _decode(self, id_: int, row: Sequence[Any]) -> NodeRecord:
        since, generation, sealed, atime_generation, sealed_atime = row
        rows = self._rows
        aad = (rows.uuid, id_, since)
        body = rows.open(Purpose.NODE, aad, generation, sealed, f"node {id_}")
        record = decode_node(id_, since, body)
        if sealed_atime is not None:
            record.has_atime_row = True
            try:
                record.atime_ns = self._open_atime(id_, atime_generation, sealed_atime)
            except Corrupt as error:
                # The file itself is sound; check tells of the row.
                log.error("%s", error)
        return record

    def _open_atime(self, id_: int, generation: int, sealed: bytes) -> int:
        rows, what = self._rows, f"access time of node {id_}"
        body = rows.open(Purpose.ATIME, (rows.uuid, id_), generation, sealed, what)
        (time_ns,) = unpack(_TIME, body, what)
        return int(time_ns)
