"""What SQLite says of its own structure, and the queries that a sound file answers with no row."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import apsw

from sqlfs.store.connection import translated
from sqlfs.store.database import Database
from sqlfs.store.free_pages import free_pages_are_sound
from sqlfs.store.header import read_header
from sqlfs.store.statements import schema

# Walking the pages of chunk data is reading all content; whoever reads each chunk does that.
LARGE_TABLE: Final = "chunk_data"

_TOLD_MAX: Final = 100


@cache
def table_names() -> tuple[str, ...]:
    """The tables of the format."""
    return tuple(re.findall(r"^CREATE TABLE (\w+)", schema(), re.MULTILINE))


def structure_findings(database: Database, table: str | None = None) -> list[str]:
    """What SQLite finds wrong with a table and its indices, or with the whole file; empty when it
    is sound.  Others wait meanwhile: a second for a million rows."""
    what = f"'{table}'" if table else str(_TOLD_MAX)
    with database.lock:
        try:
            rows = database.connection.execute(f"PRAGMA integrity_check({what})").fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            return [" ".join(str(error).split())]
    found = [" ".join(str(row[0]).split()) for row in rows]
    return [] if found == ["ok"] else found


def free_list_findings(database: Database) -> list[str]:
    """What is wrong with the list of free pages, which no table's check looks at.  As long as a
    log is in use nothing is said: what it brings is not in the file."""
    with database.lock:
        if database.log_bytes:
            return []
        header = read_header(database.fd, database.path)
        if free_pages_are_sound(database.fd, header):
            return []
    return ["the list of free pages and the map of pages differ"]


def greatest_key(database: Database, table: str) -> int:
    """The greatest node or row id by which a table's rows are ordered; 0 where there is none."""
    ((found,),) = database.raw_rows("greatest_key", table)
    return found if isinstance(found, int) else 0


def violations(database: Database, query: str) -> list[dict[str, Any]]:
    """The rows of a query of ``sql/checks/``, by column name.  Raises Corrupt."""
    with database.lock:
        try:
            cursor = database.connection.execute(query)
            # The columns are known only while there is a row.
            return [
                {
                    column[0]: value
                    for column, value in zip(cursor.get_description(), row, strict=True)
                }
                for row in cursor
            ]
        except (apsw.Error, UnicodeDecodeError) as error:
            raise translated(error, database.path) from error
