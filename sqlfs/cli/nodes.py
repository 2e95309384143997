"""A node as ls, tree and stat describe it."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from typing import Final

from sqlfs.volume.files import FileSystem

_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char_device",
    stat.S_IFBLK: "block_device",
}
_BLOCK_BYTES: Final = 512

JSON_FIELDS: Final = """\
JSON fields of an entry:
  path       in the volume, absolute
  node       its id, the inode number at a mount
  type       file, directory, symlink, fifo, socket, char_device or block_device
  mode       permission bits, octal: "0644"
  nlink, uid, gid
  size       bytes
  allocated  bytes of content that exist: holes do not
  atime_ns, mtime_ns, ctime_ns   ns since 1970-01-01 UTC
  target     of symlinks only
  rdev       of devices only: [major, minor]
"""


def kind(status: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "unknown")


def is_device(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)


def fields(files: FileSystem, path: str, status: os.stat_result) -> dict[str, object]:
    """What ``JSON_FIELDS`` lists."""
    described: dict[str, object] = {
        "path": path,
        "node": status.st_ino,
        "type": kind(status),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "nlink": status.st_nlink,
        "uid": status.st_uid,
        "gid": status.st_gid,
        "size": status.st_size,
        "allocated": status.st_blocks * _BLOCK_BYTES,
        "atime_ns": status.st_atime_ns,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }
    if stat.S_ISLNK(status.st_mode):
        described["target"] = files.readlink(path)
    if is_device(status):
        described["rdev"] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
    return described


@functools.lru_cache(maxsize=1024)
def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


@functools.lru_cache(maxsize=1024)
def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)
