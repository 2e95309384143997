"""Creating a volume file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import apsw

from sqlfs.errors import AlreadyExists, NotFound, NotPermitted, StoreError
from sqlfs.limits import PAGE_BYTES_DEFAULT
from sqlfs.store import ownership
from sqlfs.store.connection import from_os_error
from sqlfs.store.digest import digest_of
from sqlfs.store.header import APPLICATION_ID, FORMAT_VERSION
from sqlfs.store.io import DataSyncer
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from sqlfs.store.statements import schema, statements

RESERVED_KINDS = ("node", "edge", "volume", "mount", "reclaim", "delta")


def create_file(path: Path, *, page_size: int = PAGE_BYTES_DEFAULT) -> None:
    """Make an empty volume file at `path`, whole or not at all.  Raises AlreadyExists."""
    temporary = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        _write_new(temporary, page_size)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise AlreadyExists(f"{path} exists already") from None
        finally:
            temporary.unlink()
        DataSyncer().sync_folder(path.parent)
    except OSError as error:
        raise from_os_error(error, f"can't create {path}") from error
    except apsw.Error as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, apsw.CantOpenError):
            raise _cannot_create(path) from error
        raise StoreError(f"can't create {path}: {error}") from error


def _write_new(path: Path, page_size: int) -> None:
    named = statements()
    # Created with the user's umask less group and other: it may become an encrypted volume.
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    identity = ownership.identity(fd)
    os.close(fd)
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("page_size", page_size)
        connection.pragma("auto_vacuum", "INCREMENTAL")
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", FORMAT_VERSION)
        with connection:
            connection.execute(schema())
            connection.execute(named["lineage_insert"], (bytes(RECORD_BYTES),))
            for kind in RESERVED_KINDS:
                connection.execute(named["reservation_insert"], (kind, 1))
            record = Lineage.first(identity, digest_of(connection)).encode()
            connection.execute(named["lineage_set"], (record,))
        (root,) = connection.execute(named["lineage_root_page"]).fetchall()[0]
        assert root == LINEAGE_PAGE
        connection.pragma("journal_mode", "WAL")
    finally:
        connection.close()


def _cannot_create(path: Path) -> OSError:
    if not path.parent.is_dir():
        return NotFound(f"can't create {path}: {path.parent} is not a directory")
    if not os.access(path.parent, os.W_OK):
        return NotPermitted(f"can't create {path}: permission denied")
    return StoreError(f"can't create {path}")
