"""Room on the backing file system, taken before it is needed.

SQLite asks for room when it writes: a commit to the log, a checkpoint to the file.  By then it is
too late to refuse, so both are given blocks beforehand, beyond their ends: the log for all that the
open transaction can still bring, the file for all its pages.  A change that finds no room is
refused before it is made, and whatever else fills the file system harms nothing that was let in.

A reserve of both is left to changes that free something.  The file's own is its last blocks, and,
since SQLite gives them back with every checkpoint, free pages where the file system is nearly full.

Where the file system can't allocate, what it says is free has to do.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import apsw

from sqlfs.errors import InputOutput, NoSpace
from sqlfs.limits import KIB, LOG_BYTES_MAX, MIB, RESERVE_BYTES
from sqlfs.store import ownership
from sqlfs.store.io import DataSyncer, Syncer
from sqlfs.store.log import log_path

if TYPE_CHECKING:
    from sqlfs.store.database import Database

log = logging.getLogger("sqlfs")

FRAME_HEADER_BYTES: Final = 24
# What only changes which free something may use: of the log, and of free pages or room behind the
# last page.
_LOG_RESERVE_PAGES: Final = 256
_LOG_RESERVE_BYTES_MIN: Final = 2 * MIB
_FILE_RESERVE_PAGES: Final = 32
_FILE_RESERVE_BYTES_MIN: Final = 512 * KIB
# Beside the reserve, what the log keeps where the file system is full.
_LOG_WORKING_BYTES: Final = 4 * MIB
# Room is taken in steps, so that it is seldom asked for.
_STEP_BYTES: Final = 4 * MIB
# Where this much is left, room is taken for more than is needed now: during a burst beforehand,
# beside the others, and before a commit in steps.
_PLENTY_BYTES: Final = 1024 * MIB
_AHEAD_BYTES: Final = 32 * MIB
# Asked for more than there is, a file system may allocate all it has before it refuses: what is
# large is compared with what is free first.
_LARGE_BYTES: Final = 64 * MIB
# By so much no sound file grows from one checkpoint to the next: the log's bound is far lower.
_GROWTH_BYTES_MAX: Final = 4 * LOG_BYTES_MAX
# Below this a checkpoint leaves the file's reserve inside it, as free pages.
_NEARLY_FULL_BYTES: Final = 256 * MIB
# Of a row that is there for an instant only.
_PADDING_ID: Final = 2**62
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNABLE: Final = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV)


class Room:
    """The room of one volume file and its log.  Guarded by the store's lock."""

    def __init__(
        self, database: Database, connection: apsw.Connection, syncer: Syncer | None
    ) -> None:
        self._db = database
        self._connection = connection
        self._syncer: Syncer = syncer or DataSyncer()
        self._log_fd = -1  # SQLite's own
        self._allocates = True
        self._file_bytes = 0  # allocated to the file; 0: not known
        self._written = 0  # pages that SQLite had written when the transaction began
        page_size = database.page_size
        self.log_reserve = min(
            max(_LOG_RESERVE_PAGES * page_size, _LOG_RESERVE_BYTES_MIN), RESERVE_BYTES
        )
        self.reserve_pages = max(_FILE_RESERVE_BYTES_MIN // page_size, _FILE_RESERVE_PAGES)
        self.ahead = 0  # pages that may be changed before anybody asks again
        self._returns = 0  # how often room was given back
        # Held while room is taken beside the lock, and never taken under it.
        self._taking = threading.Lock()
        self._ended = False
        # Tells how many pages what waits in memory will change.
        self.waiting: Callable[[], int] = lambda: 0

    # --- what the store tells ---

    def begun(self) -> None:
        """A transaction begins."""
        self._written = self._cache(apsw.SQLITE_DBSTATUS_CACHE_WRITE)

    def copied(self) -> None:
        """A checkpoint has copied the log, and SQLite cut off what the file had beyond its end:
        what of it is needed still is taken again at once, and a step more: who reads the file, as
        tar does, and finds its ctime changed, says that it was changed."""
        self._file_bytes, self.ahead = 0, 0
        self._returns += 1
        if self._allocates:
            self._take_file(self._file_bytes_for(self.waiting(), frees=False), in_steps=True)

    def closing(self) -> None:
        """Nothing more is written: the file gives back what it has beyond its end."""
        if self._allocates:
            with contextlib.suppress(OSError):
                os.ftruncate(self._db.fd, os.fstat(self._db.fd).st_size)

    # --- asking ---

    def holds(self, pages: int, *, frees: bool = False) -> bool:
        """Whether `pages` more may be changed, of which any may be new; takes the room for that.

        Unless it `frees` something, a change leaves the reserve alone.
        """
        log_bytes, file_bytes = self._needed(pages, frees=frees)
        return self._takes(log_bytes, file_bytes, in_steps=not frees)

    def _needed(self, pages: int, *, frees: bool) -> tuple[int, int]:
        """What log and file must have allocated for that."""
        frame = self._db.page_size + FRAME_HEADER_BYTES
        log_bytes = self.log_used() + pages * frame + (0 if frees else self.log_reserve)
        return log_bytes, self._file_bytes_for(pages, frees=frees)

    def _file_bytes_for(self, pages: int, *, frees: bool) -> int:
        count, free = self._db.page_counts()
        spare = free - (0 if frees else self.reserve_pages)
        return (count + max(0, pages - spare)) * self._db.page_size

    def reserve(self) -> bool:
        """Take what changes that free something need; False where the file system is too full."""
        count, free = self._db.page_counts()
        lacking = max(0, self.reserve_pages - free)
        log_bytes = self._db.log_bytes + self.log_reserve
        file_bytes = (count + lacking) * self._db.page_size
        return self._takes(log_bytes, file_bytes, in_steps=False)

    def _takes(self, log_bytes: int, file_bytes: int, *, in_steps: bool) -> bool:
        if self._allocates:
            took = self._take_log(log_bytes, in_steps) and self._take_file(file_bytes, in_steps)
            if self._allocates:
                return took
        return self._is_free(log_bytes, file_bytes)

    def require(self) -> None:
        """Before a commit: SQLite would give up all that is open where it found no room.  Raises
        NoSpace, and nothing is lost."""
        log_bytes, file_bytes = self._needed(1, frees=True)
        if log_bytes <= self._db.log_allocated and file_bytes <= self._file_bytes:
            return
        # SQLite may hold more than changes were counted for.  Where there is plenty, room for that
        # is taken in steps, too: the file system has to log whatever it gives, at the next sync.
        has_plenty = self._outside() >= _PLENTY_BYTES
        if not self._takes(log_bytes, file_bytes, in_steps=has_plenty):
            # What is unchanged may go from memory: then it is known better what is not.
            self._connection.release_memory()
            if not self.holds(1, frees=True):
                raise NoSpace(f"no room left for {self._db.path} on its file system")

    def log_used(self) -> int:
        """Bytes of the log that are in use when the open transaction is committed as it is, at
        most: what SQLite holds in memory may all be changed."""
        db = self._db
        if not db.dirty:
            return db.log_bytes
        written = self._cache(apsw.SQLITE_DBSTATUS_CACHE_WRITE) - self._written
        held = self._cache(apsw.SQLITE_DBSTATUS_CACHE_USED) // db.page_size + 1
        return db.log_bytes + (written + held) * (db.page_size + FRAME_HEADER_BYTES)

    def has_spilled(self) -> bool:
        """Whether something of the open transaction is in the log already."""
        return self._db.dirty and self._cache(apsw.SQLITE_DBSTATUS_CACHE_WRITE) > self._written

    def is_nearly_full(self) -> bool:
        """Whether the file system has little left."""
        return self._outside() < _NEARLY_FULL_BYTES

    def capacity(self) -> int:
        """Bytes of pages that can still be filled, checkpoint by checkpoint."""
        db = self._db
        count, free = db.page_counts()
        inside = (free - self.reserve_pages) * db.page_size
        ahead = max(0, self._file_bytes - count * db.page_size)
        if not self._allocates:
            ahead = -db.bytes_due()
        log = db.log_allocated - self.log_reserve - _LOG_WORKING_BYTES
        return max(0, inside + ahead + log + self._outside())

    # --- taking beforehand ---

    def take_ahead(self) -> None:
        """Take room for the rest of a burst, which may take long, beside whoever holds the lock.
        To be called under no lock, from any thread.  Where it fails, who needs the room meets it.
        """
        if not self._taking.acquire(blocking=False):
            return
        try:
            while step := self._step_ahead():
                which, fd, there, end, returns = step
                self._syncer.allocate(fd, which, there, end - there)
                with self._db.lock:
                    if returns == self._returns:
                        self._has(which, end)
        except OSError as error:
            log.debug("%s: no room was taken ahead: %s", self._db.path, error)
        finally:
            self._taking.release()

    def _step_ahead(self) -> tuple[str, int, int, int, int] | None:
        """What to allocate next: of which descriptor, from where to where, and the count of
        returns.  It is little, for whoever writes to the same file waits for it; nothing unless
        there is plenty of room."""
        db = self._db
        with db.lock:
            if self._ended or not (self._allocates and self._file_bytes) or db.failure is not None:
                return None
            pages = self.waiting() + _AHEAD_BYTES // db.page_size
            log_end, file_end = self._needed(pages, frees=False)
            lacks_log, lacks_file = log_end - db.log_allocated, file_end - self._file_bytes
            if max(lacks_log, lacks_file) <= 0 or self._outside() < _PLENTY_BYTES:
                return None
            if lacks_log > lacks_file:
                which, fd, there = "log", self._log_descriptor(), db.log_allocated
            else:
                which, fd, there = "main", db.fd, self._file_bytes
            end = there + min(_STEP_BYTES, max(lacks_log, lacks_file))
            return which, fd, there, end, self._returns

    def _has(self, which: str, allocated: int) -> None:
        if which == "log":
            self._db.log_allocated = max(self._db.log_allocated, allocated)
        else:
            self._file_bytes = max(self._file_bytes, allocated)

    def end(self) -> None:
        """The descriptors are about to be closed.  To be called under no lock."""
        self._ended = True
        with self._taking:
            pass  # whoever is taking room has seen it

    # --- giving ---

    def log_has_spare(self) -> bool:
        """Whether :meth:`trim_log` would give anything back."""
        kept = self.log_reserve + _LOG_WORKING_BYTES
        return self._allocates and self._db.log_allocated > kept

    def trim_log(self) -> None:
        """Give back what the log has beyond its reserve and some more.  Nothing beyond may be
        in use: the log began anew, durably."""
        kept = self.log_reserve + _LOG_WORKING_BYTES
        if self._db.log_allocated > kept >= self._db.log_bytes:
            self._syncer.give_back(self._log_descriptor(), kept, self._db.log_allocated - kept)
            self._db.log_allocated = kept
            self._returns += 1

    def log_emptied(self) -> None:
        """The log has given back all its room."""
        self._db.log_allocated = 0
        self._returns += 1

    def keep_reserve(self) -> None:
        """Before a checkpoint, in its transaction: make and free pages, so that the file keeps its
        reserve although SQLite gives back what is beyond its end."""
        _, free = self._db.page_counts()
        pages = self.reserve_pages
        if free >= pages or not self.is_nearly_full() or not self.holds(pages, frees=True):
            return
        self._db.write("chunk_data_insert", _PADDING_ID, 0, bytes(pages * self._db.page_size))
        self._db.write("chunk_data_delete", _PADDING_ID)

    # --- taking ---

    def _take_log(self, wanted: int, in_steps: bool) -> bool:
        if wanted <= self._db.log_allocated:
            return True
        taken = self._take("log", self._log_descriptor(), self._db.log_allocated, wanted, in_steps)
        self._has("log", taken)
        return taken >= wanted

    def _take_file(self, wanted: int, in_steps: bool) -> bool:
        if not self._file_bytes:
            status = os.fstat(self._db.fd)
            # A file with holes, as some copies have, needs room for them.
            is_sparse = status.st_blocks * 512 < status.st_size
            self._file_bytes = 0 if is_sparse else status.st_size
        if wanted <= self._file_bytes:
            return True
        if wanted > os.fstat(self._db.fd).st_size + _GROWTH_BYTES_MAX:
            return False  # its counts of pages are forged
        taken = self._take("main", self._db.fd, self._file_bytes, wanted, in_steps)
        self._has("main", taken)
        return taken >= wanted

    def _take(self, which: str, fd: int, there: int, wanted: int, in_steps: bool) -> int:
        """Have `wanted` bytes allocated, or some more; returns how many are."""
        for end in (wanted + _STEP_BYTES, wanted) if in_steps else (wanted,):
            if end - there > _LARGE_BYTES and end - there > self._outside():
                continue
            try:
                self._syncer.allocate(fd, which, there, end - there)
            except OSError as error:
                if error.errno in _UNABLE:
                    self._allocates = False
                    return there
                if error.errno not in _NO_ROOM:
                    raise self._db.broken("no room can be taken for it", error) from error
            else:
                return end
        return there

    def _is_free(self, log_bytes: int, file_bytes: int) -> bool:
        wanted = max(0, log_bytes - self._db.log_allocated)
        wanted += max(0, file_bytes - os.fstat(self._db.fd).st_size)
        return wanted <= self._outside()

    def _outside(self) -> int:
        try:
            status = os.fstatvfs(self._db.fd)
        except OSError as error:
            raise self._db.broken("its file system can't be asked for room", error) from error
        return status.f_bavail * status.f_frsize

    def _cache(self, what: int) -> int:
        return self._connection.status(what)[0]

    def _log_descriptor(self) -> int:
        if self._log_fd < 0:
            try:
                found = ownership.open_descriptors(log_path(self._db.path).stat())
            except FileNotFoundError:
                found = set()
            if not found:
                raise InputOutput(f"the log of {self._db.path} was removed while it was in use")
            self._log_fd = min(found)
        return self._log_fd
