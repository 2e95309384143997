"""Open files: modes, O_TRUNC, O_APPEND, stale handles, advisory locks."""

from __future__ import annotations

import os

import pytest

from sqlfs.errors import BadHandle, Invalid, IsADirectory, NotFound, SqlfsError, WouldBlock
from sqlfs.volume.session import Session
from tests.contract.nodes import ME, age, content, make, make_directory, make_file, touched


def test_create_opens(session: Session) -> None:
    attributes, handle = session.create(session.root, b"a", 0o640, os.O_RDWR, ME)
    assert attributes.is_file
    assert attributes == session.lookup(session.root, b"a")
    session.write(handle, 0, b"data")
    assert session.read(handle, 0, 10) == b"data"
    session.release(handle)


def test_created_without_write_permission_is_open_for_writing(session: Session) -> None:
    _, handle = session.create(session.root, b"a", 0o444, os.O_WRONLY, ME)
    assert session.write(handle, 0, b"data") == 4
    session.release(handle)


def test_o_trunc(session: Session) -> None:
    node = make_file(session, b"a", b"data" * 5000)
    age(session, node)
    handle = session.open(node, os.O_WRONLY | os.O_TRUNC)
    assert session.getattr(node).size == 0
    assert touched(session, node) == (True, True)
    session.write(handle, 2, b"x")
    session.release(handle)
    assert content(session, node) == b"\0\0x"


def test_open_without_o_trunc_touches_nothing(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    age(session, node)
    session.release(session.open(node, os.O_RDWR))
    assert touched(session, node) == (False, False)
    assert content(session, node) == b"data"


def test_o_append(session: Session) -> None:
    node = make_file(session, b"a", b"one")
    appending = session.open(node, os.O_WRONLY | os.O_APPEND)
    plain = session.open(node, os.O_RDWR)
    session.write(appending, 0, b" two")
    session.write(plain, 7, b" three")
    session.write(appending, 0, b" four")
    assert session.read(plain, 0, 100) == b"one two three four"
    session.release(appending)
    session.release(plain)


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC])
def test_synchronous_writes(session: Session, flag: int) -> None:
    node = make_file(session, b"a")
    handle = session.open(node, os.O_RDWR | flag)
    session.write(handle, 0, b"data")
    assert session.read(handle, 0, 10) == b"data"
    session.release(handle)


def test_handles_of_one_node_share_its_content(session: Session) -> None:
    node = make_file(session, b"a")
    first, second = session.open(node, os.O_RDWR), session.open(node, os.O_RDWR)
    assert first != second
    session.write(first, 0, b"abc")
    session.write(second, 1, b"X")
    assert session.read(first, 0, 10) == b"aXc"
    session.release(first)
    assert session.read(second, 0, 10) == b"aXc"
    session.release(second)


def test_handle_survives_renames(session: Session) -> None:
    directory = make_directory(session, b"directory")
    node = make_file(session, b"a", parent=directory)
    handle = session.open(node, os.O_RDWR)
    session.rename(session.root, b"directory", session.root, b"moved")
    session.rename(directory, b"a", session.root, b"b")
    session.write(handle, 0, b"data")
    session.release(handle)
    assert content(session, session.resolve(b"/b").node) == b"data"


