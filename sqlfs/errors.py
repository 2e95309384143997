"""The one tree of errors.

Every error sqlfs raises on purpose is a :class:`SqlfsError` with an ``errno``
(what a system call would say) and a message of one line that names what is
affected, where, and what to do.  The edges map it once: the driver to an
errno, the command line to an exit code (see ``sqlfs.cli.exits``).
"""

from __future__ import annotations

import errno
from typing import Final


class SqlfsError(OSError):
    """Root of the tree; ``errno`` is the class's own unless one is given."""

    default_errno = errno.EIO
    told = False  # whether the log has it already: it is raised again and again

    def __init__(self, message: str, *, errno_: int | None = None) -> None:
        super().__init__(errno_ if errno_ is not None else self.default_errno, message)

    @property
    def message(self) -> str:
        """The one line for people, without the errno."""
        return str(self.args[1])

    def __str__(self) -> str:
        return self.message


# --- what a path or a handle may meet -------------------------------------------------------


class NotFound(SqlfsError, FileNotFoundError):
    default_errno = errno.ENOENT


class AlreadyExists(SqlfsError, FileExistsError):
    default_errno = errno.EEXIST


class NotADirectory(SqlfsError, NotADirectoryError):
    default_errno = errno.ENOTDIR


class IsADirectory(SqlfsError, IsADirectoryError):
    default_errno = errno.EISDIR


class NotEmpty(SqlfsError):
    default_errno = errno.ENOTEMPTY


class NameTooLong(SqlfsError):
    default_errno = errno.ENAMETOOLONG


class TooManyLinks(SqlfsError):
    default_errno = errno.EMLINK


class SymlinkLoop(SqlfsError):
    default_errno = errno.ELOOP


class Invalid(SqlfsError):
    """An argument out of its bounds, or an operation that makes no sense there."""

    default_errno = errno.EINVAL


class NoSuchRange(SqlfsError):
    """No data, or no hole, from there on."""

    default_errno = errno.ENXIO


class NotPermitted(SqlfsError):
    default_errno = errno.EPERM


class BadHandle(SqlfsError):
    default_errno = errno.EBADF


class NoAttribute(SqlfsError):
    """No extended attribute of that name."""

    default_errno = errno.ENODATA


class NotSupported(SqlfsError):
    default_errno = errno.EOPNOTSUPP


class TooBig(SqlfsError):
    """A value over its limit (an xattr, a message)."""

    default_errno = errno.E2BIG


class FileTooBig(SqlfsError):
    default_errno = errno.EFBIG


class WouldBlock(SqlfsError, BlockingIOError):
    """An advisory lock is held by somebody else."""

    default_errno = errno.EAGAIN


class ReadOnly(SqlfsError):
    default_errno = errno.EROFS


class NoSpace(SqlfsError):
    default_errno = errno.ENOSPC


class QuotaExceeded(SqlfsError):
    """The volume holds as much as it may."""

    default_errno = errno.EDQUOT


class InputOutput(SqlfsError):
    """The storage below failed; nothing was acknowledged."""

    default_errno = errno.EIO


# --- the volume file ------------------------------------------------------------------------


class StoreError(SqlfsError):
    """Something about the volume file as a whole."""


class NotAVolumeFile(StoreError):
    """Not SQLite, or not ours."""

    default_errno = errno.EINVAL


class UnsupportedFormat(StoreError):
    """Written by a newer version, or needs a feature this version lacks."""

    default_errno = errno.EPROTONOSUPPORT


class Corrupt(StoreError):
    """A digest, a tag, a reference or SQLite's own structure is wrong.

    The message names what is affected; no other bytes are ever returned.
    """

    default_errno = errno.EIO
    # Of a chunk that can be read for the rest: its bytes, first and behind the last, that can't.
    part: tuple[int, int] | None = None


class DamagedRange(Corrupt):
    """Some bytes of a file can't be read; the message says which.  All others can."""


class MissingLog(StoreError):
    """The file says that a log belongs to it, and that log is not there."""

    default_errno = errno.EROFS


class DamagedLog(MissingLog):
    """The log ends before what is known to have been durable in it."""


class InUse(StoreError):
    """Another process owns the file (or the mountpoint) and can't be asked."""

    default_errno = errno.EBUSY


class NoSuchVolume(StoreError):
    default_errno = errno.ENOENT


class VolumeExists(StoreError):
    default_errno = errno.EEXIST


class WrongPassphrase(StoreError):
    default_errno = errno.EACCES


class PassphraseNeeded(StoreError):
    default_errno = errno.EACCES


class NoPassphraseNeeded(StoreError):
    """A passphrase was given for a plain volume."""

    default_errno = errno.EINVAL


class ConnectionLost(StoreError):
    """The process that owns the file went away."""

    default_errno = errno.ENOTCONN


class PeerRefused(StoreError):
    """The other end of the socket is not who it must be."""

    default_errno = errno.EACCES


class MountFailed(SqlfsError):
    """The kernel or fusermount3 refused the mount, or the mountpoint is unfit."""

    default_errno = errno.EINVAL


class UsageError(SqlfsError):
    """The command line says something that makes no sense."""

    default_errno = errno.EINVAL


# --- the file systems outside ---------------------------------------------------------------

_OF_ERRNO: Final[dict[int, type[SqlfsError]]] = {
    errno.ENOENT: NotFound,
    errno.EEXIST: AlreadyExists,
    errno.ENOTDIR: NotADirectory,
    errno.EISDIR: IsADirectory,
    errno.EACCES: NotPermitted,
    errno.EPERM: NotPermitted,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
}


def from_os(error: OSError, what: str) -> SqlfsError:
    """A system call's error about `what`, as the one of its meaning."""
    kind = _OF_ERRNO.get(error.errno or 0, SqlfsError)
    return kind(f"{what}: {error.strerror or error}", errno_=error.errno)
