"""The ACLs of nodes: kept as xattrs, handed down by directories, and true to modes.

Everything is as on ext4: an access ACL that says no more than a mode is not kept, and what changes
nothing leaves no trace.
"""

from __future__ import annotations

import errno
import stat
from typing import NamedTuple

from sqlfs.errors import Corrupt, Invalid, NoAttribute, NotPermitted, NotSupported
from sqlfs.namespace.acl import ACCESS_ACL, DEFAULT_ACL, PERMISSION_BITS, Acl
from sqlfs.namespace.nodes import NodeTable
from sqlfs.namespace.records import NodeRecord
from sqlfs.namespace.xattrs import XattrTable, check_value


class Inheritance(NamedTuple):
    """What a new node begins with."""

    mode: int
    access: Acl | None = None
    default: Acl | None = None


class NodeAcls:
    """Runs under the store's lock.  `name` is one of ``ACL_NAMES``."""

    def __init__(self, nodes: NodeTable, xattrs: XattrTable) -> None:
        self._nodes = nodes
        self._xattrs = xattrs

    def get(self, record: NodeRecord, name: bytes) -> bytes:
        """Raises NoAttribute, NotSupported for a symlink."""
        _check_type(record)
        value = self._xattrs.find(record, name)
        if value is None:
            raise NoAttribute(f"node {record.id} has no {name.decode()}")
        return value

    def set(self, record: NodeRecord, name: bytes, value: bytes) -> bool:
        """Whether anything changed.  An access ACL sets the mode's permission bits; an empty one
        is removed.  Raises Invalid, TooBig, NoSpace, NotSupported for a symlink or a version
        that is not known, NotPermitted (EACCES) for the default ACL of what is no directory."""
        check_value(name, value)
        acl = Acl.parse(value)
        _check_type(record)
        if acl is None:
            return self.remove(record, name)
        if name == DEFAULT_ACL:
            if not stat.S_ISDIR(record.mode):
                raise NotPermitted(
                    f"node {record.id} is not a directory: it has no default ACL",
                    errno_=errno.EACCES,
                )
            acl.check()
            return self._put(record, name, acl)
        acl.check()
        changed = self.remove(record, name) if acl.is_minimal else self._put(record, name, acl)
        mode = record.mode & ~PERMISSION_BITS | acl.mode
        if mode != record.mode:
            record.mode = mode
            self._nodes.touch(record)
            changed = True
        return changed

    def remove(self, record: NodeRecord, name: bytes) -> bool:
        """Whether there was one; the mode stays.  Raises NotSupported for a symlink."""
        _check_type(record)
        if self._xattrs.find(record, name) is None:
            return False
        self._xattrs.delete(record, name)
        return True

    def change_mode(self, record: NodeRecord, mode: int) -> None:
        """Set the mode, permission bits and others, and have the access ACL say the same."""
        access = self._stored(record, ACCESS_ACL)
        if access is not None:
            self._put(record, ACCESS_ACL, access.with_mode(mode))
        record.mode = stat.S_IFMT(record.mode) | stat.S_IMODE(mode)
        self._nodes.touch(record)

    def inheritance(self, directory: NodeRecord, mode: int, umask: int) -> Inheritance:
        """What a node of `mode`, with its type bits, begins with in `directory`: the default ACL
        limits the mode, or where there is none, `umask` does."""
        if stat.S_ISLNK(mode):
            return Inheritance(mode)
        default = self._stored(directory, DEFAULT_ACL)
        if default is None:
            return Inheritance(mode & ~(umask & PERMISSION_BITS))
        mode &= default.mode | ~PERMISSION_BITS
        return Inheritance(
            mode,
            access=None if default.is_minimal else default.with_mode(mode),
            default=default if stat.S_ISDIR(mode) else None,
        )

    def give(self, record: NodeRecord, inheritance: Inheritance) -> None:
        """Store the ACLs that a new node begins with."""
        if inheritance.access is not None:
            self._put(record, ACCESS_ACL, inheritance.access)
        if inheritance.default is not None:
            self._put(record, DEFAULT_ACL, inheritance.default)

    def _put(self, record: NodeRecord, name: bytes, acl: Acl) -> bool:
        value, there = acl.encode(), self._xattrs.find(record, name)
        if value == there:
            return False
        self._xattrs.put(record, name, value, is_new=there is None)
        return True

    def _stored(self, record: NodeRecord, name: bytes) -> Acl | None:
        value = self._xattrs.find(record, name)
        if value is None:
            return None
        try:
            acl = Acl.parse(value)
            if acl is not None:
                acl.check()
        except (Invalid, NotSupported) as error:
            raise Corrupt(f"{name.decode()} of node {record.id}: {error.message}") from None
        return acl


def _check_type(record: NodeRecord) -> None:
    if stat.S_ISLNK(record.mode):
        raise NotSupported(f"node {record.id} is a symlink: it has no ACL")
