"""Ids that are never handed out twice."""

from __future__ import annotations

import logging

from sqlfs.errors import Corrupt, NoSpace
from sqlfs.limits import ID_RESERVATION, NODE_ID_MAX
from sqlfs.store.database import Database

log = logging.getLogger("sqlfs")


class IdSource:
    """Ids of one kind, in order, never handed out twice: also not after a crash, for they come
    from a reservation that was committed with, or before, the first row that used them.
    Guarded by the store's lock; one per database and kind."""

    def __init__(self, database: Database, kind: str) -> None:
        self._db = database
        self._kind = kind
        row = database.row("reservation_get", kind)
        if row is None:
            raise Corrupt(f"{database.path} is damaged: no reservation of {kind} ids")
        self._next = self._reserved = int(row[0])
        used = database.row("reservation_used", kind)
        if used is not None and used[0] is not None and used[0] >= self._next:
            log.error(
                "%s: ids of kind %s were not reserved; sqlfs check tells more", database.path, kind
            )
            self._next = self._reserved = int(used[0]) + 1

    def next(self) -> int:
        """A new id.  Runs inside the store's transaction."""
        if self._next >= self._reserved:
            if self._kind == "node" and self._next + ID_RESERVATION > NODE_ID_MAX:
                raise NoSpace(f"{self._db.path}: all node ids are used up")
            self._reserved = self._next + ID_RESERVATION
            self._db.write("reservation_set", self._kind, self._reserved)
        self._next += 1
        return self._next - 1
