"""Opening a volume file: what state it is in, and how it is opened in that.

Order matters: SQLite opens the file (reading nothing but its page size), we lock its
descriptor, look at header, lineage and log with our own eyes, and only then let SQLite read:
it would apply whatever valid log lies beside the file.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw

from sqlfs.errors import (
    Corrupt,
    DamagedLog,
    Invalid,
    NotAVolumeFile,
    NotPermitted,
    ReadOnly,
    StoreError,
    UnsupportedFormat,
)
from sqlfs.store import ownership
from sqlfs.store.aside import copy_aside, set_aside
from sqlfs.store.connection import configure, from_os_error
from sqlfs.store.database import Database
from sqlfs.store.decision import Found, Plan, damaged_log, decide
from sqlfs.store.digest import Progress
from sqlfs.store.free_pages import free_pages_are_sound
from sqlfs.store.header import (
    FORMAT_VERSION,
    Header,
    check_complete,
    read_header,
    read_lineage,
)
from sqlfs.store.io import Syncer
from sqlfs.store.lineage import Lineage
from sqlfs.store.log import holds_transaction, read_log
from sqlfs.store.statements import schema, statements
from sqlfs.store.verify import require_usable, torn_notice, verify

KNOWN_FEATURES: frozenset[str] = frozenset()


@dataclass(slots=True)
class Opened:
    """A database and what to tell the user about how it was found."""

    database: Database
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    read_only: bool
    writable: bool
    accept_state: bool
    vfs: str | None
    syncer: Syncer | None
    progress: Progress | None
    log_ends_early: bool = False  # as was seen before


class _LogEndsEarlyError(Exception):
    """The file holds more of its log than SQLite finds in it: together they are of no one state."""


def open_file(
    path: Path,
    *,
    read_only: bool = False,
    accept_state: bool = False,
    vfs: str | None = None,
    syncer: Syncer | None = None,
    progress: Progress | None = None,
) -> Opened:
    """Open the volume file at `path` and become its owner.

    A copy is verified first, which `progress` follows; one that is torn is opened for reading only,
    whatever was asked for, unless `accept_state` says to go on from what it holds.
    Raises InUse when another process is, NotFound, NotAVolumeFile, UnsupportedFormat, Corrupt,
    ReadOnly, and MissingLog or DamagedLog when the file's log is missing or damaged and
    `accept_state` is false and writing was asked for.
    """
    path = Path(os.path.realpath(path))
    writable = os.access(path, os.W_OK)
    wanted = _Wanted(read_only, writable, accept_state, vfs, syncer, progress)
    try:
        return _open(path, wanted)
    except _LogEndsEarlyError:
        return _open(path, replace(wanted, log_ends_early=True))


def _open(path: Path, wanted: _Wanted) -> Opened:
    status = _status(path)
    if status.st_nlink > 1 and not wanted.read_only:
        raise Invalid(
            f"{path} has {status.st_nlink} names (hard links), and its log would be found under"
            " one of them only; remove the other names, or open it read-only"
        )
    before = ownership.open_descriptors(status)
    if before:
        raise StoreError(f"{path} is already open in this process")
    if not wanted.writable and not wanted.read_only:
        raise ReadOnly(f"{path} can't be written; open it read-only (-o ro)")
    ownership.check_openable(path)
    try:
        connection = _connect(path, wanted.writable, immutable=False, vfs=wanted.vfs)
    except apsw.Error as error:
        raise StoreError(f"can't open {path}: {error}") from error
    try:
        fd = ownership.new_descriptor(path, before)
        ownership.take(fd, path, shared=not wanted.writable)
        return Opened(*_open_locked(connection, path, fd, wanted))
    except BaseException:
        connection.close()
        raise


def _open_locked(
    connection: apsw.Connection, path: Path, fd: int, wanted: _Wanted
) -> tuple[Database, list[str]]:
    header = read_header(fd, path)
    lineage = read_lineage(fd, path, header)
    if path.with_name(path.name + "-journal").exists():
        raise Corrupt(
            f"a rollback journal lies beside {path}; sqlfs never writes one, and SQLite would"
            f" apply it: move {path.name}-journal away"
        )
    log = read_log(path, header.page_size, lineage)
    if (
        not log.belongs_to(lineage)
        and log.present
        and not holds_transaction(path, header.page_size)
    ):
        log.forget()
    found = Found(path, lineage, ownership.identity(fd), log, wanted.log_ends_early)
    if not found.log_applies:
        check_complete(fd, path, header)
    plan = decide(
        found,
        read_only=wanted.read_only,
        writable=wanted.writable,
        accept_state=wanted.accept_state,
    )
    torn = None
    if not found.log_applies and (found.is_copy or found.log_ends_early):
        lineage, torn = _verify_as_it_is(found, fd, header, wanted)
        if torn is not None:
            plan = Plan(immutable=True, set_aside=False, notice=torn)
    notices = [plan.notice] if plan.notice else []
    if plan.set_aside:
        notices.append(set_aside(path, damaged=found.log_ends_early))
    if plan.immutable:
        connection.close()
        return _open_immutable(path, lineage, torn, wanted), notices
    current, torn, frames = _apply_log(connection, found, lineage, wanted, notices)
    database = Database(
        connection, path, fd, current,
        base=lineage, marked=lineage.marked and not found.is_copy, torn=torn,
        read_only=wanted.read_only or torn is not None, log_frames=frames,
        syncer=wanted.syncer,
    )  # fmt: skip
    notices += _reserve(database)
    return database, notices


def _apply_log(
    connection: apsw.Connection,
    found: Found,
    in_file: Lineage,
    wanted: _Wanted,
    notices: list[str],
) -> tuple[Lineage, str | None, int]:
    """Let SQLite read file and log; returns the record of the state that they are in, how it is
    torn, if it is, and the frames of the log.  What the user is to know is added to `notices`.

    Raises DamagedLog."""
    path = found.path
    try:
        configure(connection)
    except apsw.Error as error:
        raise _unreadable(path, error) from error
    _check_content(connection, path)
    current, torn = _current(connection, path, in_file), None
    frames = _frames(connection, path)
    reached = found.log.reaches(frames, in_file)
    lacks = found.log_applies and reached < found.durable
    if lacks:
        if reached < in_file.generation:
            raise _LogEndsEarlyError
        notices.append(_damaged(found, current, wanted))
    if found.log_applies and (lacks or current.identity != found.identity):
        current, torn = _verify(connection, found, current, wanted)
        notices += [torn] if torn is not None else []
    if lacks:
        # What comes next must not be taken for what was lost.
        current = current._replace(generation=found.durable)
    return current, torn, frames


def _frames(connection: apsw.Connection, path: Path) -> int:
    """How many SQLite found in the log."""
    try:
        frames, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    except apsw.Error as error:
        raise _unreadable(path, error) from error
    return max(frames, 0)


def _damaged(found: Found, current: Lineage, wanted: _Wanted) -> str:
    if wanted.read_only:
        return damaged_log(found, current)
    if not wanted.accept_state:
        raise DamagedLog(damaged_log(found, current))
    return copy_aside(found.path)


def _reserve(database: Database) -> list[str]:
    """Without room to delete in, nothing may be written either: it could not be got rid of."""
    if database.read_only or database.room.reserve():
        return []
    database.read_only = True
    return [
        f"{database.path} is open for reading only: its file system is too full to change anything"
        f" ({database.room.log_reserve >> 20} MiB are needed); free some room and open it again"
    ]


def _open_immutable(path: Path, lineage: Lineage, torn: str | None, wanted: _Wanted) -> Database:
    """Read the file as it is: no log, no lock of SQLite's, not a byte written."""
    connection = _connect(path, writable=False, immutable=True, vfs=wanted.vfs)
    try:
        fd = ownership.new_descriptor(path, set())
        ownership.take(fd, path, shared=True)
        _check_content(connection, path)
        return Database(connection, path, fd, lineage, base=lineage, torn=torn, read_only=True)
    except BaseException:
        connection.close()
        raise


