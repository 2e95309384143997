"""POSIX access control lists: their bytes, their rules, and what they mean to a mode.

Pure.  The bytes are those that programs and the Linux kernel exchange, little-endian::

    version u32 (2), then for each entry: tag u16, permissions u16 (0 to 7), id u32

An access ACL says who may do what with a node, a default ACL what is made in a directory begins
with.  Three entries of an access ACL are the permission bits of the node's mode in another
form: the owner's, the group's (or the mask, where there is one) and the others'.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from sqlfs.errors import Invalid, NotSupported

ACCESS_ACL: Final = b"system.posix_acl_access"
DEFAULT_ACL: Final = b"system.posix_acl_default"
ACL_NAMES: Final = (ACCESS_ACL, DEFAULT_ACL)

PERMISSION_BITS: Final = 0o777

_VERSION = 2
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_NO_ID = 2**32 - 1


class Tag(IntEnum):
    """Whom an entry is about; the names are those of acl(5)."""

    USER_OBJ = 0x01
    USER = 0x02
    GROUP_OBJ = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


_NAMED = (Tag.USER, Tag.GROUP)
_MINIMAL = (Tag.USER_OBJ, Tag.GROUP_OBJ, Tag.OTHER)
# The tags of an ACL, a byte each: without a mask nobody is named.
_SOUND = re.compile(rb"\x01\x02*\x04\x08*\x10\x20|\x01\x04\x20")


@dataclass(frozen=True, slots=True)
class Entry:
    """`permissions` are read 4, write 2, execute 1; `id` counts for USER and GROUP only."""

    tag: Tag
    permissions: int
    id: int = _NO_ID


@dataclass(frozen=True, slots=True)
class Acl:
    """A list that may be stored once :meth:`check` has nothing against it."""

    entries: tuple[Entry, ...]

    @classmethod
    def parse(cls, value: bytes) -> Acl | None:
        """None for a list without entries.  Raises Invalid for what is no list at all or names
        what can't exist, and NotSupported for one of another version."""
        if not value:
            return None
        if len(value) < _HEADER.size:
            raise Invalid(f"an ACL of {len(value)} bytes is too short")
        (version,) = _HEADER.unpack_from(value)
        if version != _VERSION:
            raise NotSupported(f"an ACL of version {version}: only version {_VERSION} is known")
        if (len(value) - _HEADER.size) % _ENTRY.size:
            raise Invalid(f"an ACL of {len(value)} bytes ends amid an entry")
        try:
            entries = tuple(
                Entry(Tag(tag), permissions, id_ if tag in _NAMED else _NO_ID)
                for tag, permissions, id_ in _ENTRY.iter_unpack(value[_HEADER.size :])
            )
        except ValueError:
            raise Invalid("an ACL has an entry of an unknown kind") from None
        if any(entry.tag in _NAMED and entry.id == _NO_ID for entry in entries):
            raise Invalid("an ACL names a user or group that can't exist")
        return cls(entries) if entries else None

    def encode(self) -> bytes:
        return _HEADER.pack(_VERSION) + b"".join(
            _ENTRY.pack(entry.tag, entry.permissions, entry.id) for entry in self.entries
        )

    def check(self) -> None:
        """Raises Invalid where entries are missing, out of order or out of bounds."""
        if not _SOUND.fullmatch(bytes(entry.tag for entry in self.entries)):
            raise Invalid(
                "an ACL has entries for the owner, users, the group, groups, the mask and others,"
                " in this order; without a mask it names nobody"
            )
        for entry in self.entries:
            if entry.permissions > 7:
                raise Invalid(f"an ACL grants {entry.permissions:#o}, which is no permission")

    @property
    def is_minimal(self) -> bool:
        """Whether it says no more than the permission bits of a mode."""
        return tuple(entry.tag for entry in self.entries) == _MINIMAL

    @property
    def mode(self) -> int:
        """The permission bits that it stands for; the mask's, where there is one, as the
        group's."""
        shifts = self._shifts()
        return sum(
            entry.permissions << shifts[entry.tag] for entry in self.entries if entry.tag in shifts
        )

    def with_mode(self, mode: int) -> Acl:
        """The same list, standing for the permission bits of `mode`."""
        shifts = self._shifts()
        return Acl(
            tuple(
                replace(entry, permissions=mode >> shifts[entry.tag] & 7)
                if entry.tag in shifts
                else entry
                for entry in self.entries
            )
        )

    def _shifts(self) -> dict[Tag, int]:
        has_mask = any(entry.tag == Tag.MASK for entry in self.entries)
        return {Tag.USER_OBJ: 6, Tag.MASK if has_mask else Tag.GROUP_OBJ: 3, Tag.OTHER: 0}
