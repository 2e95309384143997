"""How the store makes files durable, and takes room; replaced by tests that lose power."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final, Protocol

# <linux/falloc.h>
_KEEP_SIZE: Final = 1
_PUNCH_HOLE: Final = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Syncer(Protocol):
    """What is done to an open descriptor beside SQLite.  ``which`` is "log" or "main".

    All raise OSError."""

    def sync(self, fd: int, which: str) -> None:
        """Make what was written durable."""

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""

    def write(self, fd: int, offset: int, data: bytes) -> None:
        """Put bytes into the log, behind all frames."""

    def allocate(self, fd: int, which: str, offset: int, length: int) -> None:
        """Have blocks for a range, also beyond the end, which stays where it is."""

    def give_back(self, fd: int, offset: int, length: int) -> None:
        """Give the log's blocks in a range back, which then holds zeros."""


class DataSyncer:
    """fdatasync(2), fallocate(2); all release the GIL."""

    def sync(self, fd: int, which: str) -> None:  # noqa: ARG002
        os.fdatasync(fd)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def write(self, fd: int, offset: int, data: bytes) -> None:
        os.pwrite(fd, data, offset)

    def allocate(self, fd: int, which: str, offset: int, length: int) -> None:  # noqa: ARG002
        _fallocate(fd, _KEEP_SIZE, offset, length)

    def give_back(self, fd: int, offset: int, length: int) -> None:
        _fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, offset, length)


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    if _libc.fallocate(fd, mode, offset, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
