"""What a repair does to tables as a whole, inside its transaction."""

from __future__ import annotations

from typing import Final

import apsw

from sqlfs.store.connection import translated
from sqlfs.store.creation import RESERVED_KINDS
from sqlfs.store.database import Database
from sqlfs.store.digest import digest_of
from sqlfs.store.ids import first_safe
from sqlfs.store.statements import schema, statements

# Tables with an index that is to be unique, and what removes all but one of each.
_DOUBLES: Final = {"edge": "edge_doubles", "chunk": "chunk_doubles"}


def rebuild_indices(database: Database, table: str) -> int:
    """Make the indices of a table anew from its rows.  How many rows had to go, because one index
    allows them once and the table had them twice.  Raises Corrupt."""
    indices = _indices(table)
    try:
        with database.writing():
            for name in indices:
                database.connection.execute(f"DROP INDEX {name}")
            before = database.connection.total_changes()
            if table in _DOUBLES:
                database.connection.execute(statements()[_DOUBLES[table]])
            doubles = database.connection.total_changes() - before
            for text in indices.values():
                database.connection.execute(text)
            database.connection.execute(f"REINDEX {table}")
    except apsw.Error as error:
        raise translated(error, database.path) from error
    return doubles


def _indices(table: str) -> dict[str, str]:
    """By name, the statements of the schema that make a table's indices."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(schema())
        rows = connection.execute(statements()["schema_all"]).fetchall()
    finally:
        connection.close()
    return {
        str(name): str(text)
        for kind, name, of, text in rows
        if kind == "index" and of == table and text
    }


def renew_digest(database: Database) -> bool:
    """Add up all rows anew; whether that is another sum than was kept, because something else
    changed rows.  Raises Corrupt."""
    with database.lock:
        kept = database.digest.encode()
        try:
            database.digest.set(digest_of(database.connection))
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translated(error, database.path) from error
        return database.digest.encode() != kept


def mend_reservations(database: Database) -> list[str]:
    """Write what the reservations must be at least; the kinds whose ids were not reserved."""
    mended = []
    for kind in RESERVED_KINDS:
        rows = database.raw_rows("reservation_get", kind)
        first = first_safe(database, kind)
        if rows != [(first,)]:
            with database.writing():
                database.write("reservation_set", kind, first)
            mended.append(kind)
    return mended
