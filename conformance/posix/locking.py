"""Advisory locks: record locks in the form of fcntl(2), and who waits for them."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.posix.expect import answer
from conformance.posix.files import opened
from conformance.posix.processes import in_child

# struct flock on 64-bit Linux: type, whence, start, length, pid.
FLOCK = struct.Struct("hhqqi4x")
EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB
RD, WR, UNLCK = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
POSIX, OPEN_FILE = fcntl.F_SETLK, fcntl.F_OFD_SETLK


@contextmanager
def two(path: Path) -> Iterator[tuple[int, int]]:
    with opened(path, os.O_RDWR) as one, opened(path, os.O_RDWR) as other:
        yield one, other


def record(
    descriptor: int,
    type_: int,
    start: int = 0,
    length: int = 0,
    *,
    command: int = POSIX,
    whence: int = os.SEEK_SET,
    pid: int = 0,
) -> None:
    """Lock, or unlock, bytes of a file without waiting."""
    fcntl.fcntl(descriptor, command, FLOCK.pack(type_, whence, start, length, pid))


def asked(
    descriptor: int, type_: int, start: int = 0, length: int = 0, *, command: int = fcntl.F_GETLK
) -> tuple[int, int, int, int]:
    """What stands in the way of such a lock: type (F_UNLCK: nothing), start, length, pid."""
    reply = fcntl.fcntl(descriptor, command, FLOCK.pack(type_, os.SEEK_SET, start, length, 0))
    found, _, at, size, pid = FLOCK.unpack(reply)
    return found, at, size, pid


def elsewhere(path: Path, call: Callable[[int], object]) -> str:
    """What `call` answers in another process, on a descriptor of its own."""

    def work() -> str:
        with opened(path, os.O_RDWR) as descriptor:
            return answer(lambda: call(descriptor))

    return in_child(work)


def somebody_waits(path: Path) -> bool:
    """Whether any process waits for a lock on the file."""
    inode = f":{os.stat(path).st_ino} "
    with open("/proc/locks") as locks:
        return any("->" in line and inode in line for line in locks)
