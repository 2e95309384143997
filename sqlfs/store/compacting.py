"""A volume file written anew, without free pages."""

from __future__ import annotations

from pathlib import Path

import apsw

from sqlfs.store.connection import translated
from sqlfs.store.statements import statements


def compact_into(source: Path, target: Path) -> None:
    """Write all that is in the closed file `source` to the empty file `target`, page after page
    full; not durable.  Raises Corrupt, NoSpace, InputOutput."""
    connection = apsw.Connection(
        source.as_uri() + "?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    try:
        connection.execute(statements()["compact_into"], (str(target),))
    except apsw.Error as error:
        raise translated(error, target) from error
    finally:
        connection.close()
    written = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        written.pragma("journal_mode", "WAL")
    except apsw.Error as error:
        raise translated(error, target) from error
    finally:
        written.close()
