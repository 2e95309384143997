"""A volume file written anew, without free pages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from sqlfs.store.connection import translated
from sqlfs.store.digest import Progress
from sqlfs.store.statements import statements

# Of SQLite's machine, between two looks: some hundred rows, or 10 MiB.
_STEPS: Final = 300


def compact_into(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Write all that is in the closed file `source` to the empty file `target`, page after page
    full; not durable.  `progress` is called with the bytes written, and those of the source, which
    are more.  Raises Corrupt, NoSpace, InputOutput."""
    total = source.stat().st_size

    def step() -> bool:
        # Python's own, too: so that a signal ends it.
        if progress is not None:
            progress(min(target.stat().st_size, total), total)
        return False

    connection = apsw.Connection(
        source.as_uri() + "?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    connection.set_progress_handler(step, _STEPS)
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
