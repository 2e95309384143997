"""Counting things by key with bounded memory."""

from __future__ import annotations

import apsw

from sqlfs.store.statements import statements


class Tally:
    """How often each key was added.  Lives in a private temporary database, which SQLite moves
    to disk when it grows; not thread-safe."""

    def __init__(self) -> None:
        self._statements = statements()
        self._connection = apsw.Connection("")
        self._connection.pragma("journal_mode", "OFF")
        self._connection.pragma("cache_size", -8192)
        self._connection.execute(self._statements["tally_create"])
        self._connection.execute(self._statements["begin"])

    def add(self, key: bytes) -> None:
        self._connection.execute(self._statements["tally_add"], (key,))

    def get(self, key: bytes) -> int:
        rows = self._connection.execute(self._statements["tally_get"], (key,)).fetchall()
        return int(str(rows[0][0])) if rows else 0

    def within(self, above: bytes, below: bytes, limit: int) -> list[tuple[bytes, int]]:
        """Up to `limit` keys between the two, in order, and how often each was added."""
        rows = self._connection.execute(self._statements["tally_within"], (above, below, limit))
        return [(bytes(key), int(seen)) for key, seen in rows]

    def total(self) -> int:
        """All additions together."""
        return int(str(self._connection.execute(self._statements["tally_total"]).fetchall()[0][0]))

    def close(self) -> None:
        self._connection.close()
