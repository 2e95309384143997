"""POSIX ACLs as acl(5) and the kernel tell them, step by step."""

from __future__ import annotations

import errno
import stat
import struct

from sqlfs.errors import Invalid, NoAttribute, NotPermitted, NotSupported, TooBig
from sqlfs.limits import ACL_BYTES_MAX
from tests.model.volume import Node

ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
ACL_NAMES = (ACCESS, DEFAULT)

USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NOBODY = 2**32 - 1

Entry = tuple[int, int, int]  # tag, permissions, id


def encoded(entries: list[Entry]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def get_acl(node: Node, name: bytes) -> bytes:
    _refuse_symlink(node)
    if name not in node.xattrs:
        raise NoAttribute(f"node {node.id} has no ACL {name!r}")
    return node.xattrs[name]


def set_acl(node: Node, name: bytes, value: bytes) -> bool:
    """Whether anything changed."""
    if len(value) > ACL_BYTES_MAX:
        raise TooBig(f"a value of {len(value)} bytes is over {ACL_BYTES_MAX}")
    entries = _decoded(value)
    _refuse_symlink(node)
    if not entries:
        return remove_acl(node, name)
    if name == DEFAULT and not node.is_dir:
        raise NotPermitted("only directories have default ACLs", errno_=errno.EACCES)
    _check(entries)
    before = node.mode, dict(node.xattrs)
    node.xattrs[name] = encoded(entries)
    if name == ACCESS:
        node.mode = node.mode & ~0o777 | _mode_of(entries)
        if len(entries) == 3:
            del node.xattrs[ACCESS]
    return before != (node.mode, node.xattrs)


def remove_acl(node: Node, name: bytes) -> bool:
    """Whether there was one."""
    _refuse_symlink(node)
    return node.xattrs.pop(name, None) is not None


def follow_mode(node: Node) -> None:
    """The mode was set: the access ACL says the same from now on."""
    if ACCESS in node.xattrs:
        entries = _decoded(node.xattrs[ACCESS])
        node.xattrs[ACCESS] = encoded(_standing_for(entries, node.mode))


def inherit(directory: Node, node: Node, umask: int) -> None:
    """What a new node that was just made with its full mode gets."""
    if node.is_symlink:
        return
    if DEFAULT not in directory.xattrs:
        node.mode &= ~umask
        return
    entries = _decoded(directory.xattrs[DEFAULT])
    node.mode &= _mode_of(entries) | ~0o777
    if len(entries) > 3:
        node.xattrs[ACCESS] = encoded(_standing_for(entries, node.mode))
    if node.is_dir:
        node.xattrs[DEFAULT] = directory.xattrs[DEFAULT]


def _refuse_symlink(node: Node) -> None:
    if node.is_symlink:
        raise NotSupported("symlinks have no ACLs")


def _decoded(value: bytes) -> list[Entry]:
    if not value:
        return []
    if len(value) < 4:
        raise Invalid("no ACL is so short")
    if value[:4] != b"\2\0\0\0":
        raise NotSupported("an ACL of another version")
    if len(value) % 8 != 4:
        raise Invalid("an ACL that ends amid an entry")
    entries = []
    for start in range(4, len(value), 8):
        tag, permissions, id_ = struct.unpack("<HHI", value[start : start + 8])
        if tag not in (USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER):
            raise Invalid(f"an ACL with an entry of kind {tag}")
        if tag in (USER, GROUP) and id_ == NOBODY:
            raise Invalid("an ACL that names nobody")
        entries.append((tag, permissions, id_ if tag in (USER, GROUP) else NOBODY))
    return entries


def _check(entries: list[Entry]) -> None:
    tags = [tag for tag, _, _ in entries]
    if tags != sorted(tags):
        raise Invalid("an ACL out of order")
    for tag in (USER_OBJ, GROUP_OBJ, OTHER):
        if tags.count(tag) != 1:
            raise Invalid(f"an ACL with {tags.count(tag)} entries of kind {tag}")
    names_somebody = USER in tags or GROUP in tags
    if tags.count(MASK) > 1 or (names_somebody and MASK not in tags):
        raise Invalid("an ACL that needs one mask")
    if any(permissions > 7 for _, permissions, _ in entries):
        raise Invalid("an ACL that grants what is no permission")


def _mode_of(entries: list[Entry]) -> int:
    granted = {tag: permissions for tag, permissions, _ in entries}
    group = granted.get(MASK, granted[GROUP_OBJ])
    return granted[USER_OBJ] << 6 | group << 3 | granted[OTHER]


def _standing_for(entries: list[Entry], mode: int) -> list[Entry]:
    new = {USER_OBJ: stat.S_IMODE(mode) >> 6 & 7, OTHER: mode & 7}
    has_mask = any(tag == MASK for tag, _, _ in entries)
    new[MASK if has_mask else GROUP_OBJ] = mode >> 3 & 7
    return [(tag, new.get(tag, permissions), id_) for tag, permissions, id_ in entries]
