"""A backing file system that fails: which call, how, once or from then on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import apsw
from apsw import URIFilename

from sqlfs.store.io import DataSyncer

_numbers = count(1)
_SQLITE_ERRORS = {
    errno.ENOSPC: apsw.FullError,
    errno.EIO: apsw.IOError,
    errno.EROFS: apsw.ReadOnlyError,
}


@dataclass(slots=True)
class Faults:
    """Counts the calls of one `kind` ("write", "sync", "allocate"), and fails at number `at`."""

    kind: str
    errno: int
    at: int = 0
    lasts: bool = False  # from then on
    counted: int = 0
    met: int = 0  # how often it failed

    def fails(self, kind: str) -> bool:
        if kind != self.kind:
            return False
        self.counted += 1
        is_due = self.at > 0 and (
            self.counted == self.at or (self.lasts and self.counted > self.at)
        )
        self.met += is_due
        return is_due

    def end(self) -> None:
        """The file system works again."""
        self.at = 0


class FailingFile(apsw.VFSFile):
    def __init__(self, faults: Faults, name: str | URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._faults = faults

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._faults.fails("write"):
            raise _SQLITE_ERRORS[self._faults.errno]("a fault of the test's")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._faults.fails("sync"):
            raise apsw.IOError("a fault of the test's")
        super().xSync(flags)


class FailingVFS(apsw.VFS):
    def __init__(self, faults: Faults) -> None:
        self.name = f"failing-{next(_numbers)}"
        super().__init__(self.name, "unix")
        self._faults = faults

    def xOpen(self, name: str | URIFilename | None, flags: list[int]) -> FailingFile:  # noqa: N802
        return FailingFile(self._faults, name, flags)


class FailingSyncer(DataSyncer):
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def sync(self, fd: int, which: str) -> None:
        self._fail("sync")
        super().sync(fd, which)

    def sync_folder(self, folder: Path) -> None:
        self._fail("sync")
        super().sync_folder(folder)

    def allocate(self, fd: int, which: str, offset: int, length: int) -> None:
        self._fail("allocate")
        super().allocate(fd, which, offset, length)

    def _fail(self, kind: str) -> None:
        if self._faults.fails(kind):
            raise OSError(self._faults.errno, os.strerror(self._faults.errno))


@contextmanager
def failing(faults: Faults) -> Iterator[str]:
    """The name under which the VFS is registered meanwhile."""
    vfs = FailingVFS(faults)
    try:
        yield vfs.name
    finally:
        vfs.unregister()
