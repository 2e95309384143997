"""What is there again when the volume was closed and opened."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable

import pytest

from sqlfs.errors import NotFound
from sqlfs.types import AttributeChanges
from sqlfs.volume.session import Session
from tests.contract.conftest import SessionFactory
from tests.contract.implementations import Implementation
from tests.contract.nodes import ME, age, content, make_directory, make_file, names

Reopen = Callable[[], Session]


@pytest.fixture
def reopened(implementation: Implementation, session_factory: SessionFactory) -> Reopen:
    """Call it to close everything, open it again and get a session."""

    def reopen() -> Session:
        implementation.reopen()
        return session_factory()

    return reopen


def cookies(session: Session, directory: int) -> list[tuple[int, bytes]]:
    return [(entry.cookie, entry.name) for entry in session.readdir(directory, 0, 100)]


def test_a_tree(session_factory: SessionFactory, reopened: Reopen) -> None:
    session = session_factory()
    outer = make_directory(session, b"outer")
    data = random.Random(1).randbytes(700_000)
    node = make_file(session, b"file", data, outer)
    session.link(node, session.root, b"link")
    symlink = session.symlink(outer, b"symlink", b"../link", ME).node
    device = session.mknod(outer, b"device", stat.S_IFCHR | 0o600, os.makedev(1, 3), ME).node
    session.setxattr(node, b"user.note", b"value")
    session.setattr(node, AttributeChanges(mode=0o4711, uid=12, gid=13))
    age(session, node, outer, symlink, device, session.root)
    nodes = [session.root, outer, node, symlink, device]
    session.sync()
    # Listing a directory may move its access time: list first.
    listings = cookies(session, session.root), cookies(session, outer)
    before = [session.getattr(node) for node in nodes]

    session = reopened()
    assert [session.getattr(node) for node in nodes] == before
    assert (cookies(session, session.root), cookies(session, outer)) == listings
    assert content(session, node) == data
    assert session.readlink(symlink) == b"../link"
    assert session.getxattr(node, b"user.note") == b"value"


def test_what_was_never_synced(session_factory: SessionFactory, reopened: Reopen) -> None:
    session = session_factory()
    _, handle = session.create(session.root, b"a", 0o644, os.O_RDWR, ME)
    session.write(handle, 5000, b"data")
    session = reopened()
    assert content(session, session.lookup(session.root, b"a").node) == bytes(5000) + b"data"


def test_removals(session_factory: SessionFactory, reopened: Reopen) -> None:
    session = session_factory()
    for i in range(5):
        make_file(session, b"%d" % i, b"%d" % i * 5000)
    session.sync()
    session.unlink(session.root, b"1")
    session.rename(session.root, b"2", session.root, b"3")
    session = reopened()
    assert names(session) == [b"0", b"3", b"4"]
    assert content(session, session.resolve(b"/3").node) == b"2" * 5000


def test_orphans_are_gone(session_factory: SessionFactory, reopened: Reopen) -> None:
    session = session_factory()
    node, pinned = make_file(session, b"a", b"data" * 5000), make_file(session, b"b")
    session.open(node, os.O_RDWR)
    session.pin(pinned)
    session.unlink(session.root, b"a")
    session.unlink(session.root, b"b")
    session.sync()
    session = reopened()
    for orphan in (node, pinned):
        with pytest.raises(NotFound):
            session.getattr(orphan)
    assert names(session) == []


def test_ids_go_on(session_factory: SessionFactory, reopened: Reopen) -> None:
    session = session_factory()
    last = make_file(session, b"a")
    cookie = session.readdir(session.root, 0, 1)[0].cookie
    session.unlink(session.root, b"a")
    session = reopened()
    assert make_file(session, b"a") > last
    assert session.readdir(session.root, 0, 1)[0].cookie > cookie


def test_opened_many_times(session_factory: SessionFactory, reopened: Reopen) -> None:
    session = session_factory()
    for i in range(4):
        make_file(session, b"%d" % i, b"%d" % i * 1000)
        session = reopened()
    assert names(session) == [b"0", b"1", b"2", b"3"]
    assert [content(session, session.resolve(b"/%d" % i).node) for i in range(4)] == [
        b"%d" % i * 1000 for i in range(4)
    ]