def test_wrong_direction(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    handle = session.open(node, os.O_RDONLY)
    with pytest.raises(BadHandle):
        session.write(handle, 0, b"x")
    session.release(handle)
    handle = session.open(node, os.O_WRONLY)
    with pytest.raises(BadHandle):
        session.read(handle, 0, 1)
    session.release(handle)
    assert content(session, node) == b"data"


def test_released_handle_is_bad(session: Session) -> None:
    node = make_file(session, b"a", b"data")
    handle = session.open(node, os.O_RDWR)
    session.release(handle)
    with pytest.raises(BadHandle):
        session.read(handle, 0, 1)
    with pytest.raises(BadHandle):
        session.write(handle, 0, b"x")
    with pytest.raises(BadHandle):
        session.flush(handle)
    with pytest.raises(BadHandle):
        session.fsync(handle)
    with pytest.raises(BadHandle):
        session.lock(handle, exclusive=False)
    with pytest.raises(BadHandle):
        session.release(handle)


def test_a_handle_belongs_to_its_session(session: Session, other: Session) -> None:
    handle = session.open(make_file(session, b"a", b"secret"), os.O_RDWR)
    with pytest.raises(BadHandle):
        other.read(handle, 0, 6)
    session.release(handle)


def test_open_of_what_cannot_be_opened(session: Session) -> None:
    with pytest.raises(IsADirectory):
        session.open(make_directory(session, b"directory"), os.O_RDONLY)
    with pytest.raises(SqlfsError):
        session.open(make(session, "symlink", b"symlink"), os.O_RDONLY)
    with pytest.raises(SqlfsError):
        session.open(make(session, "fifo", b"fifo"), os.O_RDONLY)
    with pytest.raises(NotFound):
        session.open(2**39, os.O_RDONLY)


def test_out_of_bounds(session: Session) -> None:
    handle = session.open(make_file(session, b"a", b"data"), os.O_RDWR)
    with pytest.raises(Invalid):
        session.read(handle, -1, 1)
    with pytest.raises(Invalid):
        session.write(handle, -1, b"x")
    session.release(handle)


def test_many_open_files(session: Session) -> None:
    handles = [session.create(session.root, b"%d" % i, 0o644, os.O_RDWR, ME)[1] for i in range(300)]
    assert len(set(handles)) == 300
    for i, handle in enumerate(handles):
        session.write(handle, i, b"%d" % i)
    for i, handle in enumerate(handles):
        assert session.read(handle, 0, 1000) == bytes(i) + b"%d" % i
        session.release(handle)


# --- advisory locks ---


def test_exclusive_lock_excludes(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    mine = session.open(node, os.O_RDWR)
    session.lock(mine, exclusive=True)
    for user in (session, other):
        theirs = user.open(node, os.O_RDWR)
        with pytest.raises(WouldBlock):
            user.lock(theirs, exclusive=True)
        with pytest.raises(WouldBlock):
            user.lock(theirs, exclusive=False)
        user.release(theirs)
    session.release(mine)


def test_shared_locks_share(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    mine, theirs = session.open(node, os.O_RDWR), other.open(node, os.O_RDWR)
    session.lock(mine, exclusive=False)
    other.lock(theirs, exclusive=False)
    with pytest.raises(WouldBlock):
        session.lock(mine, exclusive=True)
    other.release(theirs)
    session.lock(mine, exclusive=True)
    session.release(mine)


def test_lock_ends_with_its_handle(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    mine, theirs = session.open(node, os.O_RDWR), other.open(node, os.O_RDWR)
    session.lock(mine, exclusive=True)
    session.release(mine)
    other.lock(theirs, exclusive=True)
    other.release(theirs)


def test_lock_ends_with_its_session(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    other.lock(other.open(node, os.O_RDWR), exclusive=True)
    other.close()
    handle = session.open(node, os.O_RDWR)
    session.lock(handle, exclusive=True)
    session.release(handle)


def test_lock_can_be_taken_again(session: Session, other: Session) -> None:
    node = make_file(session, b"a")
    mine, theirs = session.open(node, os.O_RDWR), other.open(node, os.O_RDWR)
    session.lock(mine, exclusive=True)
    session.lock(mine, exclusive=True)
    session.lock(mine, exclusive=False)
    other.lock(theirs, exclusive=False)
    session.release(mine)
    other.release(theirs)


def test_locks_of_two_nodes_do_not_meet(session: Session, other: Session) -> None:
    mine = session.open(make_file(session, b"a"), os.O_RDWR)
    theirs = other.open(make_file(session, b"b"), os.O_RDWR)
    session.lock(mine, exclusive=True)
    other.lock(theirs, exclusive=True)
    session.release(mine)
    other.release(theirs)
