"""System calls that the os module lacks, or does not let through unchanged."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4

UTIME_NOW = (1 << 30) - 1
UTIME_OMIT = (1 << 30) - 2

FALLOC_KEEP_SIZE = 0x01
FALLOC_PUNCH_HOLE = 0x02
FALLOC_COLLAPSE_RANGE = 0x08
FALLOC_ZERO_RANGE = 0x10
FALLOC_INSERT_RANGE = 0x20

STATX_BTIME = 0x800

_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
FS_IMMUTABLE = 0x10
FS_APPEND_ONLY = 0x20

AnyPath = str | bytes | Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _call(name: str, *arguments: object) -> int:
    ctypes.set_errno(0)
    result: int = getattr(_libc, name)(*arguments)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def renameat2(old: AnyPath, new: AnyPath, flags: int) -> None:
    _call("renameat2", AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)


def linkat(old: AnyPath, new: AnyPath, flags: int, old_dir: int = AT_FDCWD) -> None:
    _call("linkat", old_dir, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)


def fallocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    _call("fallocate", descriptor, mode, ctypes.c_int64(offset), ctypes.c_int64(length))


def utimensat(
    path: AnyPath, atime: tuple[int, int], mtime: tuple[int, int], flags: int = 0
) -> None:
    """`atime` and `mtime` are (seconds, nanoseconds), where UTIME_NOW and UTIME_OMIT count."""
    times = (_Timespec * 2)(_Timespec(*atime), _Timespec(*mtime))
    _call("utimensat", AT_FDCWD, os.fsencode(path), times, flags)


def getxattr(path: AnyPath, name: str, size: int) -> int:
    """The length of the value, read into a buffer of `size` bytes (0: only asked for)."""
    buffer = ctypes.create_string_buffer(max(size, 1))
    return _call("getxattr", os.fsencode(path), name.encode(), buffer, ctypes.c_size_t(size))


def listxattr(path: AnyPath, size: int) -> int:
    """The length of the list of names, read into a buffer of `size` bytes (0: only asked for)."""
    buffer = ctypes.create_string_buffer(max(size, 1))
    return _call("listxattr", os.fsencode(path), buffer, ctypes.c_size_t(size))


def setxattr(path: AnyPath, name: str, value: bytes, flags: int) -> None:
    length = ctypes.c_size_t(len(value))
    _call("setxattr", os.fsencode(path), name.encode(), value, length, flags)


def mmap_answer(descriptor: int, length: int, protection: int, flags: int, offset: int = 0) -> None:
    """Map and unmap again: only whether that is allowed matters."""
    ctypes.set_errno(0)
    address = _libc.mmap(
        None, ctypes.c_size_t(length), protection, flags, descriptor, ctypes.c_int64(offset)
    )
    if address == ctypes.c_void_p(-1).value:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    _call("munmap", ctypes.c_void_p(address), ctypes.c_size_t(length))


def birth_time_ns(path: AnyPath) -> int | None:
    """When the file was made, by statx(2); None where the file system does not say."""
    buffer = ctypes.create_string_buffer(256)
    _call("statx", AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW, STATX_BTIME, buffer)
    if not int.from_bytes(buffer.raw[0:4], "little") & STATX_BTIME:
        return None
    seconds = int.from_bytes(buffer.raw[80:88], "little", signed=True)
    return seconds * 10**9 + int.from_bytes(buffer.raw[88:92], "little")


def set_inode_flags(path: AnyPath, flags: int) -> None:
    """Make a file or directory immutable or append-only, or with 0 neither."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        (old,) = struct.unpack("i", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, b"\0" * 4))
        new = old & ~(FS_IMMUTABLE | FS_APPEND_ONLY) | flags
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("i", new))
    finally:
        os.close(descriptor)
