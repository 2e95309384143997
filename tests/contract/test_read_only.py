"""A read-only session reads everything and changes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sqlfs.errors import NotFound, ReadOnly
from sqlfs.types import AttributeChanges
from sqlfs.volume.session import Session
from tests.contract.nodes import ME, content, make_directory, make_file, names


@dataclass(frozen=True)
class Tree:
    root: int
    file: int
    directory: int


MUTATIONS: dict[str, Callable[[Session, Tree], object]] = {
    "mknod": lambda s, t: s.mknod(t.root, b"new", stat.S_IFREG | 0o644, 0, ME),
    "mkdir": lambda s, t: s.mkdir(t.root, b"new", 0o755, ME),
    "symlink": lambda s, t: s.symlink(t.root, b"new", b"target", ME),
    "link": lambda s, t: s.link(t.file, t.root, b"new"),
    "unlink": lambda s, t: s.unlink(t.root, b"file"),
    "rmdir": lambda s, t: s.rmdir(t.root, b"directory"),
    "rename": lambda s, t: s.rename(t.root, b"file", t.root, b"new"),
    "clone": lambda s, t: s.clone(t.file, t.root, b"new", ME),
    "chmod": lambda s, t: s.setattr(t.file, AttributeChanges(mode=0)),
    "truncate": lambda s, t: s.setattr(t.file, AttributeChanges(size=0)),
    "setxattr": lambda s, t: s.setxattr(t.file, b"user.new", b"value"),
    "removexattr": lambda s, t: s.removexattr(t.file, b"user.note"),
    "create": lambda s, t: s.create(t.root, b"new", 0o644, os.O_RDWR, ME),
    "open to write": lambda s, t: s.open(t.file, os.O_WRONLY),
    "open to read and write": lambda s, t: s.open(t.file, os.O_RDWR),
    "open to truncate": lambda s, t: s.open(t.file, os.O_RDONLY | os.O_TRUNC),
}


@pytest.fixture
def tree(session: Session) -> Tree:
    file_ = make_file(session, b"file", b"data")
    session.setxattr(file_, b"user.note", b"kept")
    return Tree(session.root, file_, make_directory(session, b"directory"))


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_refuses(reader: Session, session: Session, tree: Tree, mutation: str) -> None:
    before = session.getattr(tree.file), session.getattr(tree.root)
    with pytest.raises(ReadOnly):
        MUTATIONS[mutation](reader, tree)
    assert (session.getattr(tree.file), session.getattr(tree.root)) == before
    assert names(session) == [b"file", b"directory"]
    assert content(session, tree.file) == b"data"


def test_knows_itself(reader: Session, session: Session) -> None:
    assert reader.read_only
    assert not session.read_only


def test_reads(reader: Session, session: Session, tree: Tree) -> None:
    assert names(reader) == [b"file", b"directory"]
    assert content(reader, tree.file) == b"data"
    assert reader.getxattr(tree.file, b"user.note") == b"kept"
    assert reader.getattr(tree.file).node == session.getattr(tree.file).node
    assert reader.resolve(b"/directory").node == tree.directory
    assert reader.statfs().nodes > 0


def test_sees_what_others_change(reader: Session, session: Session, tree: Tree) -> None:
    assert content(reader, tree.file) == b"data"
    handle = session.open(tree.file, os.O_WRONLY | os.O_TRUNC)
    session.write(handle, 0, b"new data")
    session.flush(handle)
    session.release(handle)
    session.rename(session.root, b"file", tree.directory, b"file")
    assert content(reader, reader.resolve(b"/directory/file").node) == b"new data"
    with pytest.raises(NotFound):
        reader.resolve(b"/file")


def test_may_sync_pin_and_lock(reader: Session, tree: Tree) -> None:
    reader.pin(tree.file)
    handle = reader.open(tree.file, os.O_RDONLY)
    reader.lock(handle, exclusive=False)
    reader.fsync(handle)
    reader.flush(handle)
    reader.fsyncdir(tree.root)
    reader.sync()
    reader.release(handle)
    reader.unpin(tree.file)
    assert content(reader, tree.file) == b"data"
