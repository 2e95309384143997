"""POSIX access control lists in the form of the system.posix_acl_* attributes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ACCESS = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"

VERSION = 2
USER_OBJ = 0x01
USER = 0x02
GROUP_OBJ = 0x04
GROUP = 0x08
MASK = 0x10
OTHER = 0x20
NO_ID = 0xFFFFFFFF

_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")


@dataclass(frozen=True)
class Entry:
    """`permissions` as in a mode: 4 read, 2 write, 1 execute."""

    tag: int
    permissions: int
    id: int = NO_ID


def packed(entries: list[Entry], version: int = VERSION) -> bytes:
    return _HEADER.pack(version) + b"".join(
        _ENTRY.pack(it.tag, it.permissions, it.id) for it in entries
    )


def unpacked(value: bytes) -> list[Entry]:
    (version,) = _HEADER.unpack_from(value)
    assert version == VERSION
    return [Entry(*fields) for fields in _ENTRY.iter_unpack(value[_HEADER.size :])]


def minimal(mode: int) -> list[Entry]:
    """The list that says no more than the permission bits of `mode`."""
    return [
        Entry(USER_OBJ, mode >> 6 & 7),
        Entry(GROUP_OBJ, mode >> 3 & 7),
        Entry(OTHER, mode & 7),
    ]


def extended(mode: int, named: list[Entry], mask: int) -> list[Entry]:
    """`mode` with entries for named users and groups, and a mask."""
    user, group, other = minimal(mode)
    users = [it for it in named if it.tag == USER]
    groups = [it for it in named if it.tag == GROUP]
    return [user, *users, group, *groups, Entry(MASK, mask), other]


def with_user(uid: int, permissions: int, *, mode: int = 0o640, mask: int = 7) -> list[Entry]:
    return extended(mode, [Entry(USER, permissions, uid)], mask)


def with_group(gid: int, permissions: int, *, mode: int = 0o640, mask: int = 7) -> list[Entry]:
    return extended(mode, [Entry(GROUP, permissions, gid)], mask)
