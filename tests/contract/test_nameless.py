"""Files made without a name: who may give them one, and when they go."""

from __future__ import annotations

import os
import stat

import pytest

from sqlfs.errors import AlreadyExists, NotADirectory, NotFound, NotPermitted, ReadOnly
from sqlfs.types import AttributeChanges, Caller
from sqlfs.volume.session import Session
from tests.contract.conftest import SessionFactory
from tests.contract.implementations import Implementation
from tests.contract.nodes import ME, age, content, make_directory, make_file, names, touched


def nameless(session: Session, data: bytes = b"data", flags: int = os.O_RDWR) -> tuple[int, int]:
    """Node and handle of a new one."""
    attributes, handle = session.tmpfile(session.root, 0o644, flags, ME)
    session.write(handle, 0, data)
    return attributes.node, handle


def test_a_file_without_a_name(session: Session) -> None:
    age(session, session.root)
    caller = Caller(uid=5, gid=6, umask=0o027)
    attributes, handle = session.tmpfile(session.root, 0o4666, os.O_RDWR, caller)
    assert attributes.mode == stat.S_IFREG | 0o4640
    assert (attributes.nlink, attributes.uid, attributes.gid, attributes.size) == (0, 5, 6, 0)
    assert session.getattr(attributes.node) == attributes
    assert session.write(handle, 5000, b"data") == 4
    assert session.read(handle, 4999, 10) == b"\0data"
    assert names(session) == []
    assert touched(session, session.root) == (False, False)
    with pytest.raises(NotFound):
        session.path_of(attributes.node)


def test_group_of_a_setgid_directory(session: Session) -> None:
    directory = make_directory(session, b"a")
    session.setattr(directory, AttributeChanges(mode=0o2775, gid=77))
    attributes, _ = session.tmpfile(directory, 0o644, os.O_RDWR, ME)
    assert attributes.gid == 77


def test_gone_with_its_last_handle(session: Session, other: Session) -> None:
    node, handle = nameless(session)
    second = other.open(node, os.O_RDONLY)
    session.release(handle)
    assert other.read(second, 0, 10) == b"data"
    other.release(second)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_gone_with_its_last_pin(session: Session) -> None:
    node, handle = nameless(session)
    session.pin(node)
    session.release(handle)
    assert content(session, node) == b"data"
    session.unpin(node)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_gone_with_its_session(session: Session, session_factory: SessionFactory) -> None:
    other = session_factory()
    node, _ = nameless(other)
    other.close()
    with pytest.raises(NotFound):
        session.getattr(node)


def test_named_by_link(session: Session) -> None:
    node, handle = nameless(session)
    age(session, node, session.root)
    linked = session.link(node, session.root, b"a")
    assert (linked.node, linked.nlink) == (node, 1)
    assert touched(session, node) == (False, True)
    assert touched(session, session.root) == (True, True)
    session.release(handle)
    assert names(session) == [b"a"]
    assert session.path_of(node) == b"/a"
    assert content(session, node) == b"data"
    assert session.link(node, session.root, b"b").nlink == 2
    session.unlink(session.root, b"a")
    session.unlink(session.root, b"b")
    with pytest.raises(NotFound):
        session.getattr(node)


def test_named_by_another_session(session: Session, other: Session) -> None:
    node, handle = nameless(session)
    assert other.link(node, other.root, b"a").nlink == 1
    session.release(handle)
    assert content(other, node) == b"data"


def test_named_once_only(session: Session) -> None:
    node, handle = nameless(session)
    session.link(node, session.root, b"a")
    session.unlink(session.root, b"a")
    with pytest.raises(NotFound):
        session.link(node, session.root, b"a")
    assert session.read(handle, 0, 10) == b"data"
    session.release(handle)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_exclusive_ones_get_no_name(session: Session) -> None:
    node, handle = nameless(session, flags=os.O_RDWR | os.O_EXCL)
    with pytest.raises(NotFound):
        session.link(node, session.root, b"a")
    assert names(session) == []
    session.release(handle)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_a_file_that_lost_its_name_gets_none(session: Session) -> None:
    node = make_file(session, b"a")
    session.pin(node)
    session.unlink(session.root, b"a")
    with pytest.raises(NotFound):
        session.link(node, session.root, b"b")


def test_a_link_that_fails_leaves_it_nameless(session: Session) -> None:
    make_file(session, b"there")
    node, handle = nameless(session)
    with pytest.raises(AlreadyExists):
        session.link(node, session.root, b"there")
    assert session.getattr(node).nlink == 0
    assert session.link(node, session.root, b"free").nlink == 1
    session.release(handle)
    assert content(session, node) == b"data"


def test_in_what_is_no_directory(session: Session) -> None:
    with pytest.raises(NotADirectory):
        session.tmpfile(make_file(session, b"a"), 0o644, os.O_RDWR, ME)
    with pytest.raises(NotFound):
        session.tmpfile(2**39, 0o644, os.O_RDWR, ME)


def test_in_a_removed_directory(session: Session) -> None:
    directory = make_directory(session, b"a")
    session.pin(directory)
    session.rmdir(session.root, b"a")
    with pytest.raises(NotPermitted):
        session.tmpfile(directory, 0o644, os.O_RDWR, ME)


def test_in_a_directory_that_goes_later(session: Session) -> None:
    directory = make_directory(session, b"a")
    attributes, handle = session.tmpfile(directory, 0o644, os.O_RDWR, ME)
    session.rmdir(session.root, b"a")
    session.write(handle, 0, b"data")
    session.link(attributes.node, session.root, b"b")
    assert content(session, attributes.node) == b"data"


def test_for_reading_only(reader: Session) -> None:
    with pytest.raises(ReadOnly):
        reader.tmpfile(reader.root, 0o644, os.O_RDWR, ME)


def test_what_is_left_when_opened_again(
    implementation: Implementation, session_factory: SessionFactory
) -> None:
    session = session_factory()
    gone, _ = nameless(session, b"gone" * 5000)
    kept, handle = nameless(session, b"kept" * 5000)
    session.fsync(handle)
    session.link(kept, session.root, b"kept")
    session.sync()
    implementation.reopen()
    session = session_factory()
    with pytest.raises(NotFound):
        session.getattr(gone)
    assert names(session) == [b"kept"]
    assert content(session, kept) == b"kept" * 5000
