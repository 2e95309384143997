"""Who owns a volume file: one ``flock`` on the one descriptor.

Closing any descriptor of a file drops all POSIX locks that the process holds on it, SQLite's
among them; a user's ``shutil.copy`` is enough.  ``flock`` belongs to the open file description
and survives that.  So the lock is taken on SQLite's own descriptor, found in /proc/self/fd,
and the file is opened by nothing else.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
from pathlib import Path

from sqlfs.errors import InUse, StoreError
from sqlfs.store.lineage import Identity

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800


def open_descriptors(status: os.stat_result) -> set[int]:
    """The process's descriptors of the file with `status`."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            there = os.fstat(int(entry.name))
        except OSError:
            continue
        if (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
            found.add(int(entry.name))
    return found


def new_descriptor(path: Path, before: set[int]) -> int:
    """The descriptor of `path` that SQLite opened since `before` was taken."""
    new = open_descriptors(path.stat()) - before
    if len(new) != 1:
        raise StoreError(f"{path} was replaced while it was being opened; try again")
    return new.pop()


def take(fd: int, path: Path, *, shared: bool) -> None:
    """Take the lock without waiting.  Raises InUse, with the holder's pid where it can be seen."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(path, os.fstat(fd).st_ino) from None


def check_openable(path: Path) -> None:
    """Raises InUse where opening the file would wait for an owner that holds a lease on it: one
    that is stopped gives it up never, and the kernel takes it after 45 s only.  To be called where
    this process does not have the file open."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except BlockingIOError:
        raise _in_use(path, path.stat().st_ino) from None
    except OSError:
        return  # whoever opens it finds out why


def _in_use(path: Path, inode: int) -> InUse:
    pid = holder(inode)
    by = f"process {pid}" if pid else "another process"
    return InUse(f"{path} is in use by {by}, which can't be reached from here")


def holder(inode: int) -> int | None:
    """The pid that holds a lock on the file with that inode, as /proc/locks tells it."""
    try:
        locks = Path("/proc/locks").read_text("ascii")
    except OSError:
        return None
    for line in locks.splitlines():
        match = re.match(r"\d+: FLOCK\s+\S+\s+\S+\s+(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) ", line)
        if match and int(match[2]) == inode and int(match[1]) > 0:
            return int(match[1])
    return None


def identity(fd: int) -> Identity:
    """Inode and birth time of the file of `fd`."""
    return Identity(os.fstat(fd).st_ino, _birth_ns(fd))


def _birth_ns(fd: int) -> int:
    # struct statx of <linux/stat.h>: stx_mask at 0, stx_btime (s64, u32) at 80.
    buffer = ctypes.create_string_buffer(256)
    libc = ctypes.CDLL(None, use_errno=True)
    statx = getattr(libc, "statx", None)
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return 0
    if not int.from_bytes(buffer.raw[0:4], "little") & _STATX_BTIME:
        return 0
    seconds = int.from_bytes(buffer.raw[80:88], "little", signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(buffer.raw[88:92], "little")
