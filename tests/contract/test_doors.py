"""Two sessions on one volume: each sees at once what the other did, and is told of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sqlfs.errors import NotEmpty, NotFound
from sqlfs.types import AttributeChanges, Change, ChangeKind
from sqlfs.volume.session import Session
from tests.contract.implementations import PAIRS, Implementation, started
from tests.contract.nodes import ME, content, make_directory, make_file, names

ENTRY, ATTRIBUTES, CONTENT = ChangeKind.ENTRY, ChangeKind.ATTRIBUTES, ChangeKind.CONTENT


@pytest.fixture(params=PAIRS)
def implementation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Implementation]:
    with started(request.param, tmp_path) as implementation:
        yield implementation


class Told:
    """Collects what a session is told."""

    def __init__(self, session: Session) -> None:
        self._changes: list[Change] = []
        session.subscribe(self._listen)

    def _listen(self, changes: Sequence[Change]) -> None:
        self._changes += changes

    def take(self) -> set[Change]:
        """What came since the last call."""
        taken, self._changes[:] = set(self._changes), []
        return taken


def attributes_of(*nodes: int) -> set[Change]:
    return {Change(ATTRIBUTES, node) for node in nodes}


def test_both_have_one_root(session: Session, other: Session) -> None:
    assert session.root == other.root
    assert session.volume == other.volume


def test_names_are_seen_at_once(session: Session, other: Session) -> None:
    directory = make_directory(session, b"directory")
    assert names(other) == [b"directory"]
    node = make_file(other, b"file", b"data", directory)
    assert session.lookup(directory, b"file").node == node
    session.rename(directory, b"file", session.root, b"moved")
    assert names(other) == [b"directory", b"moved"]
    other.unlink(other.root, b"moved")
    with pytest.raises(NotFound):
        session.lookup(session.root, b"moved")


def test_attributes_are_seen_at_once(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    session.setattr(node, AttributeChanges(mode=0o600, mtime_ns=5))
    assert other.getattr(node) == session.getattr(node)
    other.setxattr(node, b"user.note", b"value")
    assert session.getxattr(node, b"user.note") == b"value"


def test_flushed_content_is_seen_at_the_next_open(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"first" * 3000)
    assert content(other, node) == b"first" * 3000
    handle = session.open(node, os.O_WRONLY)
    session.write(handle, 0, b"x" * 20_000)
    session.flush(handle)
    assert content(other, node) == b"x" * 20_000
    assert other.getattr(node).size == 20_000
    session.release(handle)


def test_both_write_one_file(session: Session, other: Session) -> None:
    node = make_file(session, b"a", bytes(30_000))
    mine, theirs = session.open(node, os.O_RDWR), other.open(node, os.O_RDWR)
    session.write(mine, 0, b"a" * 10_000)
    other.write(theirs, 20_000, b"b" * 10_000)
    session.flush(mine)
    other.flush(theirs)
    expected = b"a" * 10_000 + bytes(10_000) + b"b" * 10_000
    assert content(session, node) == content(other, node) == expected
    session.release(mine)
    other.release(theirs)


def test_closing_one_leaves_the_other(session: Session, other: Session) -> None:
    node = make_file(other, b"a", b"data")
    other.close()
    assert content(session, node) == b"data"
    make_file(session, b"b")
    assert names(session) == [b"a", b"b"]


# --- changes ---


def test_own_changes_are_not_told(session: Session) -> None:
    told = Told(session)
    node = make_file(session, b"a", b"data")
    session.setattr(node, AttributeChanges(mode=0o600))
    session.rename(session.root, b"a", session.root, b"b")
    session.unlink(session.root, b"b")
    assert told.take() == set()


def test_reads_are_not_told(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"data")
    told = Told(other)
    assert content(session, node) == b"data"
    assert names(session) == [b"a"]
    assert told.take() == set()


def test_failures_are_not_told(session: Session, other: Session) -> None:
    directory = make_directory(session, b"a")
    make_file(session, b"b", parent=directory)
    told = Told(other)
    with pytest.raises(NotEmpty):
        session.rmdir(session.root, b"a")
    with pytest.raises(NotFound):
        session.unlink(session.root, b"missing")
    assert told.take() == set()


def test_new_names_are_told(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    told = Told(other)
    root = session.root
    session.create(root, b"created", 0o644, os.O_RDWR, ME)
    assert told.take() >= {Change(ENTRY, root, b"created")} | attributes_of(root)
    session.mknod(root, b"made", stat.S_IFIFO | 0o644, 0, ME)
    assert told.take() >= {Change(ENTRY, root, b"made")} | attributes_of(root)
    session.mkdir(root, b"directory", 0o755, ME)
    assert told.take() >= {Change(ENTRY, root, b"directory")} | attributes_of(root)
    session.symlink(root, b"symlink", b"target", ME)
    assert told.take() >= {Change(ENTRY, root, b"symlink")} | attributes_of(root)
    session.link(node, root, b"link")
    assert told.take() >= {Change(ENTRY, root, b"link")} | attributes_of(root, node)
    session.clone(node, root, b"clone", ME)
    assert told.take() >= {Change(ENTRY, root, b"clone")} | attributes_of(root)


def test_removed_names_are_told(session: Session, other: Session) -> None:
    root = session.root
    node = make_file(session, b"a")
    session.link(node, root, b"b")
    make_directory(session, b"directory")
    told = Told(other)
    session.unlink(root, b"b")
    assert told.take() >= {Change(ENTRY, root, b"b")} | attributes_of(root, node)
    session.rmdir(root, b"directory")
    assert told.take() >= {Change(ENTRY, root, b"directory")} | attributes_of(root)


def test_renames_are_told(session: Session, other: Session) -> None:
    root = session.root
    directory = make_directory(session, b"directory")
    node = make_file(session, b"a")
    replaced = make_file(session, b"b", parent=directory)
    session.link(replaced, root, b"still")
    told = Told(other)
    session.rename(root, b"a", directory, b"b")
    assert told.take() >= {
        Change(ENTRY, root, b"a"),
        Change(ENTRY, directory, b"b"),
    } | attributes_of(root, directory, node, replaced)


@pytest.mark.parametrize(
    "changes",
    [
        AttributeChanges(mode=0o600),
        AttributeChanges(uid=7),
        AttributeChanges(mtime_ns=7),
    ],
)
def test_attributes_are_told(session: Session, other: Session, changes: AttributeChanges) -> None:
    node = make_file(session, b"a")
    told = Told(other)
    session.setattr(node, changes)
    assert told.take() & {Change(ATTRIBUTES, node), Change(CONTENT, node)}


def test_xattrs_are_told(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    told = Told(other)
    session.setxattr(node, b"user.note", b"value")
    assert told.take() >= attributes_of(node)
    session.removexattr(node, b"user.note")
    assert told.take() >= attributes_of(node)


def test_truncation_is_told(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"data" * 3000)
    told = Told(other)
    session.setattr(node, AttributeChanges(size=5000))
    assert Change(CONTENT, node) in told.take()
    handle = session.open(node, os.O_WRONLY | os.O_TRUNC)
    assert Change(CONTENT, node) in told.take()
    session.release(handle)


def test_writes_are_told_by_the_time_of_flush(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"data")
    told = Told(other)
    handle = session.open(node, os.O_WRONLY)
    session.write(handle, 0, b"new")
    session.flush(handle)
    assert Change(CONTENT, node) in told.take()
    session.write(handle, 3, b"more")
    session.flush(handle)
    assert Change(CONTENT, node) in told.take()
    session.release(handle)


def test_writes_are_told_by_the_time_of_release(session: Session, other: Session) -> None:
    node = make_file(session, b"a", b"data")
    told = Told(other)
    handle = session.open(node, os.O_WRONLY)
    session.write(handle, 0, b"new")
    session.release(handle)
    assert Change(CONTENT, node) in told.take()


def test_nothing_is_missed_from_the_moment_of_subscribing(session: Session, other: Session) -> None:
    for i in range(20):
        told = Told(other)
        make_directory(session, b"%d" % i)
        assert Change(ENTRY, session.root, b"%d" % i) in told.take()


def test_a_listener_may_use_its_session(session: Session, other: Session) -> None:
    """No lock is held: a cache may look again while it is told."""
    seen: list[list[bytes]] = []
    other.subscribe(lambda _changes: seen.append(names(other)))
    make_directory(session, b"a")
    assert seen[0] == [b"a"]


def test_all_listeners_are_told(session: Session, other: Session) -> None:
    first, second = Told(other), Told(other)
    make_directory(session, b"a")
    expected = Change(ENTRY, session.root, b"a")
    assert expected in first.take()
    assert expected in second.take()


def test_a_closed_session_is_told_nothing(session: Session, other: Session) -> None:
    told = Told(other)
    other.close()
    make_directory(session, b"a")
    assert told.take() == set()


# --- threads ---


def test_threads_in_one_directory(session: Session, other: Session) -> None:
    def work(worker: int) -> None:
        user = session if worker % 2 else other
        for i in range(25):
            name = b"%d-%d" % (worker, i)
            make_file(user, name, name * 200)
            user.rename(user.root, name, user.root, b"r" + name)
            if i % 5 == 0:
                user.unlink(user.root, b"r" + name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    expected = {b"r%d-%d" % (worker, i) for worker in range(4) for i in range(25) if i % 5}
    entries = session.readdir(session.root, 0, 1000)
    assert {entry.name for entry in entries} == expected
    assert len(entries) == len(expected)
    for entry in entries:
        assert content(session, entry.attributes.node) == entry.name[1:] * 200


def test_threads_in_one_file(session: Session, other: Session) -> None:
    node = make_file(session, b"a", bytes(80_000))

    def work(worker: int) -> None:
        user = session if worker % 2 else other
        handle = user.open(node, os.O_RDWR)
        for i in range(20):
            place = worker * 20_000 + i * 1000
            user.write(handle, place, bytes([worker + 1]) * 1000)
            assert user.read(handle, place, 1000) == bytes([worker + 1]) * 1000
        user.fsync(handle)
        user.release(handle)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    expected = b"".join(bytes([worker + 1]) * 20_000 for worker in range(4))
    assert content(session, node) == expected


def test_appends_of_two_sessions_do_not_overlap(session: Session, other: Session) -> None:
    node = make_file(session, b"a")

    def work(user: Session, line: bytes) -> None:
        handle = user.open(node, os.O_WRONLY | os.O_APPEND)
        for _ in range(50):
            user.write(handle, 0, line)
        user.release(handle)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (session, other), (b"a" * 99 + b"\n", b"b" * 99 + b"\n")))
    lines = content(session, node).splitlines()
    assert sorted(lines) == [b"a" * 99] * 50 + [b"b" * 99] * 50
