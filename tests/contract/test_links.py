"""Hard links, and nodes that outlive their last name."""

from __future__ import annotations

import os

import pytest

from sqlfs.errors import AlreadyExists, NotADirectory, NotFound, NotPermitted
from sqlfs.volume.session import Session
from tests.contract.nodes import (
    age,
    content,
    make,
    make_directory,
    make_file,
    names,
    touched,
)


@pytest.mark.parametrize("kind", ["file", "symlink", "fifo"])
def test_link(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    directory = make_directory(session, b"directory")
    assert session.link(node, directory, b"b").nlink == 2
    assert session.lookup(directory, b"b") == session.lookup(session.root, b"a")
    session.unlink(session.root, b"a")
    assert session.getattr(node).nlink == 1
    assert session.lookup(directory, b"b").node == node


def test_links_share_content(session: Session) -> None:
    node = make_file(session, b"a", b"one")
    session.link(node, session.root, b"b")
    handle = session.open(session.lookup(session.root, b"b").node, os.O_WRONLY)
    session.write(handle, 3, b" two")
    session.release(handle)
    assert content(session, session.lookup(session.root, b"a").node) == b"one two"


def test_link_and_unlink_change_ctime_only(session: Session) -> None:
    node = make_file(session, b"a")
    age(session, node)
    session.link(node, session.root, b"b")
    assert touched(session, node) == (False, True)
    age(session, node)
    session.unlink(session.root, b"b")
    assert touched(session, node) == (False, True)


@pytest.mark.parametrize("kind", ["empty", "full"])
def test_link_to_a_directory(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    with pytest.raises(NotPermitted):
        session.link(node, session.root, b"b")
    assert names(session) == [b"a"]


def test_link_over_something(session: Session) -> None:
    node = make_file(session, b"a")
    make_file(session, b"b")
    with pytest.raises(AlreadyExists):
        session.link(node, session.root, b"b")
    with pytest.raises(AlreadyExists):
        session.link(node, session.root, b"a")
    assert session.getattr(node).nlink == 1


def test_link_into_a_file(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotADirectory):
        session.link(node, node, b"b")


def test_link_of_an_unknown_node(session: Session) -> None:
    with pytest.raises(NotFound):
        session.link(2**39, session.root, b"b")


def test_link_of_an_orphan(session: Session) -> None:
    node = make_file(session, b"a")
    session.pin(node)
    session.unlink(session.root, b"a")
    with pytest.raises(NotFound):
        session.link(node, session.root, b"b")


# --- orphans ---


def test_an_open_file_outlives_its_name(session: Session) -> None:
    node = make_file(session, b"a", b"before")
    handle = session.open(node, os.O_RDWR)
    session.unlink(session.root, b"a")
    assert session.getattr(node).nlink == 0
    assert session.read(handle, 0, 10) == b"before"
    session.write(handle, 6, b" after")
    session.fsync(handle)
    assert session.read(handle, 0, 20) == b"before after"
    assert session.getattr(node).size == 12
    session.release(handle)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_an_open_file_outlives_being_replaced(session: Session) -> None:
    node = make_file(session, b"a", b"old")
    handle = session.open(node, os.O_RDONLY)
    make_file(session, b"b", b"new")
    session.rename(session.root, b"b", session.root, b"a")
    assert session.read(handle, 0, 10) == b"old"
    session.release(handle)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_the_last_of_several_handles_counts(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    first, second = session.open(node, os.O_RDONLY), session.open(node, os.O_RDONLY)
    session.unlink(session.root, b"a")
    session.release(first)
    assert session.read(second, 0, 4) == b"data"
    session.release(second)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_an_open_orphan_can_be_opened_again(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    first = session.open(node, os.O_RDONLY)
    session.unlink(session.root, b"a")
    second = session.open(node, os.O_RDONLY)
    session.release(first)
    assert session.read(second, 0, 4) == b"data"


@pytest.mark.parametrize("kind", ["file", "empty", "symlink", "fifo"])
def test_a_pinned_node_outlives_its_name(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    session.pin(node)
    if kind == "empty":
        session.rmdir(session.root, b"a")
    else:
        session.unlink(session.root, b"a")
    assert session.getattr(node).nlink == 0
    session.unpin(node)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_pins_are_counted(session: Session) -> None:
    node = make_file(session, b"a")
    session.pin(node)
    session.pin(node)
    session.unlink(session.root, b"a")
    session.unpin(node)
    assert session.getattr(node).nlink == 0
    session.unpin(node)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_unpin_leaves_a_named_node_alone(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    session.pin(node)
    session.unpin(node)
    assert content(session, node) == b"data"


def test_a_pin_of_somebody_else_counts(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"data")
    other.pin(node)
    session.unlink(session.root, b"a")
    assert session.getattr(node).nlink == 0
    assert content(other, node) == b"data"
    other.close()
    with pytest.raises(NotFound):
        session.getattr(node)


def test_a_handle_of_somebody_else_counts(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"data")
    handle = other.open(node, os.O_RDONLY)
    session.unlink(session.root, b"a")
    assert other.read(handle, 0, 10) == b"data"
    other.close()
    with pytest.raises(NotFound):
        session.getattr(node)


def test_unpin_of_what_is_not_pinned(session: Session, other: Session) -> None:
    """Takes nothing from those who hold the node."""
    node = make_file(session, b"a", b"data" * 3000)
    handle = session.open(node, os.O_RDONLY)
    session.pin(node)
    other.unpin(node)
    other.unpin(node)
    session.unlink(session.root, b"a")
    assert session.read(handle, 0, 4) == b"data"
    session.release(handle)
    assert session.getattr(node).nlink == 0
    session.unpin(node)
    with pytest.raises(NotFound):
        session.getattr(node)
