"""Making and removing nodes of every type: modes, owners, link counts, times of parents."""

from __future__ import annotations

import os
import stat

import pytest

from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    IsADirectory,
    NameTooLong,
    NotADirectory,
    NotEmpty,
    NotFound,
    SqlfsError,
)
from sqlfs.limits import SYMLINK_BYTES_MAX
from sqlfs.types import AttributeChanges, Caller
from sqlfs.volume.session import Session
from tests.contract.nodes import (
    KINDS,
    ME,
    PAST_NS,
    age,
    content,
    make,
    make_directory,
    make_file,
    names,
    touched,
)


def test_umask_is_applied(session: Session) -> None:
    caller = Caller(uid=5, gid=6, umask=0o027)
    directory = session.mkdir(session.root, b"directory", 0o777, caller)
    created, handle = session.create(session.root, b"created", 0o666, os.O_RDWR, caller)
    session.release(handle)
    made = session.mknod(session.root, b"made", stat.S_IFREG | 0o666, 0, caller)
    symlink = session.symlink(session.root, b"symlink", b"target", caller)
    assert directory.mode == stat.S_IFDIR | 0o750
    assert created.mode == made.mode == stat.S_IFREG | 0o640
    assert symlink.mode == stat.S_IFLNK | 0o777
    for attributes in (directory, created, made, symlink):
        assert (attributes.uid, attributes.gid) == (5, 6)


@pytest.mark.parametrize(
    ("kind", "device", "kept"),
    [
        (stat.S_IFREG, os.makedev(1, 3), 0),
        (stat.S_IFIFO, os.makedev(1, 3), 0),
        (stat.S_IFSOCK, os.makedev(1, 3), 0),
        (stat.S_IFCHR, os.makedev(5, 1), os.makedev(5, 1)),
        (stat.S_IFBLK, os.makedev(259, 70000), os.makedev(259, 70000)),
    ],
)
def test_mknod(session: Session, kind: int, device: int, kept: int) -> None:
    attributes = session.mknod(session.root, b"node", kind | 0o640, device, ME)
    assert attributes.mode == kind | 0o640
    assert attributes.rdev == kept
    assert (attributes.nlink, attributes.size) == (1, 0)
    assert session.getattr(attributes.node) == attributes


@pytest.mark.parametrize("kind", [stat.S_IFDIR, stat.S_IFLNK])
def test_mknod_makes_no_directory_and_no_symlink(session: Session, kind: int) -> None:
    with pytest.raises(SqlfsError):
        session.mknod(session.root, b"node", kind | 0o644, 0, ME)
    assert names(session) == []


@pytest.mark.parametrize("there", KINDS)
def test_making_over_something(session: Session, there: str) -> None:
    make(session, there, b"a")
    with pytest.raises(AlreadyExists):
        session.mkdir(session.root, b"a", 0o755, ME)
    with pytest.raises(AlreadyExists):
        session.mknod(session.root, b"a", stat.S_IFREG | 0o644, 0, ME)
    with pytest.raises(AlreadyExists):
        session.symlink(session.root, b"a", b"target", ME)
    with pytest.raises(AlreadyExists):
        session.create(session.root, b"a", 0o644, os.O_RDWR | os.O_TRUNC, ME)
    if there == "file":
        assert content(session, session.lookup(session.root, b"a").node) == b"data"


def test_making_in_a_file(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotADirectory):
        session.mkdir(node, b"b", 0o755, ME)
    with pytest.raises(NotADirectory):
        session.create(node, b"b", 0o644, os.O_RDWR, ME)


def test_making_in_an_unknown_node(session: Session) -> None:
    with pytest.raises(NotFound):
        session.mkdir(2**39, b"b", 0o755, ME)


def test_making_in_a_removed_directory(session: Session) -> None:
    directory = make_directory(session, b"a")
    session.pin(directory)
    session.rmdir(session.root, b"a")
    with pytest.raises(NotFound):
        session.mkdir(directory, b"b", 0o755, ME)
    with pytest.raises(NotFound):
        session.create(directory, b"b", 0o644, os.O_RDWR, ME)


def test_setgid_directory_hands_down_its_group(session: Session) -> None:
    directory = make_directory(session, b"a")
    session.setattr(directory, AttributeChanges(mode=0o2775, gid=77))
    inner = session.mkdir(directory, b"inner", 0o755, ME)
    file_ = session.getattr(make_file(session, b"file", parent=directory))
    symlink = session.symlink(directory, b"symlink", b"target", ME)
    assert inner.gid == file_.gid == symlink.gid == 77
    assert inner.mode == stat.S_IFDIR | 0o2755
    assert file_.mode == stat.S_IFREG | 0o644


