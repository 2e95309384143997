"""Other flags for a mount that is there: `-o remount`.

The kernel keeps the flags and acts on them, and what serves the mount need not know.  Two of them
are acted on by what serves it, which learnt them when it began: they can't change.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from fuse_driver.kernel import attach
from fuse_driver.options import MountOptions
from sqlfs.cli.kernel_mounts import KernelMount, kernel_mounts
from sqlfs.errors import MountFailed, NotFound

# Acted on by what serves the mount.
FIXED: Final = ("sync", "dirsync", "noatime", "nodiratime")

# Nobody has it, so that to remove it tells whether anything may be changed, and changes nothing.
_NO_ATTRIBUTE: Final = "user.sqlfs-mount.none"


def remount(directory: Path, options: MountOptions) -> None:
    """Give the mount on `directory` the flags that `options` say; others stay as they are.

    Read-only, it is durable on return.  Raises NotFound when there is no such mount, and
    MountFailed.
    """
    where = Path(os.path.realpath(directory))
    before = _mounted_on(where).flags
    flags = options.flags_over(before)
    for word in FIXED:
        if (word in flags) != (word in before):
            raise MountFailed(
                f"cannot remount {where}: a mount has {word!r} from its beginning or not at all; "
                "unmount it, and mount it again"
            )
    _apply(where, flags)
    if "ro" in flags:
        _make_durable(where)
    elif "ro" in before and not _takes_changes(where):
        _apply(where, flags | {"ro"})
        raise MountFailed(
            f"cannot remount {where} read-write: it serves a volume that was opened read-only; "
            "unmount it, and mount it again",
            errno_=errno.EROFS,
        )


def _mounted_on(where: Path) -> KernelMount:
    for mount in reversed(kernel_mounts()):
        if mount.where == str(where):
            return mount
    raise NotFound(f"nothing of sqlfs is mounted at {where}")


def _apply(where: Path, flags: frozenset[str]) -> None:
    try:
        attach.remount(where, flags)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        if error.errno == errno.EBUSY and "ro" in flags:
            reason = "files on it are open for writing"
        elif error.errno == errno.EPERM:
            reason = f"{reason}: only root may"
        raise MountFailed(f"cannot remount {where}: {reason}", errno_=error.errno) from None


def _make_durable(where: Path) -> None:
    try:
        descriptor = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise MountFailed(
            f"{where} is read-only now, but what was written last is not safe: {error.strerror}",
            errno_=error.errno,
        ) from None


def _takes_changes(where: Path) -> bool:
    try:
        os.removexattr(where, _NO_ATTRIBUTE)
    except OSError as error:
        return error.errno != errno.EROFS
    return True
