"""Rows edited by whoever knows the format and SQLite, and not the key."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

RowDamage = Callable[[random.Random, apsw.Connection], str]
TABLES: Final = (
    "lineage", "feature", "reservation", "volume", "counter", "key_slot", "node", "edge", "xattr",
    "atime", "orphan", "chunk", "chunk_data", "reclaim", "delta", "mount",
)  # fmt: skip
_NUMBERS: Final = (
    0, 1, -1, 2, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32, 2**40 - 1, 2**40, 2**62, 2**63 - 1,
    -(2**63),
)  # fmt: skip
_LARGE: Final = 3 << 20


@contextmanager
def editing(path: Path, *, loose: bool) -> Iterator[apsw.Connection]:
    """The file in SQLite's hands; `loose`, with tables that take values of any type."""
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("synchronous", "OFF")
        connection.pragma("ignore_check_constraints", True)
        before = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
        if loose:
            connection.pragma("writable_schema", True)
            for old, new in ((") STRICT", ")"), (" NOT NULL", "")):
                connection.execute(
                    "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table'",
                    (old, new),
                )
            connection.pragma("writable_schema", "RESET")
        with connection:
            yield connection
        if loose:
            connection.pragma("writable_schema", True)
            for name, sql in before:
                connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))
    finally:
        connection.close()


def swap_values(chance: random.Random, connection: apsw.Connection) -> str:
    """The values of a column, sealed blobs and references too, between two rows."""
    table, columns, rows = _table(chance, connection, 2)
    one, other = chance.sample(range(len(rows)), 2)
    column = chance.choice(columns)
    at = columns.index(column)
    _set(connection, table, columns, rows[one], column, rows[other][at])
    _set(connection, table, columns, rows[other], column, rows[one][at])
    return f"{column} of {table} swapped between {_named(rows[one])} and {_named(rows[other])}"


def copy_value(chance: random.Random, connection: apsw.Connection) -> str:
    table, columns, rows = _table(chance, connection, 2)
    one, other = chance.sample(range(len(rows)), 2)
    column = chance.choice(columns)
    _set(connection, table, columns, rows[one], column, rows[other][columns.index(column)])
    return f"{column} of {table} copied from {_named(rows[other])} to {_named(rows[one])}"


def absurd_value(chance: random.Random, connection: apsw.Connection) -> str:
    table, columns, rows = _table(chance, connection, 1)
    row, column = chance.choice(rows), chance.choice(columns)
    value = _absurd(chance, row[columns.index(column)])
    _set(connection, table, columns, row, column, value)
    return f"{column} of {table} {_named(row)} is {_short(value)}"


def wrong_type(chance: random.Random, connection: apsw.Connection) -> str:
    table, columns, rows = _table(chance, connection, 1)
    row, column = chance.choice(rows), chance.choice(columns)
    value = chance.choice(
        (None, 1.5, float("inf"), "text", "7", b"", b"blob", bytes(40), 2**63 - 1, -1)
    )
    _set(connection, table, columns, row, column, value)
    return f"{column} of {table} {_named(row)} is {value!r}"


def delete_row(chance: random.Random, connection: apsw.Connection) -> str:
    table, columns, rows = _table(chance, connection, 1)
    row = chance.choice(rows)
    connection.execute(f"DELETE FROM {table} WHERE {_where(columns, row)}", row)
    return f"{table} {_named(row)} deleted"


def double_row(chance: random.Random, connection: apsw.Connection) -> str:
    """A row again, under another key."""
    table, columns, rows = _table(chance, connection, 1)
    row = list(chance.choice(rows))
    for at in range(chance.choice((1, 2, len(columns)))):
        row[at % len(row)] = _absurd(chance, row[at % len(row)])
    places = ", ".join("?" * len(columns))
    connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", row)
    return f"{table} {_named(tuple(row))} added"