def test_directory_link_counts(session: Session) -> None:
    outer = make_directory(session, b"outer")
    make_file(session, b"file", parent=outer)
    assert session.getattr(outer).nlink == 2
    make_directory(session, b"inner", outer)
    assert session.getattr(outer).nlink == 3
    assert session.getattr(session.root).nlink == 3
    session.rmdir(outer, b"inner")
    assert session.getattr(outer).nlink == 2


def test_making_and_removing_touch_the_parent(session: Session) -> None:
    parent = make_directory(session, b"parent")
    other = make_file(session, b"other")

    def check() -> None:
        assert touched(session, parent) == (True, True)
        age(session, parent)

    age(session, parent, session.root)
    make_file(session, b"file", parent=parent)
    check()
    make_directory(session, b"directory", parent)
    check()
    session.symlink(parent, b"symlink", b"target", ME)
    check()
    session.mknod(parent, b"fifo", stat.S_IFIFO | 0o644, 0, ME)
    check()
    session.link(other, parent, b"link")
    check()
    session.unlink(parent, b"file")
    check()
    session.rmdir(parent, b"directory")
    check()
    session.clone(other, parent, b"clone", ME)
    check()
    assert touched(session, session.root) == (False, False)


def test_failures_touch_nothing(session: Session) -> None:
    make_file(session, b"file")
    age(session, session.root)
    with pytest.raises(AlreadyExists):
        session.mkdir(session.root, b"file", 0o755, ME)
    with pytest.raises(NotFound):
        session.unlink(session.root, b"missing")
    assert touched(session, session.root) == (False, False)


def test_new_node_has_times(session: Session) -> None:
    attributes = session.mkdir(session.root, b"a", 0o755, ME)
    assert attributes.mtime_ns == attributes.ctime_ns == attributes.btime_ns
    assert attributes.mtime_ns > PAST_NS


def test_node_ids_are_not_used_again(session: Session) -> None:
    seen = set()
    for _ in range(5):
        seen.add(make_file(session, b"a"))
        session.unlink(session.root, b"a")
    assert len(seen) == 5
    assert sorted(seen)[-1] < make_file(session, b"a")


# --- symlinks ---


@pytest.mark.parametrize("target", [b"a", b"/x/y", b"\xff", b"t" * 60, b"t" * SYMLINK_BYTES_MAX])
def test_symlink(session: Session, target: bytes) -> None:
    attributes = session.symlink(session.root, b"symlink", target, ME)
    assert attributes.is_symlink
    assert attributes.size == len(target)
    assert session.readlink(attributes.node) == target


def test_symlink_targets_out_of_bounds(session: Session) -> None:
    with pytest.raises(NotFound):
        session.symlink(session.root, b"symlink", b"", ME)
    with pytest.raises(NameTooLong):
        session.symlink(session.root, b"symlink", b"t" * (SYMLINK_BYTES_MAX + 1), ME)
    assert names(session) == []


@pytest.mark.parametrize("kind", ["file", "empty", "fifo"])
def test_readlink_of_what_is_no_symlink(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    with pytest.raises(Invalid):
        session.readlink(node)


# --- removing ---


@pytest.mark.parametrize("kind", ["file", "symlink", "fifo"])
def test_unlink(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    session.unlink(session.root, b"a")
    assert names(session) == []
    with pytest.raises(NotFound):
        session.lookup(session.root, b"a")
    with pytest.raises(NotFound):
        session.getattr(node)
    with pytest.raises(NotFound):
        session.unlink(session.root, b"a")


@pytest.mark.parametrize("kind", ["empty", "full"])
def test_unlink_of_a_directory(session: Session, kind: str) -> None:
    make(session, kind, b"a")
    with pytest.raises(IsADirectory):
        session.unlink(session.root, b"a")


def test_rmdir(session: Session) -> None:
    directory = make_directory(session, b"a")
    inner = make_file(session, b"inner", parent=directory)
    with pytest.raises(NotEmpty):
        session.rmdir(session.root, b"a")
    assert session.lookup(directory, b"inner").node == inner
    session.unlink(directory, b"inner")
    session.rmdir(session.root, b"a")
    with pytest.raises(NotFound):
        session.getattr(directory)
    with pytest.raises(NotFound):
        session.rmdir(session.root, b"a")


@pytest.mark.parametrize("kind", ["file", "symlink", "fifo"])
def test_rmdir_of_what_is_no_directory(session: Session, kind: str) -> None:
    make(session, kind, b"a")
    with pytest.raises(NotADirectory):
        session.rmdir(session.root, b"a")


def test_removing_in_a_file(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotADirectory):
        session.unlink(node, b"b")
    with pytest.raises(NotADirectory):
        session.rmdir(node, b"b")
