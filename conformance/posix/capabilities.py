"""What a file system may lack without being wrong: probed, skipped for, and reported.

A probe asks in the plainest way and tells only "not there" from "there": how well it works is
for the cases to say.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from conformance.posix import acl, libc
from conformance.posix.processes import ALICE, in_child

Probe = Callable[[Path], str | None]

FILE_BYTES_MAX = 2**63 - 1
FICLONE = 0x40049409


def _file(place: Path) -> Path:
    path = place / "file"
    path.write_bytes(b"some bytes")
    return path


def _users(place: Path) -> str | None:
    if os.geteuid() != 0:
        return "only root can become other users"
    place.chmod(0o755)
    in_child(lambda: os.listdir(place), ALICE)
    return None


def _mknod(place: Path) -> None:
    os.mknod(place / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))


def _mounted_without(flag: int, word: str) -> Probe:
    return lambda place: f"mounted {word}" if os.statvfs(place).f_flag & flag else None


def _tmpfile(place: Path) -> None:
    os.close(os.open(place, os.O_TMPFILE | os.O_RDWR))


def _direct(place: Path) -> None:
    os.close(os.open(_file(place), os.O_RDWR | os.O_DIRECT))


def _xattr(name: str, bytes_: int = 1) -> Probe:
    return lambda place: os.setxattr(_file(place), name, b"v" * bytes_)


def _acl(place: Path) -> None:
    os.setxattr(_file(place), acl.ACCESS, acl.packed(acl.with_user(ALICE.uid, 7)))


def _rename(flags: int) -> Probe:
    def probe(place: Path) -> None:
        (place / "other").write_bytes(b"")
        target = "other" if flags & libc.RENAME_EXCHANGE else "new"
        libc.renameat2(_file(place), place / target, flags)

    return probe


def _clone(place: Path) -> None:
    with open(_file(place), "rb") as source, open(place / "clone", "wb") as target:
        fcntl.ioctl(target, FICLONE, source.fileno())


def _fallocate(mode: int) -> Probe:
    def probe(place: Path) -> None:
        path = place / "file"
        path.write_bytes(b"x" * (1 << 20))
        with open(path, "r+b") as file:
            libc.fallocate(file.fileno(), mode, 1 << 16, 1 << 16)

    return probe


def _preallocation(place: Path) -> str | None:
    with open(place / "file", "wb") as file:
        libc.fallocate(file.fileno(), 0, 0, 1 << 20)
        blocks = os.fstat(file.fileno()).st_blocks
    return None if blocks * 512 >= 1 << 20 else f"{blocks} blocks for 1 MiB"


def _holes(place: Path) -> str | None:
    with open(place / "file", "wb") as file:
        file.truncate(1 << 22)
        file.seek(1 << 21)
        file.write(b"x")
        file.flush()
        told = os.lseek(file.fileno(), 0, os.SEEK_DATA) > 0
    return None if told else "whole files count as data"


def _page_tail(place: Path) -> str | None:
    with open(_file(place), "r+b") as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), mmap.PAGESIZE) as memory:
            file.truncate(1)
            memory[1] = 1
        file.truncate(2)
        file.seek(1)
        return None if file.read(1) == b"\0" else "what maps write after the end stays"


def _largest_file(place: Path) -> str | None:
    with open(place / "file", "wb") as file:
        try:
            file.truncate(FILE_BYTES_MAX)
        except OSError as error:
            if error.errno == errno.EFBIG:
                return "a file has a smaller bound"
            raise
    return None


def _birth_time(place: Path) -> str | None:
    return "statx tells none" if libc.birth_time_ns(_file(place)) is None else None


def _inode_flags(place: Path) -> None:
    path = _file(place)
    libc.set_inode_flags(path, libc.FS_IMMUTABLE)
    libc.set_inode_flags(path, 0)


def _relatime(place: Path) -> str | None:
    found = ""
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        major, minor = fields[2].split(":")
        if os.makedev(int(major), int(minor)) == os.lstat(place).st_dev:
            found = fields[5]
    return None if "relatime" in found.split(",") else f"mounted {found or 'out of sight'}"


PROBES: dict[str, Probe] = {
    "users": _users,
    "mknod": _mknod,
    "suid": _mounted_without(os.ST_NOSUID, "nosuid"),
    "devices": _mounted_without(os.ST_NODEV, "nodev"),
    "exec": _mounted_without(os.ST_NOEXEC, "noexec"),
    "relatime": _relatime,
    "tmpfile": _tmpfile,
    "direct": _direct,
    "user_xattr": _xattr("user.probe"),
    "xattr_64k": _xattr("user.probe", 1 << 16),
    "trusted_xattr": _xattr("trusted.probe"),
    "security_xattr": _xattr("security.probe"),
    "acl": _acl,
    "noreplace": _rename(libc.RENAME_NOREPLACE),
    "exchange": _rename(libc.RENAME_EXCHANGE),
    "whiteout": _rename(libc.RENAME_WHITEOUT),
    "clone": _clone,
    "fallocate": _fallocate(0),
    "preallocation": _preallocation,
    "punch_hole": _fallocate(libc.FALLOC_PUNCH_HOLE | libc.FALLOC_KEEP_SIZE),
    "zero_range": _fallocate(libc.FALLOC_ZERO_RANGE),
    "collapse_range": _fallocate(libc.FALLOC_COLLAPSE_RANGE),
    "insert_range": _fallocate(libc.FALLOC_INSERT_RANGE),
    "holes": _holes,
    "page_tail": _page_tail,
    "largest_file": _largest_file,
    "birth_time": _birth_time,
    "inode_flags": _inode_flags,
}


def missing(name: str, directory: Path) -> str | None:
    """Why the file system of `directory` lacks the capability, in a few words; None if it has it.

    Raises KeyError for a name that is none.
    """
    probe = PROBES[name]
    with tempfile.TemporaryDirectory(dir=directory, prefix="probe-") as place:
        try:
            return probe(Path(place))
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
