"""Extended attributes of nodes."""

from __future__ import annotations

import errno
import struct

from sqlfs.crypto import Purpose
from sqlfs.errors import AlreadyExists, Corrupt, Invalid, NoAttribute, NoSpace, NotSupported, TooBig
from sqlfs.limits import (
    ACL_BYTES_MAX,
    XATTR_LIST_BYTES_MAX,
    XATTR_NAME_BYTES_MAX,
    XATTR_VALUE_BYTES_MAX,
)
from sqlfs.namespace.acl import ACL_NAMES
from sqlfs.namespace.nodes import NodeTable
from sqlfs.namespace.records import NodeRecord
from sqlfs.namespace.rows import VolumeRows
from sqlfs.types import XattrFlag

_NAME_LENGTH = struct.Struct("<B")
_NAMESPACES = (b"user.", b"trusted.", b"security.")


class XattrTable:
    """Runs under the store's lock.  A body is: name length u8, name, value."""

    def __init__(self, rows: VolumeRows, nodes: NodeTable) -> None:
        self._rows = rows
        self._nodes = nodes

    def get(self, record: NodeRecord, name: bytes) -> bytes:
        """Raises NoAttribute, NotSupported."""
        check_xattr_name(name)
        value = self.find(record, name)
        if value is None:
            raise NoAttribute(f"node {record.id} has no attribute {name!r}")
        return value

    def set(self, record: NodeRecord, name: bytes, value: bytes, flags: XattrFlag) -> None:
        check_xattr_name(name)
        check_value(name, value)
        if flags not in (XattrFlag.NONE, XattrFlag.CREATE, XattrFlag.REPLACE):
            raise Invalid(f"attribute {name!r}: flags {int(flags)}")
        exists = self.find(record, name) is not None
        if exists and flags == XattrFlag.CREATE:
            raise AlreadyExists(f"node {record.id} has an attribute {name!r} already")
        if not exists and flags == XattrFlag.REPLACE:
            raise NoAttribute(f"node {record.id} has no attribute {name!r}")
        self.put(record, name, value, is_new=not exists)

    def names(self, record: NodeRecord) -> list[bytes]:
        if not record.has_xattrs:
            return []
        return [name for name, _ in self._all(record)]

    def remove(self, record: NodeRecord, name: bytes) -> None:
        check_xattr_name(name)
        if self.find(record, name) is None:
            raise NoAttribute(f"node {record.id} has no attribute {name!r}")
        self.delete(record, name)

    def remove_all(self, record: NodeRecord) -> None:
        if record.has_xattrs:
            self._rows.db.write("xattr_delete_all", record.id)

    def copy(self, source: NodeRecord, target: NodeRecord) -> None:
        if source.has_xattrs:
            for name, value in self._all(source):
                self._write(target, name, value)

    # --- for those who have checked the name ---

    def find(self, record: NodeRecord, name: bytes) -> bytes | None:
        if not record.has_xattrs:
            return None
        tag = self._rows.sealer.xattr_tag(record.id, name)
        row = self._rows.db.row("xattr_get", record.id, tag)
        if row is None:
            return None
        stored, value = self._open(record.id, tag, *row)
        if stored != name:
            raise Corrupt(f"an extended attribute of node {record.id} is filed under a wrong name")
        return value

    def put(self, record: NodeRecord, name: bytes, value: bytes, *, is_new: bool) -> None:
        """Store a value; `is_new`: there is none yet.  Raises NoSpace."""
        if is_new:
            names = sum(len(each) + 1 for each in self.names(record))
            if names + len(name) + 1 > XATTR_LIST_BYTES_MAX:
                raise NoSpace(f"node {record.id} has too many attributes")
        self._write(record, name, value)

    def delete(self, record: NodeRecord, name: bytes) -> None:
        tag = self._rows.sealer.xattr_tag(record.id, name)
        self._rows.db.write("xattr_delete", record.id, tag)
        record.has_xattrs = bool(self._all(record))
        self._nodes.touch(record)

    def _write(self, record: NodeRecord, name: bytes, value: bytes) -> None:
        rows = self._rows
        tag = rows.sealer.xattr_tag(record.id, name)
        body = _NAME_LENGTH.pack(len(name)) + name + value
        sealed = rows.sealer.seal(Purpose.XATTR, (rows.uuid, record.id, tag, rows.epoch), body)
        rows.db.write("xattr_set", record.id, tag, rows.epoch, rows.sealer.generation, sealed)
        record.has_xattrs = True
        self._nodes.touch(record)

    def _all(self, record: NodeRecord) -> list[tuple[bytes, bytes]]:
        return [self._open(record.id, *row) for row in self._rows.db.rows("xattr_all", record.id)]

    def _open(
        self, node: int, tag: bytes, since: int, generation: int, sealed: bytes
    ) -> tuple[bytes, bytes]:
        rows = self._rows
        what = f"extended attribute of node {node}"
        aad = (rows.uuid, node, tag, since)
        body = rows.open(Purpose.XATTR, aad, generation, sealed, what)
        return check_stored_xattr(body, what)


def check_stored_xattr(body: bytes, what: str) -> tuple[bytes, bytes]:
    """Name and value of what a row holds.  Raises Corrupt."""
    if not body or len(body) < 1 + body[0]:
        raise Corrupt(f"{what}: row too short")
    return body[1 : 1 + body[0]], body[1 + body[0] :]


def check_value(name: bytes, value: bytes) -> None:
    """Raises TooBig."""
    limit = ACL_BYTES_MAX if name in ACL_NAMES else XATTR_VALUE_BYTES_MAX
    if len(value) > limit:
        raise TooBig(f"attribute {name!r}: value over {limit} bytes")


def check_xattr_name(name: bytes) -> None:
    """Raises Invalid (ERANGE by length, EINVAL else), NotSupported for another namespace."""
    if not 1 <= len(name) <= XATTR_NAME_BYTES_MAX:
        raise Invalid(
            f"an attribute name of {len(name)} bytes is not of 1 to {XATTR_NAME_BYTES_MAX}",
            errno_=errno.ERANGE,
        )
    if not name.startswith(_NAMESPACES):
        raise NotSupported(f"attribute {name!r}: its namespace is not kept")
    if name in _NAMESPACES or b"\0" in name:
        raise Invalid(f"{name!r} cannot name an attribute")
