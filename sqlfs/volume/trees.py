"""Whole trees: copying and removing them.  Memory is bounded by their depth and hard links."""

from __future__ import annotations

import stat

from sqlfs.errors import Invalid
from sqlfs.types import AttributeChanges, Attributes, Caller
from sqlfs.volume.entries import read_pages
from sqlfs.volume.session import Session


def copy_tree(
    session: Session, source: Attributes, parent: int, name: bytes, caller: Caller
) -> None:
    """Copy the directory `source` to a new `name` in `parent`; content is shared.

    Attributes, xattrs, symlinks and hard links within the tree are kept.  Raises Invalid when
    the copy would be a part of its own source.
    """
    if _is_within(session, parent, source.node):
        raise Invalid("a directory can't be copied into itself")
    twins: dict[int, int] = {}  # of nodes with several names
    todo = [(source, session.mkdir(parent, name, 0o700, caller).node)]
    while todo:
        original, copy = todo.pop()
        for page in read_pages(session, original.node):
            for entry in page:
                found = entry.attributes
                if found.is_dir:
                    twin = session.mkdir(copy, entry.name, 0o700, caller).node
                    todo.append((found, twin))
                elif found.node in twins:
                    session.link(twins[found.node], copy, entry.name)
                else:
                    twin = session.clone(found.node, copy, entry.name, caller).node
                    if found.nlink > 1:
                        twins[found.node] = twin
        # All its entries are placed: from here on nothing changes its times.
        _copy_attributes(session, original, copy)


def _copy_attributes(session: Session, original: Attributes, copy: int) -> None:
    names = session.listxattr(original.node)
    # Those that it inherited where it lies now.
    for name in set(session.listxattr(copy)).difference(names):
        session.removexattr(copy, name)
    for name in names:
        session.setxattr(copy, name, session.getxattr(original.node, name))
    session.setattr(
        copy,
        AttributeChanges(
            mode=stat.S_IMODE(original.mode),
            uid=original.uid,
            gid=original.gid,
            atime_ns=original.atime_ns,
            mtime_ns=original.mtime_ns,
        ),
    )


def remove_tree(session: Session, parent: int, name: bytes, node: int) -> None:
    """Remove the directory `node`, which is `name` in `parent`, with all that is in it."""
    todo = [(parent, name, node)]
    while todo:
        parent, name, node = todo[-1]
        page = next(read_pages(session, node), None)
        if page is None:
            session.rmdir(parent, name)
            todo.pop()
            continue
        for entry in page:
            if entry.attributes.is_dir:
                todo.append((node, entry.name, entry.attributes.node))
            else:
                session.unlink(node, entry.name)


def _is_within(session: Session, directory: int, ancestor: int) -> bool:
    while directory != ancestor:
        if directory == session.root:
            return False
        directory = session.lookup(directory, b"..").node
    return True
