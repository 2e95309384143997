"""The verbs on attributes: stat, symlink targets, extended attributes."""

from __future__ import annotations

import errno
import stat

from sqlfs.errors import (
    AlreadyExists,
    FileTooBig,
    Invalid,
    IsADirectory,
    NoAttribute,
    NoSpace,
    NotSupported,
    TooBig,
)
from sqlfs.limits import (
    FILE_BYTES_MAX,
    XATTR_LIST_BYTES_MAX,
    XATTR_NAME_BYTES_MAX,
    XATTR_VALUE_BYTES_MAX,
)
from sqlfs.types import AttributeChanges, Attributes, Change, ChangeKind, XattrFlag
from tests.model.acls import ACL_NAMES, follow_mode, get_acl, remove_acl, set_acl
from tests.model.base import SessionState
from tests.model.volume import ModelVolume, Node


class AttributeVerbs(SessionState):
    def getattr(self, node: int) -> Attributes:
        with self._reading() as state:
            return state.attributes(state.node(node))

    def setattr(self, node: int, changes: AttributeChanges) -> Attributes:
        with self._changing() as told:
            state = self._state
            it = state.node(node)
            if changes.size is not None:
                check_size(it, changes.size)
                it.content.truncate(changes.size)
                state.touch(it)
            if changes.mode is not None:
                it.mode = stat.S_IFMT(it.mode) | stat.S_IMODE(changes.mode)
                follow_mode(it)
            if changes.uid is not None:
                it.uid = changes.uid
            if changes.gid is not None:
                it.gid = changes.gid
            if changes.atime_ns is not None:
                it.atime_ns = changes.atime_ns
            if changes.mtime_ns is not None:
                it.mtime_ns = changes.mtime_ns
            it.ctime_ns = state.now() if changes.ctime_ns is None else changes.ctime_ns
            kind = ChangeKind.ATTRIBUTES if changes.size is None else ChangeKind.CONTENT
            told.append(Change(kind, node))
            return state.attributes(it)

    def readlink(self, node: int) -> bytes:
        with self._reading() as state:
            it = state.node(node)
            if not it.is_symlink:
                raise Invalid(f"node {node} is not a symlink")
            return it.target

    # --- extended attributes ---

    def getxattr(self, node: int, name: bytes) -> bytes:
        with self._reading() as state:
            if name in ACL_NAMES:
                return get_acl(state.node(node), name)
            return _xattr(state, node, name)

    def setxattr(
        self, node: int, name: bytes, value: bytes, flags: XattrFlag = XattrFlag.NONE
    ) -> None:
        with self._changing() as told:
            if name in ACL_NAMES:
                if set_acl(self._state.node(node), name, value):
                    self._note_xattrs(node, told)
                return
            xattrs = self._state.node(node).xattrs
            _check_xattr_name(name)
            if len(value) > XATTR_VALUE_BYTES_MAX:
                raise TooBig(f"a value of {len(value)} bytes is over {XATTR_VALUE_BYTES_MAX}")
            if name in xattrs and flags & XattrFlag.CREATE:
                raise AlreadyExists(f"node {node} has an attribute {name!r} already")
            if name not in xattrs and flags & XattrFlag.REPLACE:
                raise NoAttribute(f"node {node} has no attribute {name!r}")
            if sum(len(listed) + 1 for listed in {*xattrs, name}) > XATTR_LIST_BYTES_MAX:
                raise NoSpace(f"the attribute names of node {node} are over the limit")
            xattrs[name] = bytes(value)
            self._note_xattrs(node, told)

    def listxattr(self, node: int) -> list[bytes]:
        with self._reading() as state:
            return list(state.node(node).xattrs)

    def removexattr(self, node: int, name: bytes) -> None:
        with self._changing() as told:
            if name in ACL_NAMES:
                if remove_acl(self._state.node(node), name):
                    self._note_xattrs(node, told)
                return
            _xattr(self._state, node, name)
            del self._state.node(node).xattrs[name]
            self._note_xattrs(node, told)

    def _note_xattrs(self, node: int, told: list[Change]) -> None:
        self._state.node(node).ctime_ns = self._state.now()
        told.append(Change(ChangeKind.ATTRIBUTES, node))


def check_size(node: Node, size: int) -> None:
    """Whether `node` may be of `size` bytes.  Raises IsADirectory, Invalid, FileTooBig."""
    if node.is_dir:
        raise IsADirectory(f"node {node.id} is a directory: it has no size to set")
    if not node.is_file:
        raise Invalid(f"node {node.id} is not a regular file: it has no size to set")
    if size < 0:
        raise Invalid(f"a size of {size} bytes is below 0")
    if size > FILE_BYTES_MAX:
        raise FileTooBig(f"a size of {size} bytes is over the limit of {FILE_BYTES_MAX}")


def _xattr(state: ModelVolume, node: int, name: bytes) -> bytes:
    xattrs = state.node(node).xattrs
    _check_xattr_name(name)
    if name not in xattrs:
        raise NoAttribute(f"node {node} has no attribute {name!r}")
    return xattrs[name]


def _check_xattr_name(name: bytes) -> None:
    if not 1 <= len(name) <= XATTR_NAME_BYTES_MAX:
        raise Invalid(
            f"an attribute name of {len(name)} bytes is not of 1 to {XATTR_NAME_BYTES_MAX}",
            errno_=errno.ERANGE,
        )
    namespaces = (b"user.", b"trusted.", b"security.")
    if not name.startswith(namespaces):
        raise NotSupported(f"the attribute {name!r} is in no namespace that is kept")
    if name in namespaces or b"\0" in name:
        raise Invalid(f"{name!r} cannot name an attribute")
