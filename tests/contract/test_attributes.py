"""Attributes, clones and the figures of the whole volume."""

from __future__ import annotations

import os
import stat

import pytest

from sqlfs.errors import AlreadyExists, IsADirectory, NotFound, SqlfsError
from sqlfs.limits import NAME_BYTES_MAX
from sqlfs.types import AttributeChanges
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


@pytest.mark.parametrize("kind", KINDS)
def test_getattr(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    attributes = session.getattr(node)
    assert attributes.node == node
    assert attributes == session.lookup(session.root, b"a")
    assert (attributes.uid, attributes.gid) == (ME.uid, ME.gid)


def test_unknown_node(session: Session) -> None:
    with pytest.raises(NotFound):
        session.getattr(2**39)
    with pytest.raises(NotFound):
        session.setattr(2**39, AttributeChanges(mode=0o600))
    with pytest.raises(NotFound):
        session.readlink(2**39)


@pytest.mark.parametrize("kind", ["file", "empty", "fifo"])
@pytest.mark.parametrize("mode", [0, 0o777, 0o4755, 0o2755, 0o1777, 0o7777])
def test_chmod(session: Session, kind: str, mode: int) -> None:
    node = make(session, kind, b"a")
    before = session.getattr(node)
    age(session, node)
    after = session.setattr(node, AttributeChanges(mode=mode))
    assert after.mode == stat.S_IFMT(before.mode) | mode
    assert after == session.getattr(node)
    assert touched(session, node) == (False, True)


@pytest.mark.parametrize("kind", KINDS)
def test_chown(session: Session, kind: str) -> None:
    node = make(session, kind, b"a")
    age(session, node)
    after = session.setattr(node, AttributeChanges(uid=2**32 - 2))
    assert (after.uid, after.gid) == (2**32 - 2, ME.gid)
    after = session.setattr(node, AttributeChanges(gid=0))
    assert (after.uid, after.gid) == (2**32 - 2, 0)
    assert touched(session, node) == (False, True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("time", [0, 1, -1, -(10**18), 1_700_000_000_123_456_789, 2**62])
def test_utime(session: Session, kind: str, time: int) -> None:
    node = make(session, kind, b"a")
    session.setattr(node, AttributeChanges(ctime_ns=PAST_NS))
    after = session.setattr(node, AttributeChanges(atime_ns=time, mtime_ns=time + 7))
    assert (after.atime_ns, after.mtime_ns) == (time, time + 7)
    assert after.ctime_ns != PAST_NS
    assert session.getattr(node).mtime_ns == time + 7


def test_each_time_alone(session: Session) -> None:
    node = make_file(session, b"a")
    age(session, node)
    after = session.setattr(node, AttributeChanges(mtime_ns=5, ctime_ns=PAST_NS))
    assert (after.atime_ns, after.mtime_ns, after.ctime_ns) == (PAST_NS, 5, PAST_NS)
    after = session.setattr(node, AttributeChanges(atime_ns=6, ctime_ns=PAST_NS))
    assert (after.atime_ns, after.mtime_ns, after.ctime_ns) == (6, 5, PAST_NS)


def test_birth_time_stays(session: Session) -> None:
    node = make_file(session, b"a")
    born = session.getattr(node).btime_ns
    age(session, node)
    session.rename(session.root, b"a", session.root, b"b")
    assert session.getattr(node).btime_ns == born


def test_several_changes_at_once(session: Session) -> None:
    node = make_file(session, b"a", b"some data")
    after = session.setattr(
        node, AttributeChanges(mode=0o600, uid=1, gid=2, size=4, mtime_ns=3, ctime_ns=4)
    )
    assert stat.S_IMODE(after.mode) == 0o600
    assert (after.uid, after.gid, after.size) == (1, 2, 4)
    assert (after.mtime_ns, after.ctime_ns) == (3, 4)
    assert content(session, node) == b"some"


def test_times_set_under_an_open_handle_stay(session: Session) -> None:
    """What cp -p and tar do: write, set the times, close."""
    node = make_file(session, b"a")
    handle = session.open(node, os.O_RDWR)
    session.write(handle, 0, b"x" * 10_000)
    session.setattr(node, AttributeChanges(mtime_ns=PAST_NS))
    session.flush(handle)
    session.fsync(handle)
    session.release(handle)
    session.sync()
    assert session.getattr(node).mtime_ns == PAST_NS


def test_size_is_known_before_any_sync(session: Session) -> None:
    _, handle = session.create(session.root, b"a", 0o644, os.O_WRONLY, ME)
    session.write(handle, 0, b"x" * 10_000)
    assert session.lookup(session.root, b"a").size == 10_000
    assert session.readdir(session.root, 0, 1)[0].attributes.size == 10_000
    session.release(handle)


# --- clone ---


@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("size", [0, 100, 5000, 600_000])
def test_clone_of_a_file(session: Session, size: int, synced: bool) -> None:
    data = bytes(i % 251 for i in range(size))
    source = make_file(session, b"a", data)
    session.setattr(source, AttributeChanges(mode=0o2640))
    session.setxattr(source, b"user.note", b"kept")
    age(session, source)
    if synced:
        session.sync()
    clone = session.clone(source, session.root, b"b", ME)
    assert clone.node != source
    assert clone == session.lookup(session.root, b"b")
    original = session.getattr(source)
    assert (clone.mode, clone.uid, clone.gid) == (original.mode, original.uid, original.gid)
    assert (clone.size, clone.nlink) == (size, 1)
    assert clone.mtime_ns == PAST_NS
    assert clone.ctime_ns != PAST_NS
    assert content(session, clone.node) == data
    assert session.getxattr(clone.node, b"user.note") == b"kept"
    assert touched(session, source) == (False, False)


def test_clone_and_source_part(session: Session) -> None:
    source = make_file(session, b"a", b"abc" * 5000)
    session.setxattr(source, b"user.note", b"old")
    clone = session.clone(source, session.root, b"b", ME).node
    handle = session.open(source, os.O_RDWR)
    session.write(handle, 0, b"X")
    session.release(handle)
    session.setxattr(source, b"user.note", b"new")
    session.setattr(clone, AttributeChanges(size=3))
    session.sync()
    assert content(session, clone) == b"abc"
    assert content(session, source) == b"Xbc" + b"abc" * 4999
    assert session.getxattr(clone, b"user.note") == b"old"
    session.unlink(session.root, b"a")
    session.sync()
    assert content(session, clone) == b"abc"


@pytest.mark.parametrize("kind", ["symlink", "fifo"])
def test_clone_of_other_types(session: Session, kind: str) -> None:
    source = make(session, kind, b"a")
    clone = session.clone(source, session.root, b"b", ME)
    assert clone.mode == session.getattr(source).mode
    if kind == "symlink":
        assert session.readlink(clone.node) == session.readlink(source)


def test_clone_of_a_device(session: Session) -> None:
    device = os.makedev(8, 1)
    source = session.mknod(session.root, b"a", stat.S_IFBLK | 0o600, device, ME).node
    assert session.clone(source, session.root, b"b", ME).rdev == device


def test_clone_refused(session: Session) -> None:
    source = make_file(session, b"a")
    make_file(session, b"b")
    with pytest.raises(AlreadyExists):
        session.clone(source, session.root, b"b", ME)
    with pytest.raises(IsADirectory):
        session.clone(make_directory(session, b"c"), session.root, b"d", ME)
    with pytest.raises(NotFound):
        session.clone(2**39, session.root, b"d", ME)
    assert names(session) == [b"a", b"b", b"c"]


def test_clone_of_an_open_file_has_what_was_written(session: Session) -> None:
    source = make_file(session, b"a")
    handle = session.open(source, os.O_RDWR)
    session.write(handle, 0, b"x" * 9000)
    clone = session.clone(source, session.root, b"b", ME).node
    session.write(handle, 0, b"y" * 9000)
    session.release(handle)
    assert content(session, clone) == b"x" * 9000


# --- the whole ---


def test_statfs(session: Session) -> None:
    status = session.statfs()
    assert status.name_max == NAME_BYTES_MAX
    assert status.block_size >= 512
    assert 0 < status.blocks_free <= status.blocks
    assert 0 < status.nodes_free < status.nodes


def test_statfs_counts_nodes(session: Session) -> None:
    before = session.statfs()
    for i in range(3):
        make_file(session, b"%d" % i)
    after = session.statfs()
    assert after.nodes - after.nodes_free == before.nodes - before.nodes_free + 3
    session.unlink(session.root, b"0")
    session.sync()
    now = session.statfs()
    assert now.nodes - now.nodes_free == before.nodes - before.nodes_free + 2


def test_sync_of_a_directory(session: Session) -> None:
    directory = make_directory(session, b"a")
    make_file(session, b"b", parent=directory)
    session.fsyncdir(directory)
    session.fsyncdir(session.root)
    assert names(session, directory) == [b"b"]


def test_congestion_ends(session: Session) -> None:
    node = make_file(session, b"a")
    handle = session.open(node, os.O_WRONLY)
    for i in range(50):
        session.wait_uncongested()
        session.write(handle, i * 100_000, bytes([i]) * 100_000)
    session.release(handle)
    session.sync()
    # Nothing waits in memory any more; a checkpoint may be under way, which ends.  A client learns
    # of that with the answer to its next change.
    names = iter(range(1_000_000))
    while session.congested():
        session.wait_uncongested()
        session.mkdir(session.root, b"%d" % next(names), 0o755, ME)
    assert session.getattr(node).size == 5_000_000


def test_close_is_idempotent(session: Session) -> None:
    session.close()
    session.close()


def test_a_closed_session_does_nothing_more(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    session.close()
    with pytest.raises(SqlfsError):
        session.getattr(node)
    with pytest.raises(SqlfsError):
        session.mkdir(other.root, b"b", 0o755, ME)
    assert names(other) == [b"a"]
