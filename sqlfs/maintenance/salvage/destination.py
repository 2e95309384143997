"""The directory that everything is put into.

Nothing that was there before is changed, nor followed: every entry is made new, below directories
that were made new.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlfs.errors import AlreadyExists, NoSpace, SqlfsError
from sqlfs.namespace import NodeRecord

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that was just made; what is not written is a hole."""

    _fd: int
    _named: Callable[[], AbstractContextManager[None]]

    def write(self, offset: int, piece: bytes) -> None:
        rest = memoryview(piece)
        with self._named():
            while rest:
                written = os.pwrite(self._fd, rest, offset)
                rest, offset = rest[written:], offset + written

    def end_at(self, size: int) -> None:
        with self._named():
            os.ftruncate(self._fd, size)


class Destination:
    """Paths are relative, of bytes; empty for the directory itself."""

    def __init__(self, path: Path) -> None:
        """Raises AlreadyExists for anything but an empty directory; else it is made."""
        self._base = os.fsencode(path)
        with self._named(b""):
            path.mkdir(mode=0o700, exist_ok=True)
            if any(path.iterdir()):
                raise AlreadyExists(f"{path} is not empty: give a directory that is not there yet")

    def has(self, path: bytes) -> bool:
        return os.path.lexists(self._local(path))

    def free_bytes(self) -> int:
        with self._named(b""):
            there = os.statvfs(self._base)
        return there.f_bavail * there.f_frsize

    # --- making: all raise SqlfsError, NoSpace for what fails for all that follows ---

    def directory(self, path: bytes) -> None:
        with self._named(path):
            os.mkdir(self._local(path), 0o700)  # noqa: PTH102

    def name(self, path: bytes, of: bytes) -> None:
        """One more name."""
        with self._named(path):
            os.link(self._local(of), self._local(path), follow_symlinks=False)

    def node(self, path: bytes, record: NodeRecord) -> None:
        """What is neither a directory nor a file."""
        with self._named(path):
            if stat.S_ISLNK(record.mode):
                os.symlink(record.inline or b"", self._local(path))  # noqa: PTH211
            else:
                os.mknod(self._local(path), stat.S_IFMT(record.mode) | 0o600, record.rdev)

    @contextmanager
    def file(self, path: bytes) -> Iterator[NewFile]:
        with self._named(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(self._local(path), flags, 0o600)
        try:
            yield NewFile(fd, partial(self._named, path))
        finally:
            os.close(fd)

    def attributes(
        self, path: bytes, record: NodeRecord, xattrs: Mapping[bytes, bytes]
    ) -> list[str]:
        """Set owner (for root), mode, xattrs and times; a line for each that can't be kept."""
        local = self._local(path)
        is_symlink = stat.S_ISLNK(record.mode)
        mode = stat.S_IMODE(record.mode)
        failed: list[str] = []

        @contextmanager
        def going_on(what: str) -> Iterator[None]:
            try:
                yield
            except (OSError, OverflowError, ValueError) as error:
                # "No space" is said of xattrs alone, and is the end of nothing.
                failed.append(f"its {what} can't be kept there: {_reason(error)}")

        if os.geteuid() == 0:
            with going_on("owner"):
                os.chown(local, record.uid, record.gid, follow_symlinks=False)
        elif (record.uid, record.gid) != (os.geteuid(), os.getegid()):
            # It would run as somebody else than it was meant to.
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        if not is_symlink:
            with going_on("mode"):
                os.chmod(local, mode)  # noqa: PTH101
        for name, value in xattrs.items():
            with going_on(f"extended attribute {os.fsdecode(name)!r}"):
                os.setxattr(local, name, value, follow_symlinks=False)
        with going_on("times"):
            os.utime(local, ns=(record.atime_ns, record.mtime_ns), follow_symlinks=False)
        return failed

    def _local(self, path: bytes) -> bytes:
        return self._base + b"/" + path if path else self._base

    @contextmanager
    def _named(self, path: bytes) -> Iterator[None]:
        try:
            yield
        except SqlfsError:
            raise
        except (OSError, OverflowError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else errno.EINVAL
            kind = NoSpace if number in _FULL else SqlfsError
            what = repr(os.fsdecode(self._local(path)))
            raise kind(f"{what}: {_reason(error)}", errno_=number) from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
