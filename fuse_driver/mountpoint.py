"""The directory below: what it must be like, and taking a mount off it."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from pathlib import Path
from typing import Final

from sqlfs.errors import MountFailed, NotADirectory, NotFound

# <sys/mount.h>
MNT_DETACH: Final = 2

# Mounts of dead processes may lie upon each other.
DEAD_MOUNTS_MAX: Final = 64

_libc = ctypes.CDLL(None, use_errno=True)


def prepare(directory: Path, *, nonempty: bool) -> Path:
    """The absolute path of `directory`, fit to be mounted on.

    What dead processes left mounted there is detached.  Raises NotFound, NotADirectory, and
    MountFailed unless the directory is empty or `nonempty`.
    """
    path = Path(os.path.realpath(directory))
    detach_dead(path)
    try:
        with os.scandir(path) as entries:
            is_empty = next(entries, None) is None
    except FileNotFoundError:
        raise NotFound(f"the mountpoint {path} does not exist: create it first") from None
    except NotADirectoryError:
        raise NotADirectory(f"the mountpoint {path} is not a directory") from None
    except OSError as error:
        raise MountFailed(
            f"the mountpoint {path} cannot be read: {error.strerror}", errno_=error.errno
        ) from None
    if not is_empty and not nonempty:
        raise MountFailed(
            f"the mountpoint {path} is not empty: choose an empty directory, or give -o nonempty"
        )
    return path


def detach_dead(path: Path) -> None:
    """Take off `path` the mounts whose process is gone.  Raises MountFailed."""
    for _ in range(DEAD_MOUNTS_MAX):
        if not _is_dead(path):
            return
        detach(path)
    raise MountFailed(f"the dead mount at {path} cannot be detached: try umount -l {path}")


def _is_dead(path: Path) -> bool:
    """Whether the process that served `path` is gone ("Transport endpoint is not connected")."""
    try:
        # Not stat: the kernel would answer that for the dead from its cache.
        os.statvfs(path)
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def detach(path: Path) -> None:
    """Take the mount off `path` at once; whoever uses it may finish.  Best effort."""
    if not _umount(path, MNT_DETACH):
        _fusermount("-u", "-z", path)


def unmount(path: Path) -> bool:
    """Take the mount off `path` if nobody uses it: the kernel writes back first.

    Whether that succeeded.
    """
    return _umount(path, 0) or (os.geteuid() != 0 and _fusermount("-u", path))


def write_back(path: Path) -> None:
    """Have the kernel send what mapped pages of the mount hold.  Best effort."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        _libc.syncfs(descriptor)
    finally:
        os.close(descriptor)


def _umount(path: Path, flags: int) -> bool:
    return bool(_libc.umount2(os.fsencode(path), flags) == 0)


def _fusermount(*arguments: str | Path) -> bool:
    try:
        done = subprocess.run(
            ["fusermount3", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
