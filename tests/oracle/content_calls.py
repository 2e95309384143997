"""Steps that change or show the bytes of files."""

from __future__ import annotations

import errno
import os
import stat

from conformance.posix import libc
from tests.oracle.side import Side, is_file


class ContentCalls(Side):
    def read(self, handle: int, size: int) -> bytes:
        return os.read(self.descriptor(handle), size)

    def write(self, handle: int, data: bytes) -> int:
        return os.write(self.descriptor(handle), data)

    def pread(self, handle: int, offset: int, size: int) -> bytes:
        return os.pread(self.descriptor(handle), size, offset)

    def pwrite(self, handle: int, offset: int, data: bytes) -> int:
        return os.pwrite(self.descriptor(handle), data, offset)

    def seek(self, handle: int, offset: int, whence: int) -> int | None:
        descriptor = self.descriptor(handle)
        # A directory's positions are its file system's own.
        return os.lseek(descriptor, offset, whence) if is_file(descriptor) else None

    def truncate(self, path: str, size: int) -> None:
        status = os.stat(self.at(path))
        # Where a file's size stays as it is, tmpfs alone leaves the times, too.
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            os.truncate(self.at(path), size)

    def ftruncate(self, handle: int, size: int) -> None:
        os.ftruncate(self.descriptor(handle), size)

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        descriptor = self.descriptor(handle)
        try:
            libc.fallocate(descriptor, mode, offset, length)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP or not mode & libc.FALLOC_ZERO_RANGE:
                raise
            self._zero_range(descriptor, mode, offset, length)

    def _zero_range(self, descriptor: int, mode: int, offset: int, length: int) -> None:
        """What ZERO_RANGE does, where it is missing, as it is on tmpfs."""
        punch = libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE
        libc.fallocate(descriptor, punch, offset, length)
        if not mode & libc.FALLOC_KEEP_SIZE:
            libc.fallocate(descriptor, 0, offset, length)

    def copy_range(
        self, source: int, source_offset: int, handle: int, offset: int, length: int
    ) -> int:
        """All of it, in as many calls as that takes; how much that was."""
        copied = 0
        while copied < length:
            count = os.copy_file_range(
                self.descriptor(source),
                self.descriptor(handle),
                length - copied,
                source_offset + copied,
                offset + copied,
            )
            if count == 0:
                break
            copied += count
        return copied

    def forget(self, path: str) -> None:
        """Have the next read ask the file system, not the kernel's memory of it."""
        descriptor = os.open(self.at(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if is_file(descriptor):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
