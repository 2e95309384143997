"""A private temporary database: what is found has no bounds, and memory has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import apsw

from sqlfs.store.connection import translated
from sqlfs.store.rows import Row
from sqlfs.store.statements import statements

_CALLED: Final = Path("the temporary database")
_CACHE_KIB: Final = 16 * 1024


class Scratch:
    """SQLite moves it to the folder for temporary files when it grows, under no name, and it goes
    with the process.  Not thread-safe.  All methods raise NoSpace and InputOutput."""

    def __init__(self) -> None:
        self._statements = statements()
        self._connection = apsw.Connection("")
        self._connection.pragma("journal_mode", "OFF")
        self._connection.pragma("cache_size", -_CACHE_KIB)
        self.run("wreck_create")
        self.run("begin")

    def run(self, name: str, *parameters: object) -> None:
        try:
            self._connection.execute(self._statements[name], parameters)
        except apsw.Error as error:
            raise translated(error, _CALLED) from error

    def run_each(self, name: str, rows: Iterable[Row]) -> None:
        try:
            self._connection.executemany(self._statements[name], rows)
        except apsw.Error as error:
            raise translated(error, _CALLED) from error

    def rows(self, name: str, *parameters: object) -> list[Row]:
        """All rows of a named statement."""
        try:
            cursor = self._connection.execute(self._statements[name], parameters)
            return cursor.fetchall()
        except apsw.Error as error:
            raise translated(error, _CALLED) from error

    def close(self) -> None:
        self._connection.close()
