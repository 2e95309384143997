"""POSIX ACLs as tests write them: who is granted what, in the order of the entries."""

from __future__ import annotations

import struct

ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"

_TAGS = {"owner": 1, "user": 2, "group": 4, "groups": 8, "mask": 16, "other": 32}
NO_ID = 2**32 - 1


def acl(*entries: str, version: int = 2) -> bytes:
    """Each entry is like "owner:7", "user:6:1000" or "mask:4", permissions in octal digits."""
    parts = [entry.split(":") for entry in entries]
    return struct.pack("<I", version) + b"".join(
        struct.pack("<HHI", _TAGS[part[0]], int(part[1], 8), int(part[2]) if part[2:] else NO_ID)
        for part in parts
    )


MINIMAL = acl("owner:6", "group:4", "other:0")
NAMED = acl("owner:7", "user:6:1000", "group:5", "mask:4", "other:1")
MASKED = acl("owner:6", "group:7", "mask:5", "other:0")
MANY = acl("owner:7", "user:7:0", "user:5:4294967294", "group:1", "groups:6:7", "mask:7", "other:0")

UNSOUND = {
    "no header": b"\2\0\0",
    "amid an entry": NAMED[:-1],
    "no owner": acl("group:4", "other:0"),
    "no group": acl("owner:6", "other:0"),
    "no other": acl("owner:6", "group:4"),
    "two owners": acl("owner:6", "owner:6", "group:4", "other:0"),
    "two masks": acl("owner:6", "group:4", "mask:4", "mask:4", "other:0"),
    "two others": acl("owner:6", "group:4", "other:0", "other:0"),
    "no mask for a user": acl("owner:6", "user:6:5", "group:4", "other:0"),
    "no mask for a group": acl("owner:6", "group:4", "groups:6:5", "other:0"),
    "out of order": acl("owner:6", "group:4", "user:6:5", "mask:4", "other:0"),
    "other first": acl("other:0", "owner:6", "group:4"),
    "permissions": acl("owner:10", "group:4", "other:0"),
    "nobody": acl("owner:6", "user:6:4294967295", "group:4", "mask:4", "other:0"),
    "unknown kind": acl("owner:6", "group:4", "other:0")[:-8] + struct.pack("<HHI", 64, 0, NO_ID),
}
