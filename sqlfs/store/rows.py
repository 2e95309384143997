"""Reading by named statements."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import apsw

from sqlfs.errors import Corrupt
from sqlfs.store.connection import translated
from sqlfs.store.shapes import shapes
from sqlfs.store.statements import statements

Row = tuple[Any, ...]


class Rows:
    """The reading half of an opened volume file.  ``lock`` guards the connection."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.lock = threading.RLock()
        self.path = path
        self._connection = connection
        self._statements = statements()
        self._shapes = shapes()
        self._page_size = int(connection.pragma("page_size"))

    @property
    def connection(self) -> apsw.Connection:
        """For the rest of this package; to be used under the lock."""
        return self._connection

    def rows(self, name: str, *parameters: Any) -> list[Row]:
        """All rows of a named statement: no cursor outlives the call.

        Raises Corrupt, naming table and row, where a value is none that its column can have."""
        found = self.raw_rows(name, *parameters)
        shape = self._shapes.get(name)
        if shape is not None:
            for row in found:
                if not shape.sound(row):
                    raise Corrupt(f"{self.path} is damaged: {shape.damage(row, parameters)}")
        return found

    def sound_rows(self, name: str, *parameters: Any) -> list[Row]:
        """As :meth:`rows`, but without those that are damaged: for who comes back to them."""
        sound = self._shapes[name].sound
        return [row for row in self.raw_rows(name, *parameters) if sound(row)]

    def raw_rows(self, name: str, *parameters: Any) -> list[Row]:
        """As :meth:`rows`, for who goes on with the other rows where one is damaged."""
        with self.lock:
            try:
                return self._connection.execute(self._statements[name], parameters).fetchall()
            except (apsw.Error, UnicodeDecodeError) as error:
                raise translated(error, self.path) from error

    def damage(self, name: str, row: Row) -> str | None:
        """What is wrong with a row that :meth:`raw_rows` gave for a statement; None if nothing."""
        shape = self._shapes[name]
        return None if shape.sound(row) else shape.damage(row, ())

    def row(self, name: str, *parameters: Any) -> Row | None:
        """The first row, or None.  Raises Corrupt as :meth:`rows`."""
        found = self.raw_rows(name, *parameters)
        if not found:
            return None
        shape = self._shapes.get(name)
        if shape is not None and not shape.sound(found[0]):
            raise Corrupt(f"{self.path} is damaged: {shape.damage(found[0], parameters)}")
        return found[0]

    def read_sealed(self, id_: int, offset: int, out: bytearray | memoryview) -> int:
        """Fill `out` with what stands in ``sealed`` of row `id_` of ``chunk_data`` from `offset`
        on, without reading the rest; returns how many bytes stand there in all.

        Raises Corrupt where there are not so many."""
        with self.lock:
            try:
                with self._connection.blob_open("main", "chunk_data", "sealed", id_, False) as blob:
                    length = blob.length()
                    if offset + len(out) <= length:
                        blob.seek(offset)
                        blob.read_into(out)
                        return length
            except apsw.SQLError:
                length = 0  # no such row, or no blob in it
            except apsw.Error as error:
                raise translated(error, self.path) from error
        raise Corrupt(f"{self.path} is damaged: row {id_} of chunk_data has {length} bytes")

    # --- pages ---

    @property
    def page_size(self) -> int:
        return self._page_size

    def page_counts(self) -> tuple[int, int]:
        """Pages of the file, and those of them that are free, as the open transaction sees it."""
        ((pages, free),) = self.raw_rows("page_counts")
        return pages, free

    def release_memory(self) -> None:
        with self.lock:
            self._connection.release_memory()
