"""Attaching a mount: by mount(2), or for those who may not, by fusermount3."""

from __future__ import annotations

import array
import ctypes
import errno
import os
import socket
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlfs.errors import MountFailed

DEVICE: Final = Path("/dev/fuse")
SUBTYPE: Final = "sqlfs"

# <sys/mount.h>; each word that is not a default, as fusermount3 and mount(8) spell it.
MOUNT_FLAGS: Final = {
    "ro": 1 << 0,
    "nosuid": 1 << 1,
    "nodev": 1 << 2,
    "noexec": 1 << 3,
    "sync": 1 << 4,
    "dirsync": 1 << 7,
    "nosymfollow": 1 << 8,
    "noatime": 1 << 10,
    "nodiratime": 1 << 11,
}

_REMOUNT: Final = 1 << 5

_HELPER: Final = "fusermount3"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Attachment:
    """How the kernel is to show a mount.  `flags` are words of MOUNT_FLAGS; permissions are
    always checked by the kernel, as nobody else does."""

    source: str
    flags: frozenset[str]
    allow_other: bool


def attach(directory: Path, wanted: Attachment) -> int:
    """Mount on `directory`; the descriptor to serve the mount by.  Raises MountFailed."""
    try:
        return _mounted(directory, wanted)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES) and os.geteuid() != 0:
            return _ask_helper(directory, wanted)
        raise MountFailed(
            f"cannot mount on {directory}: {error.strerror}", errno_=error.errno
        ) from None


def _mounted(directory: Path, wanted: Attachment) -> int:
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        _mount(descriptor, directory, wanted)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _mount(descriptor: int, directory: Path, wanted: Attachment) -> None:
    kind = stat.S_IFMT(directory.stat().st_mode)
    data = (
        f"fd={descriptor},rootmode={kind:o},user_id={os.geteuid()},group_id={os.getegid()},"
        "default_permissions"
    )
    if wanted.allow_other:
        data += ",allow_other"
    flags = sum(MOUNT_FLAGS[word] for word in wanted.flags)
    source, target = os.fsencode(wanted.source), os.fsencode(directory)
    if _libc.mount(source, target, f"fuse.{SUBTYPE}".encode(), flags, data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def remount(directory: Path, flags: frozenset[str]) -> None:
    """Give the mount on `directory` these `flags` and no others.  Raises OSError."""
    bits = sum(MOUNT_FLAGS[word] for word in flags) | _REMOUNT
    if _libc.mount(None, os.fsencode(directory), None, bits, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ask_helper(directory: Path, wanted: Attachment) -> int:
    """fusermount3 is set-user-id root; it mounts, and hands the descriptor over a socket."""
    options = ["default_permissions", f"fsname={_escaped(wanted.source)}", f"subtype={SUBTYPE}"]
    options += sorted(wanted.flags)
    if wanted.allow_other:
        options.append("allow_other")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            done = subprocess.run(
                [_HELPER, "-o", ",".join(options), "--", str(directory)],
                env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise MountFailed(
                f"cannot mount on {directory}: {_HELPER} does not run: {error.strerror} "
                "(install the package fuse3)",
                errno_=error.errno,
            ) from None
        if done.returncode != 0:
            raise _refused(directory, done.stderr.decode(errors="replace"))
        return _received(ours, directory)


def _received(end: socket.socket, directory: Path) -> int:
    number = array.array("i")
    end.setblocking(False)
    try:
        _, parts, _, _ = end.recvmsg(1, socket.CMSG_SPACE(number.itemsize))
    except BlockingIOError:
        parts = []
    for _, kind, content in parts:
        if kind == socket.SCM_RIGHTS:
            number.frombytes(content[: number.itemsize])
            os.set_inheritable(number[0], False)
            return number[0]
    raise MountFailed(f"cannot mount on {directory}: {_HELPER} handed no descriptor over")


def _refused(directory: Path, said: str) -> MountFailed:
    lines = [line.removeprefix(f"{_HELPER}: ") for line in said.splitlines() if line]
    reason = lines[0] if lines else f"{_HELPER} refused, and did not say why"
    if "user_allow_other" in said:
        return MountFailed(
            f"cannot mount on {directory} with allow_other: only root may let other users in, "
            "unless root adds the line user_allow_other to /etc/fuse.conf",
            errno_=errno.EPERM,
        )
    # The helper keeps the number to itself, but not its name.
    for number in (errno.EPERM, errno.EACCES):
        if os.strerror(number) in said:
            return MountFailed(f"cannot mount on {directory}: {reason}", errno_=number)
    return MountFailed(f"cannot mount on {directory}: {reason}")


def _escaped(value: str) -> str:
    """`value` as fusermount3 reads it back."""
    return value.replace("\\", "\\\\").replace(",", "\\,")