def _verify_as_it_is(
    found: Found, fd: int, header: Header, wanted: _Wanted
) -> tuple[Lineage, str | None]:
    """As :func:`_verify`, before the file's own connection has read anything: a torn copy must not
    be changed by a byte."""
    connection = _connect(found.path, writable=False, immutable=True, vfs=wanted.vfs)
    try:
        _check_content(connection, found.path)
        sound = free_pages_are_sound(fd, header)
        return _verify(connection, found, found.lineage, wanted, free_pages_sound=sound)
    finally:
        connection.close()


def _verify(
    connection: apsw.Connection,
    found: Found,
    lineage: Lineage,
    wanted: _Wanted,
    *,
    free_pages_sound: bool = True,
) -> tuple[Lineage, str | None]:
    """The record with which to go on, which is `lineage` if all is of its moment; and how the file
    is torn, if it is."""
    path = found.path
    verdict = verify(connection, path, lineage, wanted.progress)
    if verdict.whole and free_pages_sound:
        return lineage, None
    if wanted.accept_state:
        require_usable(connection, path)
        return lineage._replace(digest=verdict.digest), None
    return lineage, torn_notice(path, lineage, is_copy=lineage.identity != found.identity)


def _check_content(connection: apsw.Connection, path: Path) -> None:
    try:
        _check_schema(connection, path)
        _check_features(connection, path)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _current(connection: apsw.Connection, path: Path, in_file: Lineage) -> Lineage:
    """The record as the log has it; `in_file` itself if that is the one."""
    try:
        ((record,),) = connection.execute(statements()["lineage_get"]).fetchall()
    except (apsw.Error, ValueError) as error:
        raise _unreadable(path, error) from error
    current = Lineage.decode(record) if isinstance(record, bytes) else None
    if current is None:
        raise Corrupt(f"{path} is damaged: its lineage record is not sound")
    return in_file if current.id == in_file.id else current


