"""What SQLite says of its own structure, and the queries that a sound file answers with no row."""

from __future__ import annotations

from typing import Any, Final

import apsw

from sqlfs.store.connection import translated
from sqlfs.store.database import Database

# Walking the pages of chunk data is reading all content; whoever reads each chunk does that.
LARGE_TABLE: Final = "chunk_data"

_TOLD_MAX: Final = 100


def structure_findings(database: Database, table: str | None = None) -> list[str]:
    """What SQLite finds wrong with a table and its indices, or with the whole file; empty when it
    is sound.  Others wait meanwhile: a second for a million rows."""
    what = f"'{table}', {_TOLD_MAX}" if table else str(_TOLD_MAX)
    with database.lock:
        try:
            rows = database.connection.execute(f"PRAGMA integrity_check({what})").fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            return [" ".join(str(error).split())]
    found = [" ".join(str(row[0]).split()) for row in rows]
    return [] if found == ["ok"] else found


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
