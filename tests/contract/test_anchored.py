"""A session that shows a directory of its volume as the root: nothing above it can be reached."""

from __future__ import annotations

import os

import pytest

from sqlfs.errors import NameTooLong, NotADirectory, NotFound, NotPermitted, SymlinkLoop
from sqlfs.types import RenameFlag
from sqlfs.volume.session import Session
from tests.contract.conftest import SessionFactory
from tests.contract.nodes import ME, content, make_directory, make_file, names


@pytest.fixture
def top(session: Session) -> int:
    """`/top`, with `/secret` beside it, `file`, `inner/deep` and symlinks below."""
    make_file(session, b"secret", b"above")
    session.symlink(session.root, b"self", b"/self", ME)
    top = make_directory(session, b"top")
    make_file(session, b"file", b"below", parent=top)
    inner = make_directory(session, b"inner", parent=top)
    make_file(session, b"deep", b"deeper", parent=inner)
    session.symlink(top, b"absolute", b"/inner/deep", ME)
    session.symlink(inner, b"upwards", b"../../../secret", ME)
    session.symlink(inner, b"beyond", b"../../../file", ME)
    session.symlink(top, b"loop", b"/loop", ME)
    return top


@pytest.fixture
def anchored(session_factory: SessionFactory, top: int) -> Session:
    del top
    return session_factory(subdir=b"/top")


def test_the_directory_is_the_root(anchored: Session, session: Session, top: int) -> None:
    assert anchored.root == top
    assert anchored.volume == session.volume
    assert names(anchored) == names(session, top)
    assert anchored.resolve(b"/").node == top


def test_the_volume_s_root_is_a_directory_too(
    session_factory: SessionFactory, session: Session
) -> None:
    for path in (b"/", b"/..", b"//", b"."):
        assert session_factory(subdir=path).root == session.root


@pytest.mark.parametrize(
    "path", [b"/top/inner", b"top/inner", b"//top/./inner/", b"/top/inner/../inner", b"/way"]
)
def test_how_a_directory_may_be_named(
    session_factory: SessionFactory, session: Session, top: int, path: bytes
) -> None:
    session.symlink(session.root, b"way", b"/top/inner", ME)
    assert session_factory(subdir=path).root == session.lookup(top, b"inner").node


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (b"/no-such", NotFound),
        (b"/top/no-such/inner", NotFound),
        (b"/top/file", NotADirectory),
        (b"/top/file/inner", NotADirectory),
        (b"/self", SymlinkLoop),
        (b"/" + b"x" * 5000, NameTooLong),
    ],
)
def test_what_is_no_directory(
    session_factory: SessionFactory, top: int, path: bytes, error: type[Exception]
) -> None:
    del top
    with pytest.raises(error):
        session_factory(subdir=path)


@pytest.mark.parametrize("path", [b"/..", b"..", b"/../..", b"/inner/../../..", b"/inner/../.."])
def test_paths_do_not_lead_above(anchored: Session, top: int, path: bytes) -> None:
    assert anchored.resolve(path).node == top
    with pytest.raises(NotFound):
        anchored.resolve(path + b"/secret")


def test_nor_do_symlinks(anchored: Session) -> None:
    assert content(anchored, anchored.resolve(b"/absolute").node) == b"deeper"
    assert content(anchored, anchored.resolve(b"/inner/beyond").node) == b"below"
    with pytest.raises(NotFound):
        anchored.resolve(b"/inner/upwards")
    with pytest.raises(SymlinkLoop):
        anchored.resolve(b"/loop")


def test_nor_does_the_parent_s_name(anchored: Session, session: Session, top: int) -> None:
    inner = anchored.lookup(top, b"inner").node
    assert anchored.lookup(top, b"..").node == top
    assert anchored.lookup(inner, b"..").node == top
    assert session.lookup(top, b"..").node == session.root


def test_paths_begin_at_the_root(anchored: Session, session: Session, top: int) -> None:
    deep = session.resolve(b"/top/inner/deep").node
    assert anchored.path_of(top) == b"/"
    assert anchored.path_of(deep) == b"/inner/deep"
    assert session.path_of(deep) == b"/top/inner/deep"


def test_what_is_above_has_no_path(anchored: Session, session: Session) -> None:
    for node in (session.root, session.lookup(session.root, b"secret").node):
        with pytest.raises(NotFound):
            anchored.path_of(node)


def test_a_name_that_begins_like_the_directory_s(
    session_factory: SessionFactory, session: Session
) -> None:
    make_directory(session, b"top")
    sibling = make_directory(session, b"top-secret")
    with pytest.raises(NotFound):
        session_factory(subdir=b"/top").path_of(sibling)


def test_changes_are_the_volume_s(anchored: Session, session: Session, top: int) -> None:
    make_file(anchored, b"new", b"from below")
    anchored.rename(top, b"file", anchored.lookup(top, b"inner").node, b"moved")
    assert content(session, session.resolve(b"/top/new").node) == b"from below"
    assert content(session, session.resolve(b"/top/inner/moved").node) == b"below"


def test_a_directory_that_is_moved_stays_the_root(
    anchored: Session, session: Session, top: int
) -> None:
    elsewhere = make_directory(session, b"elsewhere")
    session.rename(session.root, b"top", elsewhere, b"other")
    assert anchored.resolve(b"/").node == top
    assert anchored.path_of(anchored.resolve(b"/inner/deep").node) == b"/inner/deep"
    assert anchored.lookup(top, b"..").node == top


def test_a_directory_that_is_moved_out_leads_nowhere(
    anchored: Session, session: Session, top: int
) -> None:
    inner = anchored.lookup(top, b"inner").node
    session.rename(top, b"inner", session.root, b"out", RenameFlag.NOREPLACE)
    with pytest.raises(NotFound):
        anchored.lookup(inner, b"..")
    with pytest.raises(NotFound):
        anchored.path_of(inner)
    assert session.lookup(inner, b"..").node == session.root


def test_removed_meanwhile(session_factory: SessionFactory, session: Session) -> None:
    directory = make_directory(session, b"short-lived")
    anchored = session_factory(subdir=b"/short-lived")
    session.rmdir(session.root, b"short-lived")
    assert anchored.getattr(directory).nlink == 0
    assert names(anchored) == []
    assert anchored.resolve(b"/..").node == directory
    assert anchored.statfs().blocks > 0
    for path in (b"/file", b"/../secret"):
        with pytest.raises(NotFound):
            anchored.resolve(path)
    with pytest.raises(NotFound):
        anchored.mkdir(directory, b"new", 0o755, ME)
    with pytest.raises(NotFound):
        anchored.create(directory, b"new", 0o644, os.O_RDWR, ME)
    with pytest.raises(NotPermitted):
        anchored.tmpfile(directory, 0o644, os.O_RDWR, ME)
    anchored.close()
    with pytest.raises(NotFound):
        session.getattr(directory)


def test_a_reader(session_factory: SessionFactory, session: Session, top: int) -> None:
    del session, top
    reader = session_factory(read_only=True, subdir=b"/top")
    assert content(reader, reader.resolve(b"/file").node) == b"below"
