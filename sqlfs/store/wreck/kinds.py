"""By its values alone, which table or index a row is of.

A row's signature has a letter for each value.  Some tables have the same one; then a row may be of
any of them, and its seal will tell.  Signatures are taken from the schema, so they stand there
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import apsw

from sqlfs.store.shapes import fixed_lengths
from sqlfs.store.statements import schema
from sqlfs.store.wreck.cells import RecordHead, size_of

_LETTERS: Final = {"INTEGER": "i", "TEXT": "t", "BLOB": "b"}
_ROWID: Final = "n"  # what stands for the rowid in a record is NULL

# Tables with rowids, tables without, and indices that tell what a lost page of a table did.
_TABLES: Final = ("volume", "counter", "node", "edge", "atime", "chunk", "chunk_data", "delta")
_WITHOUT_ROWID: Final = ("key_slot", "xattr")
_INDICES: Final = (("chunk", "chunk_by_digest"), ("volume", "sqlite_autoindex_volume_1"))


@dataclass(frozen=True, slots=True)
class Kind:
    """Of rows: the table or index, and which of its values are blobs of a fixed length."""

    name: str
    lengths: tuple[tuple[int, int], ...]

    def fits(self, head: RecordHead) -> bool:
        return all(size_of(head.types[index]) == length for index, length in self.lengths)


def signature(head: RecordHead) -> str:
    return "".join(map(_letter, head.types))


def _letter(type_: int) -> str:
    if type_ == 0:
        return _ROWID
    if type_ < 12:
        return "i"
    return "t" if type_ % 2 else "b"


@cache
def kinds() -> dict[tuple[bool, str], tuple[Kind, ...]]:
    """By whether the page is of a table with rowids, and by signature: what a row may be."""
    found: dict[tuple[bool, str], tuple[Kind, ...]] = {}
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(schema())
        described = [
            *((name, True, _of_table(connection, name)) for name in _TABLES),
            *((name, False, _of_table(connection, name)) for name in _WITHOUT_ROWID),
            *((name, False, _of_index(connection, table, name)) for table, name in _INDICES),
        ]
    finally:
        connection.close()
    for name, has_rowid, columns in described:
        letters = "".join(letter for letter, _ in columns)
        lengths = tuple(
            (index, length) for index, (_, length) in enumerate(columns) if length is not None
        )
        key = has_rowid, letters
        found[key] = (*found.get(key, ()), Kind(name, lengths))
    return found


_Columns = list[tuple[str, int | None]]


def _of_table(connection: apsw.Connection, table: str) -> _Columns:
    columns: _Columns = []
    has_rowid = table in _TABLES
    for _, name, type_, _, _, key in connection.execute(f"PRAGMA table_info({table})"):
        is_rowid = has_rowid and key == 1
        columns.append((_ROWID if is_rowid else _LETTERS[str(type_)], _length(str(name), type_)))
    return columns


def _of_index(connection: apsw.Connection, table: str, index: str) -> _Columns:
    types = {
        name: str(type_) for _, name, type_, *_ in connection.execute(f"PRAGMA table_info({table})")
    }
    columns: _Columns = []
    for _, _, name in connection.execute(f"PRAGMA index_info({index})"):
        columns.append((_LETTERS[types[name]], _length(str(name), types[name])))
    return [*columns, ("i", None)]  # the rowid


def _length(name: str, type_: object) -> int | None:
    return fixed_lengths().get(name) if type_ == "BLOB" else None