def _unreadable(path: Path, error: Exception) -> StoreError:
    if isinstance(error, apsw.BusyError):
        return StoreError(
            f"{path} is open in a program that is not sqlfs (the sqlite3 shell?); close it there",
            errno_=errno.EBUSY,
        )
    if isinstance(error, apsw.CorruptError | apsw.NotADBError | ValueError):
        return Corrupt(f"{path} is damaged: SQLite says: {error}")
    return StoreError(f"can't read {path}: {error}")


def _connect(path: Path, writable: bool, *, immutable: bool, vfs: str | None) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_URI
    flags |= apsw.SQLITE_OPEN_READWRITE if writable else apsw.SQLITE_OPEN_READONLY
    name = path.as_uri() + ("?immutable=1" if immutable else "")
    return apsw.Connection(name, flags=flags, vfs=vfs, statementcachesize=256)


def _check_schema(connection: apsw.Connection, path: Path) -> None:
    """Nothing but our own tables and indices: a trigger or a view would run unseen."""
    expected = apsw.Connection(":memory:")
    try:
        expected.execute(schema())
        query = statements()["schema_all"]
        if connection.execute(query).fetchall() != expected.execute(query).fetchall():
            raise Corrupt(f"{path} is damaged: its schema is not that of format {FORMAT_VERSION}")
    finally:
        expected.close()


def _check_features(connection: apsw.Connection, path: Path) -> None:
    for name, required in connection.execute(statements()["feature_all"]).fetchall():
        if required and name not in KNOWN_FEATURES:
            raise UnsupportedFormat(
                f"{path} needs the feature {name!r}, which this sqlfs lacks; install a newer sqlfs"
            )


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        raise from_os_error(error, f"can't open {path}") from error
    if stat.S_ISDIR(status.st_mode):
        raise NotAVolumeFile(f"{path} is a directory, not a sqlfs volume file")
    if not stat.S_ISREG(status.st_mode):
        raise NotAVolumeFile(f"{path} is not a regular file")
    if not os.access(path, os.R_OK):
        raise NotPermitted(f"no permission to read {path}")
    return status
