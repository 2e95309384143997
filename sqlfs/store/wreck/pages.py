"""Every page of a file, in its newest state: from the log, if that is the file's, else its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlfs.errors import InUse, NotAVolumeFile, SqlfsError
from sqlfs.limits import MIB
from sqlfs.store import ownership
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from sqlfs.store.log import log_path
from sqlfs.store.wreck.log_frames import sound_frames
from sqlfs.store.wreck.page_size import lineage_of, page_size_of
from sqlfs.store.wreck.reading import read_at
from sqlfs.store.wreck.scratch import Scratch

_READ_BYTES: Final = MIB
_FRAMES: Final = 256


@dataclass(frozen=True, slots=True)
class Page:
    """One state of a page.  ``offset``: in the file or the log, bytes; ``superseded``: the log has
    a newer one, if it belongs to the file at all."""

    number: int
    in_log: bool
    offset: int
    superseded: bool
    bytes: bytes


class Pages:
    """Holds the shared lock on the file, so nobody writes it meanwhile.  Never writes.

    ``size``: of a page, bytes.  ``count``: pages there may be.  Raises InUse, NotFound, and
    SqlfsError for what can't be read.
    """

    def __init__(self, path: Path, scratch: Scratch) -> None:
        self.path = path
        self.notices: list[str] = []
        self._scratch = scratch
        self._log_fd = -1
        self._fd = _opened(path)
        try:
            self.size = page_size_of(self._fd)
            self.bytes = os.fstat(self._fd).st_size
            self.count = -(-self.bytes // self.size)
            self._log_is_own = self._look_at_log()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for fd in (self._fd, self._log_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._log_fd = -1

    # --- reading ---

    def newest(self, number: int) -> bytes | None:
        """The bytes of a page; None if there is none of that number."""
        if not 1 <= number <= self.count:
            return None
        offset = self._in_log(number)
        if offset is not None:
            return self.read(True, offset)
        return self.read(False, (number - 1) * self.size)

    def read(self, in_log: bool, offset: int) -> bytes:
        """The page at `offset`; what is beyond the end, or can't be read, is zeros."""
        return read_at(self._log_fd if in_log else self._fd, self.size, offset).ljust(
            self.size, b"\0"
        )

    def all(self) -> Iterator[Page]:
        """Those of the file in order, then those of the log.  Of pages that a log of the file has
        newer, the file's own is left out."""
        last = 0
        step = max(_READ_BYTES, self.size)
        for start in range(0, self.bytes, step):
            window = read_at(self._fd, step, start).ljust(step, b"\0")
            for at in range(0, min(step, self.bytes - start), self.size):
                number = (start + at) // self.size + 1
                superseded = self._in_log(number) is not None
                if not (superseded and self._log_is_own):
                    piece = window[at : at + self.size]
                    yield Page(number, False, start + at, superseded, piece)
        while frames := self._frames(last):
            for number, offset in frames:
                yield Page(number, True, offset, False, self.read(True, offset))
            last = frames[-1][0]

    def _frames(self, last: int) -> list[tuple[int, int]]:
        if self._log_fd < 0:
            return []
        rows = self._scratch.rows("wreck_frame_all", last, _FRAMES)
        return [(page, offset) for page, offset in rows]

    def _in_log(self, number: int) -> int | None:
        if self._log_fd < 0:
            return None
        ((offset,),) = self._scratch.rows("wreck_frame_newest", number)
        return offset if offset is None else int(offset)

    # --- the log ---

    def _look_at_log(self) -> bool:
        """Find its committed frames; whether it is certain that it is the file's."""
        log = log_path(self.path)
        try:
            self._log_fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.notices.append(f"{log} can't be read ({error.strerror}), and is left out")
            return False
        records: set[bytes] = set()
        ended, pages = -1, 0
        for frame in sound_frames(self._log_fd, self.size):
            self._scratch.run("wreck_frame", frame.page, frame.offset)
            if frame.page == LINEAGE_PAGE:
                records |= self._ids(frame.offset)
            if frame.pages:
                ended, pages = frame.offset, frame.pages
        self._scratch.run("wreck_frame_uncommitted", ended)
        lineage = lineage_of(self._fd, self.size)
        if ended < 0:
            return self._leave_log()
        if lineage is not None and lineage.id not in records:
            self.notices.append(f"{log} is not the log of {self.path}, and is left out")
            return self._leave_log()
        self.count = max(self.count, pages)
        if lineage is None:
            self.notices.append(
                f"whether {log} is the log of {self.path} can't be told: of both, all is taken"
            )
        return lineage is not None

    def _ids(self, offset: int) -> set[bytes]:
        at = offset + self.size - RECORD_BYTES
        record = Lineage.decode(read_at(self._log_fd, RECORD_BYTES, at))
        return {record.id, record.base} if record is not None else set()

    def _leave_log(self) -> bool:
        os.close(self._log_fd)
        self._log_fd = -1
        return False


def _opened(path: Path) -> int:
    """Under the shared lock, which is not one of POSIX: closing takes no other's away."""
    try:
        # A lease would have its owner give way, and a fifo wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except BlockingIOError:
        raise _in_use(path, path.stat().st_ino) from None
    except OSError as error:
        raise SqlfsError(f"{path}: {error.strerror}", errno_=error.errno) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotAVolumeFile(f"{path} is not a file")
        ownership.take(fd, path, shared=True)
    except InUse:
        os.close(fd)
        raise _in_use(path, path.stat().st_ino) from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _in_use(path: Path, inode: int) -> InUse:
    pid = ownership.holder(inode)
    by = f" by process {pid}" if pid else ""
    return InUse(f"{path} is in use{by}: end that first, such as by sqlfs umount")
