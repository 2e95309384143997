"""Images: the bytes of the file as they would be if its owner had closed it at one moment.

Nobody waits for who reads an image.  What an owner commits goes to the log, and the file itself
changes at a checkpoint only, so the file and the log up to a commit are that moment's pages.
Before a checkpoint changes any, those that an image has not given out yet are set aside, in a
file without a name beside the volume file.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from sqlfs.errors import ConnectionLost, Corrupt, InputOutput, NoSpace, ReadOnly, SqlfsError
from sqlfs.limits import IMAGE_IDLE_S_MAX, IO_BYTES_MAX, MIB
from sqlfs.store.header import read_header
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from sqlfs.store.log import frame_places

if TYPE_CHECKING:
    from sqlfs.store.database import Database

PIECE_BYTES: Final = IO_BYTES_MAX
# What is set aside leaves others so much of the file system.
_LEFT_BYTES: Final = 64 * MIB


class Image:
    """Read from the start to the end, in pieces.  Thread-safe; its lock is taken after the store's,
    never before it, and is held over reading one piece."""

    def __init__(
        self, path: Path, fd: int, log_fd: int, page_size: int, pages: int, logged: dict[int, int]
    ) -> None:
        """`logged`: where in the log the pages are that the file does not have yet."""
        self.size = pages * page_size  # bytes
        self._path = path
        self._fd = fd  # SQLite's own, as is that of the log
        self._log_fd = log_fd
        self._page_size = page_size
        self._pages = pages
        self._lock = threading.Lock()
        # From here on: guarded by _lock.  Pages count from 1.
        self._logged = logged
        self._next = 1
        self._read_at = time.monotonic()
        self._aside: IO[bytes] | None = None  # each page in its place, the rest a hole
        self._is_aside = bytearray()  # a bit for each page
        self._failure: SqlfsError | None = None

    def read(self) -> bytes:
        """The next piece, of PIECE_BYTES at most; empty at the end.

        Raises NoSpace when there was no room to set aside what had not been read, InputOutput,
        also when nothing was read for IMAGE_IDLE_S_MAX, and ConnectionLost when the file was
        closed."""
        with self._lock:
            if self._failure is not None:
                raise type(self._failure)(self._failure.message)
            first = self._next
            count = min(max(1, PIECE_BYTES // self._page_size), self._pages + 1 - first)
            if count <= 0:
                return b""
            self._read_at = time.monotonic()
            try:
                piece = self._read(first, count)
            except OSError as error:
                why = error.strerror or str(error)
                raise InputOutput(f"{self._path} can't be read: {why}") from error
            self._next += count
        if first <= LINEAGE_PAGE < first + count:
            _disown(piece, (LINEAGE_PAGE + 1 - first) * self._page_size - RECORD_BYTES, self._path)
        return bytes(piece)

    def _read(self, first: int, count: int) -> bytearray:
        size = self._page_size
        piece = _read_at(self._fd, count * size, (first - 1) * size)
        if not (self._logged or self._is_aside):
            return piece
        for page in range(first, first + count):
            elsewhere = self._page(page)
            if elsewhere is not None:
                at = (page - first) * size
                piece[at : at + size] = elsewhere
        return piece

    def _page(self, page: int) -> bytearray | None:
        """A page that the file has not, or no longer, as it is wanted."""
        if self._has_aside(page):
            assert self._aside is not None
            return _read_at(self._aside.fileno(), self._page_size, (page - 1) * self._page_size)
        place = self._logged.get(page)
        return None if place is None else _read_at(self._log_fd, self._page_size, place)

    # --- setting aside ---

    def set_aside(self, changing: Iterable[int], pages: int) -> None:
        """The file's pages `changing` are about to be, it is about to have `pages`, and the log to
        begin anew.  Never fails: reading goes on, or raises from now on."""
        with self._lock:
            if self._failure is not None:
                return
            if time.monotonic() - self._read_at > IMAGE_IDLE_S_MAX:
                self._give_up(InputOutput(f"the image of {self._path} was not read for too long"))
                return
            # What was in the log when the image began still is.
            wanted = {
                page
                for page in (*changing, *range(pages + 1, self._pages + 1))
                if self._next <= page <= self._pages and not self._has_aside(page)
            }
            if not wanted:
                return
            try:
                self._require_room(len(wanted) * self._page_size)
                for page in sorted(wanted):
                    self._set_aside(page)
            except OSError as error:
                kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else InputOutput
                self._give_up(
                    kind(
                        f"{self._path} changed before its image was read, and what it held could"
                        f" not be set aside: {error.strerror or error}"
                    )
                )

    def _require_room(self, size: int) -> None:
        status = os.fstatvfs(self._fd)
        if status.f_bavail * status.f_frsize < size + _LEFT_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _set_aside(self, page: int) -> None:
        if self._aside is None:
            self._aside = tempfile.TemporaryFile(dir=self._path.parent, buffering=0)  # noqa: SIM115
            self._is_aside = bytearray(self._pages // 8 + 1)
        size = self._page_size
        content = self._page(page)
        if content is None:
            content = _read_at(self._fd, size, (page - 1) * size)
        if os.pwrite(self._aside.fileno(), content, (page - 1) * size) < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._is_aside[page >> 3] |= 1 << (page & 7)

    def _has_aside(self, page: int) -> bool:
        return bool(self._is_aside) and bool(self._is_aside[page >> 3] & (1 << (page & 7)))

    def end(self, why: SqlfsError) -> None:
        """The file's descriptors are about to be closed."""
        with self._lock:
            self._give_up(why)

    def _give_up(self, why: SqlfsError) -> None:
        if self._failure is None:
            self._failure = why
        if self._aside is not None:
            self._aside.close()
            self._aside = None
        self._is_aside = bytearray()
        self._logged = {}

    def close(self) -> None:
        """Give back what was set aside.  Idempotent."""
        self.end(ConnectionLost(f"the image of {self._path} is closed"))

    @property
    def is_closed(self) -> bool:
        return self._failure is not None


