"""Ids that are never handed out twice."""

from __future__ import annotations

import logging
from typing import Final

from sqlfs.errors import Corrupt, NoSpace
from sqlfs.limits import ID_RESERVATION, NODE_ID_MAX
from sqlfs.store.database import Database

log = logging.getLogger("sqlfs")

_ID_MAX: Final = 2**62
# What may have been used, and deleted again, above the greatest id in use.
_UNKNOWN_IDS: Final = 2**20


class IdSource:
    """Ids of one kind, in order, never handed out twice: also not after a crash, for they come
    from a reservation that was committed with, or before, the first row that used them.  Who
    outlives the process may remember an id whose row is lost: see :attr:`committed`.
    Guarded by the store's lock; one per database and kind."""

    def __init__(self, database: Database, kind: str) -> None:
        self._db = database
        self._kind = kind
        self._next = self._reserved = first_safe(database, kind)
        if self._next != _reserved(database, kind):
            log.error(
                "%s: ids of kind %s were not reserved; sqlfs check tells more", database.path, kind
            )
        self._kept = self._reserved  # up to there the reservation is committed
        self._reserved_by = 0  # the commit that brings the rest

    def next(self) -> int:
        """A new id.  Runs inside the store's transaction."""
        if self._next >= self._reserved:
            if self._kind == "node" and self._next + ID_RESERVATION > NODE_ID_MAX:
                raise NoSpace(f"{self._db.path}: all node ids are used up")
            self._kept = self._reserved
            self._reserved = self._next + ID_RESERVATION
            self._reserved_by = self._db.commits + 1
            self._db.write("reservation_set", self._kind, self._reserved)
        self._next += 1
        return self._next - 1

    @property
    def committed(self) -> bool:
        """Whether the reservation of every id that was handed out is committed: no owner hands it
        out again, even if this process dies now."""
        return self._next <= self._kept or self._reserved_by <= self._db.commits


def first_safe(database: Database, kind: str) -> int:
    """The first id of a kind that was never used: as the reservation says, where that can be
    believed."""
    try:
        row = database.row("reservation_used", kind)
    except Corrupt:
        row = None  # pages of the table are damaged: the reservation is what there is
    # The greatest id in use, as far as can be told.
    used = row[0] if row is not None and type(row[0]) is int and 0 < row[0] < _ID_MAX else 0
    return max(used + 1, _reserved(database, kind) or used + _UNKNOWN_IDS)


def _reserved(database: Database, kind: str) -> int:
    """0 where the reservation says nothing that can be believed."""
    for (value,) in database.raw_rows("reservation_get", kind):
        if type(value) is int and 1 <= value <= _ID_MAX:
            return value
    return 0
