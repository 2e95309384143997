"""Renames that leave a whiteout behind."""

from __future__ import annotations

import stat

import pytest

from sqlfs.errors import AlreadyExists, Invalid, NotEmpty, NotFound
from sqlfs.types import AttributeChanges, Attributes, Caller, RenameFlag
from sqlfs.volume.session import Session
from tests.contract.acl_values import ACCESS, DEFAULT, NAMED, acl
from tests.contract.nodes import (
    KINDS,
    age,
    make,
    make_directory,
    make_file,
    names,
    touched,
)

WHITEOUT = RenameFlag.WHITEOUT


def whiteout(session: Session, parent: int, name: bytes) -> Attributes:
    """What is at `name`, after a check that it is one."""
    there = session.lookup(parent, name)
    assert (there.mode, there.rdev, there.nlink, there.size) == (stat.S_IFCHR, 0, 1, 0)
    return there


def used_nodes(session: Session) -> int:
    """As one look tells: how many there could be depends on the disk, which others use, too."""
    status = session.statfs()
    return status.nodes - status.nodes_free


@pytest.mark.parametrize("kind", KINDS)
def test_stands_at_the_old_name(session: Session, kind: str) -> None:
    source, target = make_directory(session, b"source"), make_directory(session, b"target")
    node = make(session, kind, b"a", source)
    age(session, node, source, target)
    session.rename(source, b"a", target, b"b", WHITEOUT, Caller(5, 6, umask=0o777))
    left = whiteout(session, source, b"a")
    assert (left.uid, left.gid) == (5, 6)
    assert session.lookup(target, b"b").node == node
    assert touched(session, node) == (False, True)
    assert touched(session, source) == touched(session, target) == (True, True)
    assert session.getattr(source).nlink == 2


def test_is_roots_if_nobody_asks(session: Session) -> None:
    make_file(session, b"a")
    session.rename(session.root, b"a", session.root, b"b", WHITEOUT)
    left = whiteout(session, session.root, b"a")
    assert (left.uid, left.gid) == (0, 0)
    assert sorted(names(session)) == [b"a", b"b"]


def test_over_something(session: Session) -> None:
    node, replaced = make_file(session, b"a"), make_file(session, b"b")
    session.rename(session.root, b"a", session.root, b"b", WHITEOUT)
    whiteout(session, session.root, b"a")
    assert session.lookup(session.root, b"b").node == node
    with pytest.raises(NotFound):
        session.getattr(replaced)


def test_of_a_whiteout_over_a_whiteout(session: Session) -> None:
    make_file(session, b"a")
    session.rename(session.root, b"a", session.root, b"b", WHITEOUT)
    session.rename(session.root, b"b", session.root, b"c", WHITEOUT)
    first = whiteout(session, session.root, b"a").node
    session.rename(session.root, b"a", session.root, b"b", WHITEOUT)
    assert whiteout(session, session.root, b"b").node == first
    assert whiteout(session, session.root, b"a").node > first
    session.unlink(session.root, b"a")
    assert sorted(names(session)) == [b"b", b"c"]


def test_noreplace(session: Session) -> None:
    make_file(session, b"a")
    make_file(session, b"b")
    with pytest.raises(AlreadyExists):
        session.rename(session.root, b"a", session.root, b"b", WHITEOUT | RenameFlag.NOREPLACE)
    assert session.lookup(session.root, b"a").is_file
    session.rename(session.root, b"a", session.root, b"c", WHITEOUT | RenameFlag.NOREPLACE)
    whiteout(session, session.root, b"a")


@pytest.mark.parametrize("more", [0, 1, 8])
def test_flags_that_make_no_sense(session: Session, more: int) -> None:
    make_file(session, b"a")
    make_file(session, b"b")
    flags = WHITEOUT | RenameFlag(more)
    flags |= RenameFlag.EXCHANGE if more != 8 else RenameFlag.NONE
    with pytest.raises(Invalid):
        session.rename(session.root, b"a", session.root, b"b", flags)
    assert all(session.lookup(session.root, name).is_file for name in (b"a", b"b"))


def test_of_two_names_of_one_node(session: Session) -> None:
    node = make_file(session, b"a")
    session.link(node, session.root, b"b")
    session.rename(session.root, b"a", session.root, b"b", WHITEOUT)
    assert session.lookup(session.root, b"a").node == node
    assert used_nodes(session) == 2


def test_a_failure_leaves_none(session: Session) -> None:
    make(session, "empty", b"a")
    make(session, "full", b"full")
    age(session, session.root)
    used = used_nodes(session)
    with pytest.raises(NotEmpty):
        session.rename(session.root, b"a", session.root, b"full", WHITEOUT)
    with pytest.raises(NotFound):
        session.rename(session.root, b"missing", session.root, b"new", WHITEOUT)
    assert session.lookup(session.root, b"a").is_dir
    assert touched(session, session.root) == (False, False)
    assert used_nodes(session) == used


def test_is_made_as_all_else_in_its_directory(session: Session) -> None:
    directory = make_directory(session, b"directory")
    make_file(session, b"a", parent=directory)
    session.setattr(directory, AttributeChanges(mode=0o2755, gid=77))
    session.setxattr(directory, DEFAULT, NAMED)
    session.rename(directory, b"a", session.root, b"a", WHITEOUT)
    left = whiteout(session, directory, b"a")
    assert left.gid == 77
    assert session.getxattr(left.node, ACCESS) == acl(
        "owner:0", "user:6:1000", "group:5", "mask:0", "other:0"
    )
