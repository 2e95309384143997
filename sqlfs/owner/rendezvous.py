"""Where the owner of a volume file listens, and who may meet there.

The socket is named after the file's device and inode, so every name of the file leads to it.
Its folder may be one that everybody can write to, and anybody can put a socket there first:
the kernel's word on who the peer is (SO_PEERCRED) decides, at both ends, before any secret
passes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHARED_FOLDER: Final = Path("/run/sqlfs")
_SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path, less its NUL
_CREDENTIALS = struct.Struct("iII")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, by the kernel's word."""

    pid: int
    uid: int

    @classmethod
    def of(cls, connection: socket.socket) -> Peer:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _gid = _CREDENTIALS.unpack(raw)
        return cls(pid, uid)

    def is_trusted(self, file_uid: int) -> bool:
        """Whether the peer is root, this process's user, or the owner of the file's inode."""
        return self.uid in (0, os.geteuid(), file_uid)


def socket_name(device: int, inode: int) -> str:
    return f"{device:x}-{inode:x}.sock"


def places(device: int, inode: int, file_uid: int) -> Iterator[Path]:
    """Every path where a socket of a trusted owner can be."""
    seen = set()
    for uid in (os.geteuid(), file_uid, 0):
        for folder in _folders(uid):
            if folder not in seen:
                seen.add(folder)
                yield folder / socket_name(device, inode)


def publish(device: int, inode: int) -> tuple[socket.socket, Path] | None:
    """Listen at the first place that is fit; None when there is none.

    The caller owns the file, so a socket that is there already was left by an owner that died,
    or was put there by somebody who is none.
    """
    for folder in _folders(os.geteuid()):
        path = folder / socket_name(device, inode)
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX and _prepare(folder):
            with contextlib.suppress(OSError):
                return _listen(path), path
    return None


def _folders(uid: int) -> Iterator[Path]:
    """Where an owner running as `uid` listens, best first."""
    yield _SHARED_FOLDER
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if uid == os.geteuid() and Path(own).is_absolute():
        yield Path(own) / "sqlfs"
    yield Path(f"/run/user/{uid}/sqlfs")
    yield Path(f"/tmp/sqlfs-{uid}")


def _prepare(folder: Path) -> bool:
    """Make `folder` if need be; whether nobody else can take our socket there away."""
    shared = folder == _SHARED_FOLDER
    with contextlib.suppress(OSError):
        folder.mkdir(0o700)
        if shared:
            folder.chmod(0o1777)
    try:
        there = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(there.st_mode) or not os.access(folder, os.W_OK | os.X_OK):
        return False
    if there.st_uid != (0 if shared else os.geteuid()):
        return False
    writable_by_others = bool(there.st_mode & 0o022)
    return not writable_by_others or bool(there.st_mode & stat.S_ISVTX)


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fsencode(path))
        # The file's owner may be another user: who connects is looked at, not kept away.
        path.chmod(0o666)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def spellings(directory: str) -> list[str]:
    """The absolute paths by which a mount at `directory` may be known."""
    # Only what leads to the mountpoint is looked at: a dead mount answers nothing.
    absolute = os.path.abspath(directory)  # noqa: PTH100 -- not resolved
    parent, name = os.path.split(absolute)
    resolved = [os.path.join(os.path.realpath(parent), name)]  # noqa: PTH118
    with contextlib.suppress(OSError):
        resolved.append(os.path.realpath(absolute, strict=True))
    return list(dict.fromkeys([absolute, *resolved]))
