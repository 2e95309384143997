"""Changing a closed volume file behind its back, with nothing but SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tamper(path: Path, *statements: str, **parameters: object) -> None:
    """Run statements that each change something."""
    connection = sqlite3.connect(path)
    try:
        for statement in statements:
            assert connection.execute(statement, parameters).rowcount, statement
        connection.commit()
    finally:
        connection.close()


def stored(path: Path, query: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of a query, by the names of their columns."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(query, parameters)]
    finally:
        connection.close()


def flip(path: Path, table: str, key: str, value: object) -> None:
    """Flip a bit of what is sealed in the row whose column `key` has that value."""
    (row,) = stored(path, f"SELECT sealed FROM {table} WHERE {key} = :value", value=value)
    sealed = row["sealed"][:-1] + bytes([row["sealed"][-1] ^ 1])
    tamper(path, f"UPDATE {table} SET sealed = :s WHERE {key} = :value", s=sealed, value=value)


def spoil(path: Path, *statements: str) -> None:
    """Write what the tables are declared never to hold, as a bit that flips in the header of a
    record would: the tables are, meanwhile, declared otherwise."""
    strict = "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE type = 'table'"
    connection = sqlite3.connect(path, isolation_level=None)
    before = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
    try:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for loosen in (
            strict,
            "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'",
        ):
            connection.execute(loosen)
        connection.execute("PRAGMA writable_schema = RESET")
        for statement in statements:
            assert connection.execute(statement).rowcount, statement
        connection.execute("PRAGMA writable_schema = ON")
        for name, sql in before:
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))
    finally:
        connection.close()


def put_back(path: Path, table: str, row: Mapping[str, object]) -> None:
    """Insert a row that was read by :func:`stored`."""
    places = ", ".join(f":{column}" for column in row)
    tamper(path, f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", **row)


def thin_out(path: Path, index: str) -> None:
    """Have an index lack its first row, and say otherwise."""
    (schema,) = stored(path, "SELECT sql FROM sqlite_schema WHERE name = :name", name=index)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"DROP INDEX {index}")
        connection.execute(f"{schema['sql']} WHERE id > 1")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = ? WHERE name = ?", (schema["sql"], index)
        )
    finally:
        connection.close()