class Images:
    """The images of an open file that are being read.  Guarded by the store's lock."""

    def __init__(self, database: Database, log_descriptor: Callable[[], int]) -> None:
        self._db = database
        self._log_descriptor = log_descriptor
        self._images: list[Image] = []

    def begin(self) -> Image:
        """An image of all that was done until now.

        Raises ReadOnly where a log belongs to a file that is open for reading only, Corrupt for a
        torn copy, NoSpace, and ConnectionLost once the file is closed."""
        db = self._db
        with db.lock:
            self._settle()
            page_size, logged, log_fd = db.page_size, dict[int, int](), -1
            pages = read_header(db.fd, db.path).page_count
            if db.log_bytes:
                log_fd = self._log_descriptor()
                logged, pages = frame_places(log_fd, page_size, db.log_bytes // page_size)
            image = Image(db.path, db.fd, log_fd, page_size, pages, logged)
            self._images.append(image)
            return image

    def _settle(self) -> None:
        """Have everything in the file and as much of the log as the store knows."""
        db = self._db
        db.require_open()
        if db.torn is not None:
            raise Corrupt(db.torn)
        if db.read_only:
            if db.log_bytes:
                raise ReadOnly(
                    f"{db.path} is open for reading only, beside a log that its last owner left;"
                    " close it, and try again"
                )
            return
        if db.failure is not None:
            return
        db.commit()
        if db.log_bytes and db.commits == 1:
            # Of a log that was found, how much holds is known when it was gone on with.
            with db.writing():
                db.commit()

    def before_checkpoint(self) -> None:
        """The log is about to be copied into the file.  Called under the lock before that is done;
        beforehand without it, too, so that little is left to do then."""
        with self._db.lock:
            self._images = images = [each for each in self._images if not each.is_closed]
            frames = self._db.log_bytes // self._db.page_size
            if not images or not frames:
                return
            places, pages = frame_places(self._log_descriptor(), self._db.page_size, frames)
        for image in images:
            image.set_aside(places, pages)

    def end(self) -> None:
        """The file is being closed."""
        for image in self._images:
            image.end(
                ConnectionLost(f"{self._db.path} was closed by process {os.getpid()}; try again")
            )
        self._images = []


def _read_at(fd: int, size: int, place: int) -> bytearray:
    """Zeros for what lies behind the end: pages there were never written.  Raises OSError."""
    content = bytearray(size)
    view, done = memoryview(content), 0
    # A read that meets a bad sector ends before it; the next one fails.
    while done < size and (count := os.preadv(fd, [view[done:]], place + done)):
        done += count
    return content


def _disown(piece: bytearray, at: int, path: Path) -> None:
    """Have the lineage record say that the file is closed, and another than the volume file."""
    lineage = Lineage.decode(bytes(piece[at : at + RECORD_BYTES]))
    if lineage is None:
        raise Corrupt(f"{path} is damaged: its lineage record is not sound")
    record = lineage._replace(marked=False, identity=None).encode()
    piece[at : at + RECORD_BYTES] = record
