"""The one connection to a volume file: statements, transactions, commits, checkpoints.

What may interleave
-------------------
``lock`` guards the connection and everything above it that belongs to an open transaction.
It is reentrant; whoever holds it sees no other thread's change.  Syncs run outside it, so
that nobody's read waits for a disk:

- :meth:`sync` makes the log durable up to the last commit;
- a checkpoint copies the log into the file under the lock, without syncing, then syncs the
  file outside the lock.  Until that sync is done no transaction may begin, for its first
  write would overwrite the log: :meth:`writing` waits on ``_settled``.

`synchronous` is OFF while a checkpoint copies (its syncs are ours) and NORMAL otherwise:
SQLite itself then syncs the header of a log that it begins anew, without which an out-of-order
write could revive part of the old one.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import apsw

from sqlfs.errors import ConnectionLost, InputOutput, NoSpace, ReadOnly, SqlfsError
from sqlfs.store import ownership
from sqlfs.store.changes import Changes
from sqlfs.store.connection import translated
from sqlfs.store.digest import RowDigest
from sqlfs.store.image import Images
from sqlfs.store.io import Syncer
from sqlfs.store.lineage import Lineage
from sqlfs.store.log_sync import LogSync
from sqlfs.store.place import Place
from sqlfs.store.room import Room
from sqlfs.store.writing import Writing

log = logging.getLogger("sqlfs")


class Database(Changes):
    """An opened volume file.  Made by ``sqlfs.store.opening``."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        fd: int,
        lineage: Lineage,
        *,
        base: Lineage,
        marked: bool = False,
        torn: str | None = None,
        read_only: bool,
        log_frames: int = 0,
        syncer: Syncer | None = None,
    ) -> None:
        super().__init__(connection, path)
        self.fd = fd  # SQLite's own: never closed here
        self.read_only = read_only
        self.torn = torn  # how it is said that the file is a torn copy, if it is one
        self.lineage = lineage  # guarded by lock
        self._base = base.id  # of the state in the file itself; guarded by lock
        # Whether the file itself says that an owner has it open: then a lost log is noticed.
        self.marked = marked  # guarded by lock
        # A log that was found may not be durable: it counts as one commit to be synced.
        self.commits = 1 if log_frames else 0  # transactions; guarded by lock
        self.log_bytes = 0  # of the log that are in use; guarded by lock
        self.log_commits = 0  # of this owner in the log, but for what was copied; guarded by lock
        self.log_allocated = 0  # bytes that the log's file has at least; guarded by lock
        self.failure: str | None = None  # why writing has ended; guarded by lock
        self._failed_with: type[SqlfsError] = InputOutput
        # Run under lock: when a transaction has begun, and before each commit.
        self.on_begin: list[Callable[[], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self._writing = Writing(self.begin, self.lock.release)
        self._log_is_copied = False  # nothing is in it that the file lacks; guarded by lock
        self._settled = threading.Condition(self.lock)
        self._main_unsynced = False  # guarded by lock
        self.closed = False  # guarded by lock
        self.log_bytes = self.log_allocated = log_frames * self._page_size
        connection.set_wal_hook(self._count_log)
        self._identity = ownership.identity(fd)
        self.was_copy = lineage.identity != self._identity  # what was opened, of another file
        self.room = Room(self, connection, syncer)
        self._place = Place(path, fd, syncer)
        self.images = Images(self, self._place.log_descriptor)
        self._log_sync = LogSync(self, self._place, base, syncer)
        self._parted = False  # path and file came apart; guarded by lock
        self.digest = RowDigest(lineage.digest)  # of the open transaction; guarded by lock
        if not read_only:
            connection.preupdate_hook(self.digest.update)

    # --- transactions -------------------------------------------------------------------

    def writing(self) -> Writing:
        """Hold the lock with a transaction open; it stays open for others to join.

        Where none is open this may wait for a checkpoint, and give up the lock meanwhile: what
        was read before must be read again.
        """
        return self._writing

    def begin(self) -> None:
        """As :meth:`writing`, for who releases the lock himself."""
        self.lock.acquire()
        if not self._in_transaction:
            try:
                self._begin()
            except BaseException:
                self.lock.release()
                raise

    @property
    def dirty(self) -> bool:
        """Whether a transaction is open."""
        return self._in_transaction

    def settling(self) -> bool:
        """Whether :meth:`writing` would wait for a checkpoint's sync.  Never blocks."""
        return self._main_unsynced

    def wait_settled(self) -> None:
        with self.lock:
            while self._main_unsynced and not self.closed:
                self._settled.wait()

    def commit(self) -> int:
        """Commit what is open; returns the number of the last commit.  Not durable by itself."""
        return self._commit(self.lineage.marked)

    def _commit(self, marked: bool) -> int:
        with self.lock:
            if self.failure is not None:
                raise self.refusal()
            # Not within the hooks: waiting gives up the lock, and others would change what is
            # being written.
            while self._main_unsynced:
                self._settled.wait()
            for hook in self.on_commit:
                hook()
            if self._in_transaction:
                self.room.require()
                self._write_lineage(marked)
                try:
                    self._connection.execute(self._statements["commit"])
                except apsw.Error as error:
                    raise self._abandon(translated(error, self.path)) from error
                self._in_transaction = False
                self.commits += 1
            return self.commits

    def sync(self, upto: int | None = None) -> None:
        """Make the log durable up to commit `upto` (default: the last one)."""
        with self.lock:
            target = self.commits if upto is None else upto
        self._log_sync.up_to(target)
        self.check_place()

    def check_place(self) -> None:
        """End writing if the path has come to lead elsewhere: what was logged would not be found
        again.  Raises InputOutput then."""
        with self.lock:
            if self._parted and self.failure is not None:
                raise self.refusal()
            if self.read_only or self.failure is not None or self._parted or self.closed:
                return
            why = self._place.parted()
            if why is not None:
                self._parted = True
                raise self._abandon(InputOutput(why))

    def _begin(self) -> None:
        if self.read_only:
            raise ReadOnly(f"{self.path} is open for reading only")
        while self._main_unsynced:
            self._settled.wait()
        if self.failure is not None:
            raise self.refusal()
        if self._in_transaction:
            return  # another thread that waited was first
        try:
            self._connection.execute(self._statements["begin"])
        except apsw.Error as error:
            raise self._abandon(translated(error, self.path)) from error
        self._in_transaction = True
        self._log_is_copied = False
        self.room.begun()
        for hook in self.on_begin:
            hook()

    def _write_lineage(self, marked: bool) -> None:
        """Every transaction ends with a record of its own: what a cut leaves of a log says which
        state it is, and whose."""
        lineage = self.lineage.next(
            self._base, synced=self._log_sync.generation, marked=marked,
            identity=self._identity, digest=self.digest.encode(),
        )  # fmt: skip
        self.write("lineage_set", lineage.encode())
        self.lineage = lineage

    def require_open(self) -> None:
        if self.closed:
            raise ConnectionLost(f"{self.path} is closed")

    def refusal(self) -> SqlfsError:
        """What everybody is told once writing has ended."""
        error = self._failed_with(self.failure or f"{self.path} can't be written")
        error.told = True
        return error

    def broken(self, what: str, error: OSError) -> SqlfsError:
        """End writing, for the file system below failed."""
        return self._abandon(InputOutput(f"{self.path}: {what}: {error.strerror}"))

    def fail(self, why: str) -> None:
        """End writing for a reason that lies above."""
        with self.lock:
            self._abandon(InputOutput(why))

    def _abandon(self, error: SqlfsError) -> SqlfsError:
        """Give up the transaction: what was not committed is lost, and said to be."""
        if self.failure is None:
            self.failure = (
                f"{self.path}: writing has ended after an error ({error}); what was not"
                " yet durable is lost; close it and open it again"
            )
            if isinstance(error, NoSpace | ReadOnly):
                self._failed_with = type(error)
            log.error("%s", self.failure)
            error.told = True
        self._roll_back()
        return error

    def discard(self) -> None:
        """Take back what was not committed, so that the file is closed as it was: nothing above
        may be used any more."""
        with self.lock:
            self.on_commit.clear()
            self._roll_back()
            self.digest.set(self.lineage.digest)

    def _roll_back(self) -> None:
        if self._in_transaction:
            self._in_transaction = False
            if self._connection.in_transaction:
                self._connection.execute(self._statements["rollback"])

    # --- checkpoints ----------------------------------------------------------------------

    def checkpoint(self, *, mark: bool) -> None:
        """Copy the log into the file, with the open mark set or cleared; durable on return."""
        with self.lock:
            if self.read_only:
                return
            if self.failure is not None:
                raise self.refusal()
        # The log must be durable, and its last record say so, before the file changes.  Syncing
        # under the lock is the last resort, where others keep committing meanwhile.
        self.commit()
        self.sync()
        last = self._end_log(mark)
        self.sync()
        # Nearly all of what takes time, not under the lock yet.
        self.images.before_checkpoint()
        with self.lock:
            while self._main_unsynced:
                self._settled.wait()
            if self._in_transaction or self.commits != last:
                self._end_log(mark)
                self._log_sync.all()
            self._copy_log()
        try:
            self.syncing(self._place.sync_file)
        finally:
            with self.lock:
                self._main_unsynced = False
                self._settled.notify_all()

    def _end_log(self, mark: bool) -> int:
        with self.writing():
            if mark:
                self.room.keep_reserve()
            return self._commit(mark)

    def _copy_log(self) -> None:
        self.images.before_checkpoint()
        try:
            self._connection.pragma("synchronous", "OFF")
            try:
                frames, copied = self._connection.wal_checkpoint(
                    mode=apsw.SQLITE_CHECKPOINT_PASSIVE
                )
            finally:
                self._connection.pragma("synchronous", "NORMAL")
        except apsw.Error as error:
            raise translated(error, self.path) from error
        self.room.copied()
        if frames == copied:
            self._main_unsynced = True
            self._log_is_copied = True
            self._base = self.lineage.id
            self.marked = self.lineage.marked
            self.log_bytes = self.log_commits = 0

    def shrink_log(self) -> None:
        """Copy the log, and give back its room unless somebody writes meanwhile.

        The mark is taken off the file first: beside a marked one an empty log is a lost one.
        """
        self.checkpoint(mark=False)
        with self.lock:
            if not self._log_is_copied or self._main_unsynced or self.marked:
                return
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.Error as error:
                raise translated(error, self.path) from error
            self.room.log_emptied()

    def trim_log(self) -> None:
        """Copy the log, begin a new one, and give back the room behind its reserve."""
        self.checkpoint(mark=True)
        with self.lock:
            if not self._log_is_copied or self._main_unsynced:
                return
            # The first commit of a log makes all that stood there before invalid.
            self._end_log(mark=True)
        self.sync()
        with self.lock:
            try:
                self.room.trim_log()
            except OSError as error:
                log.warning("%s: its log keeps its room: %s", self.path, error)

    def _count_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.log_bytes = pages * self._page_size
        self.log_commits += 1
        self.log_allocated = max(self.log_allocated, self.log_bytes)
        self.uncommitted_bytes = 0
        return apsw.SQLITE_OK

    # --- the whole ------------------------------------------------------------------------

    def bytes_due(self) -> int:
        """Bytes by which the file will grow at the next checkpoint."""
        pages, _ = self.page_counts()
        return max(0, pages * self._page_size - os.fstat(self.fd).st_size)

    def give_back(self, pages: int) -> None:
        """Cut up to `pages` free pages off the file's end."""
        with self.writing():
            try:
                self._connection.execute(f"PRAGMA incremental_vacuum({int(pages)})").fetchall()
            except apsw.Error as error:
                raise self._abandon(translated(error, self.path)) from error

    def close(self) -> None:
        """Commit, checkpoint with the mark cleared, and close: one whole file is left."""
        with self.lock:
            if self.closed:
                return
        self.room.end()
        try:
            if self._parted and self._place.is_named():
                # What was committed goes into the file, wherever it is: it needs no log then.
                self.failure = None
                self.checkpoint(mark=False)
                self._place.remove_log()
            elif not self.read_only and self.failure is None:
                ours = self.lineage.identity == self._identity
                if self.dirty or self.commits or self.lineage.marked or not ours:
                    self.checkpoint(mark=False)
                self.room.closing()
                # Everything is in the file: closing may remove the log.
                self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        finally:
            with self.lock:
                self.closed = True
                self.images.end()
                self._settled.notify_all()
                self._connection.set_wal_hook(None)
                self._connection.close()

    def syncing(self, sync: Callable[[], None]) -> None:
        """Run a sync; writing ends with one that fails."""
        try:
            sync()
        except OSError as error:
            # The kernel may have dropped the pages and reports the error once: no later
            # sync can be believed.
            with self.lock:
                failure = InputOutput(f"{self.path}: sync failed: {error.strerror}")
                raise self._abandon(failure) from error
