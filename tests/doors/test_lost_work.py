"""What was answered but not yet durable dies with the owner; whom it concerns is told, once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import sqlfs
from sqlfs.errors import InputOutput, NotFound, WouldBlock
from sqlfs.types import Caller
from sqlfs.volume.session import Session
from tests.owner.processes import running, socket_of

ME = Caller(0, 0)

Tells = Callable[[Session, int], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "volume.sqlite"
    with sqlfs.open(path, create=True) as store:
        store.create_volume("main", chunk_size=4096)
        with store.mount() as files:
            files.write_bytes("/a", b"before")
            files.mkdir("/d")
    return path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def client(path: Path, stack: ExitStack) -> Session:
    """A client of an owner that commits nothing by itself, and dies when asked for statfs."""
    owner = stack.enter_context(running("tests.doors.dying", path, "statfs", "answered"))
    stack.callback(socket_of(path).unlink, missing_ok=True)
    store = stack.enter_context(sqlfs.open(path))
    assert store.owner_pid == owner.pid
    session = store.session("main")
    # The first id that an owner hands out is committed at once, and a reservation with it.
    session.mkdir(session.root, b"first", 0o755, ME)
    return session


def find(session: Session, name: bytes) -> int:
    return session.lookup(session.root, name).node


@pytest.mark.parametrize(
    "tells",
    [
        lambda session, handle: session.write(handle, 0, b"x"),
        lambda session, handle: session.fsync(handle),
        lambda session, handle: session.flush(handle),
        lambda session, _: session.sync(),
        lambda session, _: session.close(),
    ],
    ids=["write", "fsync", "flush", "sync", "close"],
)
def test_a_write_is_told_once(path: Path, stack: ExitStack, tells: Tells) -> None:
    session = client(path, stack)
    handle = session.open(find(session, b"a"), os.O_RDWR)
    session.write(handle, 0, b"LOST")
    session.statfs()
    assert session.read(handle, 0, 100) == b"before"
    with pytest.raises(InputOutput, match="durable"):
        tells(session, handle)
    session.close()


def test_what_was_synced_is_there(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    node = find(session, b"a")
    handle = session.open(node, os.O_RDWR)
    session.write(handle, 0, b"synced")
    session.fsync(handle)
    session.write(handle, 0, b"LOST")
    session.statfs()
    assert session.read(handle, 0, 100) == b"synced"
    with pytest.raises(InputOutput, match="durable"):
        session.fsync(handle)
    session.write(handle, 0, b"again!")
    session.fsync(handle)
    assert session.read(handle, 0, 100) == b"again!"
    session.close()


def test_a_directory_tells_that_a_name_is_lost(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    made = session.mkdir(session.root, b"new", 0o755, ME)
    session.statfs()
    with pytest.raises(NotFound):
        session.lookup(session.root, b"new")
    with pytest.raises(NotFound):
        session.getattr(made.node)
    session.fsyncdir(find(session, b"d"))
    with pytest.raises(InputOutput):
        session.fsyncdir(session.root)
    session.fsyncdir(session.root)
    session.close()


def test_a_handle_that_is_opened_later_tells_of_its_file(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    node = find(session, b"a")
    handle = session.open(node, os.O_WRONLY)
    session.write(handle, 0, b"LOST")
    session.release(handle)
    session.statfs()
    handle = session.open(node, os.O_WRONLY)
    with pytest.raises(InputOutput):
        session.fsync(handle)
    session.fsync(handle)


def test_a_file_that_is_lost_can_not_be_used(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    made, handle = session.create(session.root, b"new", 0o644, os.O_RDWR, ME)
    session.write(handle, 0, b"LOST")
    session.statfs()
    for _ in range(2):
        with pytest.raises(InputOutput):
            session.read(handle, 0, 100)
        with pytest.raises(InputOutput):
            session.write(handle, 0, b"x")
    session.release(handle)
    # Who remembers it never takes another one for it.
    again, _ = session.create(session.root, b"new", 0o644, os.O_RDWR, ME)
    assert again.node > made.node
    # That a name is lost was not told yet.
    with pytest.raises(InputOutput):
        session.close()


def test_an_unlinked_file_stays_with_who_has_it_open(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    node = find(session, b"a")
    handle = session.open(node, os.O_RDWR)
    session.unlink(session.root, b"a")
    session.sync()
    session.statfs()
    assert session.read(handle, 0, 100) == b"before"
    session.write(handle, 0, b"nameless")
    assert session.read(handle, 0, 100) == b"nameless"
    session.release(handle)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_a_pinned_node_stays(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    node = find(session, b"d")
    session.pin(node)
    session.rmdir(session.root, b"d")
    session.sync()
    session.statfs()
    assert session.getattr(node).nlink == 0
    session.unpin(node)
    with pytest.raises(NotFound):
        session.getattr(node)


def test_a_file_without_a_name_may_still_get_one(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    made, handle = session.tmpfile(session.root, 0o644, os.O_RDWR, ME)
    session.write(handle, 0, b"nameless")
    session.fsync(handle)
    session.statfs()
    session.link(made.node, session.root, b"new")
    assert session.read(handle, 0, 100) == b"nameless"
    assert find(session, b"new") == made.node


def test_locks_stay(path: Path, stack: ExitStack) -> None:
    session = client(path, stack)
    node = find(session, b"a")
    handle = session.open(node, os.O_RDWR)
    session.lock(handle, exclusive=True)
    session.statfs()
    session.getattr(node)
    with sqlfs.open(path) as store:
        other = store.session("main")
        theirs = other.open(node, os.O_RDWR)
        with pytest.raises(WouldBlock):
            other.lock(theirs, exclusive=False)
        session.release(handle)
        other.lock(theirs, exclusive=True)
