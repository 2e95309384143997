"""How every connection is set up, and what its errors mean."""

from __future__ import annotations

from pathlib import Path

import apsw

from sqlfs.errors import (
    AlreadyExists,
    Corrupt,
    InputOutput,
    NoSpace,
    NotFound,
    NotPermitted,
    ReadOnly,
    SqlfsError,
    StoreError,
)
from sqlfs.limits import PAGE_CACHE_BYTES


def configure(connection: apsw.Connection) -> None:
    """Settings of every connection, before its first statement."""
    # A connection that just ends must leave the log: only close() brings the file up to date.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.pragma("locking_mode", "EXCLUSIVE")
    connection.pragma("cache_size", -PAGE_CACHE_BYTES // 1024)
    connection.pragma("wal_autocheckpoint", 0)
    connection.pragma("synchronous", "NORMAL")
    connection.pragma("temp_store", "MEMORY")
    connection.pragma("trusted_schema", False)
    connection.pragma("cell_size_check", True)


def translated(error: Exception, path: Path) -> SqlfsError:
    """SQLite's error about the file at `path`, as one of ours; or what came of a value that none
    of ours could have been."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | ValueError | ArithmeticError):
        return Corrupt(f"{path} is damaged: SQLite says: {error}")
    if isinstance(error, apsw.FullError):
        return NoSpace(f"no room left for {path} on its file system")
    if isinstance(error, apsw.ReadOnlyError):
        return ReadOnly(f"{path} can't be written: {error}")
    return InputOutput(f"{path}: {error}")


def from_os_error(error: OSError, doing: str) -> OSError:
    """What the system says of a file, as one of ours; errors that are ours stay as they are."""
    if isinstance(error, StoreError | AlreadyExists):
        return error
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{doing}: no such file or directory")
    if isinstance(error, PermissionError):
        return NotPermitted(f"{doing}: permission denied")
    return StoreError(f"{doing}: {error.strerror}", errno_=error.errno)