def costly_slot(chance: random.Random, connection: apsw.Connection) -> str:
    """A key slot that would cost hours, or all memory."""
    column = chance.choice(("memory_kib", "passes", "lanes"))
    value = chance.choice((0, -1, 2**20, 2**20 + 1, 2**24, 2**31, 2**32 + 64, 2**62))
    if connection.execute("SELECT count(*) FROM key_slot").fetchall() == [(0,)]:
        return absurd_value(chance, connection)
    connection.execute(f"UPDATE key_slot SET {column} = ?", (value,))
    return f"{column} of the key slot is {value}"


def features(chance: random.Random, connection: apsw.Connection) -> str:
    name = chance.choice(("", "time travel", "x" * 100_000, "nul\0", "line\nbreak", "\x1b[2J"))
    required = chance.choice((0, 1, 1, -5))
    connection.execute("INSERT INTO feature VALUES (?, ?)", (name, required))
    return f"feature {name[:20]!r}, required {required}"


def another_schema(chance: random.Random, connection: apsw.Connection) -> str:
    """Tables, triggers and views that are none of ours, or some of ours gone."""
    statement = chance.choice((
        "CREATE TRIGGER more AFTER INSERT ON node BEGIN DELETE FROM edge; END",
        "CREATE TRIGGER more AFTER UPDATE ON node BEGIN INSERT INTO orphan VALUES (1); END",
        "CREATE VIEW more AS SELECT * FROM node", "CREATE TABLE more (a)",
        "DROP INDEX edge_by_name", "DROP INDEX chunk_by_digest", "DROP TABLE orphan",
        "DROP TABLE volume", "ALTER TABLE node RENAME COLUMN sealed TO opened",
        "ALTER TABLE edge ADD COLUMN more", "CREATE INDEX more ON node (since)",
        "DROP TABLE atime; CREATE VIEW atime AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
        " SELECT i FROM n) SELECT i AS node, 0 AS generation, x'' AS sealed FROM n",
    ))  # fmt: skip
    connection.execute(statement)
    return statement[:60]


STRICT: Final[tuple[RowDamage, ...]] = (swap_values, copy_value, absurd_value, delete_row,
    double_row, costly_slot, features, another_schema)  # fmt: skip
LOOSE: Final[tuple[RowDamage, ...]] = (wrong_type,)


Row = tuple[Any, ...]


def _table(
    chance: random.Random, connection: apsw.Connection, at_least: int
) -> tuple[str, list[str], list[Row]]:
    """A table that has so many rows, its columns, its rows."""
    kinds = dict(connection.execute("SELECT name, type FROM sqlite_schema").fetchall())
    for table in chance.sample(TABLES, len(TABLES)):
        if kinds.get(table) != "table":
            continue  # another damage made a view of it, perhaps one without end
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        if len(rows) >= at_least:
            described = connection.execute(f"PRAGMA table_info({table})").fetchall()
            return table, [str(column[1]) for column in described], rows
    raise AssertionError("no table has rows")


def _set(
    connection: apsw.Connection, table: str, columns: list[str], row: Row, column: str, value: Any
) -> None:
    where = _where(columns, row)
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value, *row))


def _where(columns: list[str], row: Row) -> str:
    assert len(columns) == len(row)
    return " AND ".join(f"{column} IS ?" for column in columns)


def _absurd(chance: random.Random, value: object) -> object:
    if isinstance(value, int):
        return chance.choice((*_NUMBERS, value + 1, value - 1 if value > -(2**63) else 0))
    if isinstance(value, str):
        return chance.choice(("", "..", "\0", "main", value * 2, "x" * 70_000, "a/b\n"))
    assert isinstance(value, bytes)
    return chance.choice((
        b"", value[:-1], value[: len(value) // 2], value + b"\0", value * 2, bytes(len(value)),
        chance.randbytes(len(value)), bytes(_LARGE),
    ))  # fmt: skip


def _named(row: Row) -> str:
    return _short(row[0])


def _short(value: object) -> str:
    return repr(value) if len(repr(value)) < 40 else f"{repr(value)[:36]}..."
