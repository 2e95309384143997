"""Changing by named statements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

from sqlfs.errors import SqlfsError
from sqlfs.store.connection import translated
from sqlfs.store.rows import Rows


class Changes(Rows, ABC):
    """The changing half of an opened volume file; all of it runs in the open transaction."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self.uncommitted_bytes = 0  # blobs in the open transaction; guarded by lock
        self._in_transaction = False  # guarded by lock

    @abstractmethod
    def _abandon(self, error: SqlfsError) -> SqlfsError:
        """End writing for good, because of `error`; the error to raise."""

    def write(self, name: str, *parameters: Any) -> None:
        """Run a changing statement."""
        assert self._in_transaction, name
        try:
            self._connection.execute(self._statements[name], parameters)
        except (apsw.Error, OverflowError) as error:
            # A statement that was checked beforehand failed half-way through an operation:
            # what the transaction holds can't be told apart any more.
            raise self._abandon(translated(error, self.path)) from error

    def write_many(self, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """As :meth:`write`, once for each of `rows`, which hold its parameters."""
        assert self._in_transaction, name
        try:
            self._connection.executemany(self._statements[name], rows)
        except (apsw.Error, OverflowError) as error:
            raise self._abandon(translated(error, self.path)) from error

    def write_blob(self, name: str, id_: int, generation: int, blob: bytes) -> None:
        """Run a statement that brings a large value, which counts for the room that is needed."""
        self.write(name, id_, generation, blob)
        self.uncommitted_bytes += len(blob)

    def last_id(self) -> int:
        return self._connection.last_insert_rowid()
