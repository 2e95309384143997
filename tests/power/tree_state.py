"""What a volume holds as its users see it: names, attributes but times, xattrs, contents."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from blake3 import blake3

from sqlfs.types import AttributeChanges, Attributes, Caller, DirectoryEntry
from sqlfs.volume.session import Session

_PAGE = 1000
_ME = Caller(0, 0)

Place = tuple[bytes, Attributes]


def places(session: Session) -> list[Place]:
    """Every path with what is there, a directory before what it holds; the root is empty."""
    root = session.getattr(session.root)
    return [(b"", root), *_below(session, b"", root.node)]


def digest_of(session: Session) -> bytes:
    """The whole tree.  Hard links count: which names mean one node, not which number it has."""
    first_names: dict[int, bytes] = {}
    digest = blake3()
    for path, there in places(session):
        node = first_names.setdefault(there.node, path)
        size = 0 if there.is_dir else there.size
        shown = (path, node, there.mode, there.nlink, there.uid, there.gid, there.rdev, size)
        digest.update(repr(shown).encode())
        if node == path:
            xattrs = {name: session.getxattr(there.node, name) for name in _xattrs(session, there)}
            digest.update(repr(xattrs).encode())
            digest.update(_content(session, there))
    return digest.digest()


def copy_tree(source: Session, target: Session) -> None:
    """Make the empty volume of `target` hold what `source` shows."""
    nodes = {source.root: target.root}
    _copy_attributes(source, target, source.getattr(source.root), target.root)
    for path, there in places(source)[1:]:
        parent, _, name = path.rpartition(b"/")
        at = target.resolve(parent).node
        if there.node in nodes:
            target.link(nodes[there.node], at, name)
            continue
        nodes[there.node] = _make(source, target, at, name, there)
        _copy_attributes(source, target, there, nodes[there.node])


def _make(source: Session, target: Session, at: int, name: bytes, there: Attributes) -> int:
    if there.is_dir:
        return target.mkdir(at, name, 0, _ME).node
    if there.is_symlink:
        return target.symlink(at, name, source.readlink(there.node), _ME).node
    made = target.mknod(at, name, there.mode, there.rdev, _ME)
    if there.is_file:
        handle = target.open(made.node, os.O_WRONLY)
        target.write(handle, 0, _content(source, there))
        target.release(handle)
    return made.node


def _copy_attributes(source: Session, target: Session, there: Attributes, node: int) -> None:
    mode = stat.S_IMODE(there.mode)
    target.setattr(node, AttributeChanges(mode=mode, uid=there.uid, gid=there.gid))
    kept = _xattrs(source, there)
    for inherited in set(target.listxattr(node)).difference(kept):
        target.removexattr(node, inherited)
    for name in kept:
        target.setxattr(node, name, source.getxattr(there.node, name))


def _below(session: Session, path: bytes, directory: int) -> Iterator[Place]:
    for entry in sorted(session.readdir(directory, 0, _PAGE), key=_name):
        place = path + b"/" + entry.name
        yield place, entry.attributes
        if entry.attributes.is_dir:
            yield from _below(session, place, entry.attributes.node)


def _name(entry: DirectoryEntry) -> bytes:
    return entry.name


def _xattrs(session: Session, there: Attributes) -> list[bytes]:
    return sorted(session.listxattr(there.node))


def _content(session: Session, there: Attributes) -> bytes:
    if there.is_symlink:
        return session.readlink(there.node)
    if not there.is_file:
        return b""
    handle = session.open(there.node, os.O_RDONLY)
    try:
        return session.read(handle, 0, there.size)
    finally:
        session.release(handle)
