"""What the values of a row must be: looked at once, where rows leave SQLite.

The tables are STRICT, which keeps other values from being written, but not a bit that flips in
the header of a record from making one.  What each column must be is taken from the schema, so
it stands there alone.  The columns of a table that is joined from the left, or looked up apart, may
be missing as a whole, and are for the seal to judge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import apsw
import apsw.ext

from sqlfs.store.statements import schema, statements

_TYPES: Final = {"INTEGER": int, "BLOB": bytes, "TEXT": str}
_CALLED: Final = {
    int: "an integer", bytes: "a blob", str: "a text", float: "a float", type(None): "missing",
}  # fmt: skip
_OPTIONAL: Final = re.compile(r"LEFT JOIN (\w+)|\(SELECT \w+\.\w+ FROM (\w+)")
_LENGTH: Final = re.compile(r"(\w+)\s+BLOB\s.*CHECK \(length\(\1\) = (\d+)\)")


@dataclass(frozen=True, slots=True)
class Column:
    """``length``: of a blob whose length is fixed, in bytes."""

    index: int
    table: str
    name: str
    type: type
    length: int | None

    def wrong(self, row: tuple[Any, ...]) -> str | None:
        """What is wrong with its value in a row; None if nothing."""
        value = row[self.index]
        if type(value) is not self.type:
            return f"is {_CALLED[type(value)]}, not {_CALLED[self.type]}"
        if self.length is not None and isinstance(value, bytes) and len(value) != self.length:
            return f"has {len(value)} bytes, not {self.length}"
        return None


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the rows that one statement returns."""

    columns: tuple[Column, ...]
    # Where the first columns are those that are known: their types, one comparison per row, and
    # which of them have a fixed length.
    _types: tuple[type, ...] | None
    _lengths: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, description: tuple[tuple[str | None, ...], ...], text: str) -> Shape:
        """From what SQLite says of a statement's columns."""
        optional = {table for found in _OPTIONAL.findall(text) for table in found}
        lengths = fixed_lengths()
        columns = tuple(
            Column(index, table, name, _TYPES[declared], lengths.get(name))
            for index, (_, declared, _, table, name) in enumerate(description)
            if declared in _TYPES and table is not None and name and table not in optional
        )
        simple = all(column.index == place for place, column in enumerate(columns))
        fixed = tuple((it.index, it.length) for it in columns if it.length is not None)
        return cls(columns, tuple(it.type for it in columns) if simple else None, fixed)

    def sound(self, row: tuple[Any, ...]) -> bool:
        if self._types is None:
            return all(column.wrong(row) is None for column in self.columns)
        types = tuple(map(type, row))
        if types != self._types and types[: len(self._types)] != self._types:
            return False
        return not self._lengths or all(len(row[at]) == length for at, length in self._lengths)

    def damage(self, row: tuple[Any, ...], parameters: tuple[Any, ...]) -> str:
        """What is wrong with a row that is not sound: which table, which row, which column."""
        for column in self.columns:
            wrong = column.wrong(row)
            if wrong is not None:
                place = self._place(row, column.table, parameters)
                return f"{place}: its {column.name} {wrong}"
        return "a row is not as it must be"

    def _place(self, row: tuple[Any, ...], table: str, parameters: tuple[Any, ...]) -> str:
        for column in self.columns:
            if (column.table, column.name) == (table, "id"):
                return f"row {row[column.index]} of table {table}"
        asked = ", ".join(
            value.hex() if isinstance(value, bytes) else str(value) for value in parameters
        )
        return f"a row of table {table}" + (f", looked for by {asked}" if asked else "")


@cache
def shapes() -> dict[str, Shape]:
    """Of every named statement that returns rows of our tables."""
    found: dict[str, Shape] = {}
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(schema())
        for name, text in statements().items():
            if text.startswith("SELECT"):
                description = _description(connection, text)
                if description is not None:
                    found[name] = Shape.of(description, text)
    finally:
        connection.close()
    return found


def _description(
    connection: apsw.Connection, text: str
) -> tuple[tuple[str | None, ...], ...] | None:
    try:
        info = apsw.ext.query_info(connection, text)
    except apsw.SQLError:
        return None  # of a private table of its own
    return info.description_full


@cache
def fixed_lengths() -> dict[str, int]:
    return {name: int(length) for name, length in _LENGTH.findall(schema())}
