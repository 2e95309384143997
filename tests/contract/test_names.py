"""Names and paths: lookup, resolve, path_of, readdir."""

from __future__ import annotations

import stat

import pytest

from sqlfs.errors import NameTooLong, NotADirectory, NotFound, SqlfsError, SymlinkLoop
from sqlfs.limits import NAME_BYTES_MAX
from sqlfs.volume.session import Session
from tests.contract.nodes import ME, make_directory, make_file, names


def test_root_is_a_directory(session: Session) -> None:
    attributes = session.getattr(session.root)
    assert attributes.is_dir
    assert attributes.nlink == 2
    assert names(session) == []


def test_volume_names_its_root(session: Session) -> None:
    assert session.getattr(session.volume.root).is_dir


def test_lookup_finds_what_was_made(session: Session) -> None:
    node = make_file(session, b"a", b"12345")
    found = session.lookup(session.root, b"a")
    assert found == session.getattr(node)
    assert (found.node, found.size, found.nlink) == (node, 5, 1)


def test_lookup_of_missing_name(session: Session) -> None:
    with pytest.raises(NotFound):
        session.lookup(session.root, b"missing")


def test_lookup_in_a_file(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotADirectory):
        session.lookup(node, b"b")


def test_lookup_in_an_unknown_node(session: Session) -> None:
    with pytest.raises(NotFound):
        session.lookup(2**39, b"a")


def test_lookup_of_dots(session: Session) -> None:
    outer = make_directory(session, b"outer")
    inner = make_directory(session, b"inner", outer)
    assert session.lookup(inner, b".").node == inner
    assert session.lookup(inner, b"..").node == outer
    assert session.lookup(session.root, b"..").node == session.root


@pytest.mark.parametrize(
    "name",
    [b"a", b" ", b"\xff\xfe", b"a\nb", "é".encode(), b"...", b"x" * NAME_BYTES_MAX],
)
def test_names_are_bytes(session: Session, name: bytes) -> None:
    node = make_file(session, name)
    assert session.lookup(session.root, name).node == node
    assert names(session) == [name]


def test_names_that_differ_in_case_or_form_are_two(session: Session) -> None:
    variants = [b"a", b"A", "é".encode(), "e\u0301".encode(), b"a ", b"a\xff"]
    nodes = [make_file(session, name) for name in variants]
    assert [session.lookup(session.root, name).node for name in variants] == nodes


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/", b"a\0b"])
def test_what_cannot_be_a_name(session: Session, name: bytes) -> None:
    with pytest.raises(SqlfsError):
        session.mkdir(session.root, name, 0o755, ME)
    with pytest.raises(SqlfsError):
        session.symlink(session.root, name, b"target", ME)
    with pytest.raises(SqlfsError):
        session.create(session.root, name, 0o644, 0, ME)
    node = make_file(session, b"file")
    with pytest.raises(SqlfsError):
        session.link(node, session.root, name)
    with pytest.raises(SqlfsError):
        session.rename(session.root, b"file", session.root, name)
    assert names(session) == [b"file"]


def test_name_too_long(session: Session) -> None:
    name = b"x" * (NAME_BYTES_MAX + 1)
    make_file(session, b"file")
    with pytest.raises(NameTooLong):
        session.lookup(session.root, name)
    with pytest.raises(NameTooLong):
        session.mkdir(session.root, name, 0o755, ME)
    with pytest.raises(NameTooLong):
        session.rename(session.root, b"file", session.root, name)


# --- resolve ---


def test_resolve(session: Session) -> None:
    outer = make_directory(session, b"outer")
    node = make_file(session, b"file", parent=outer)
    for path in (b"/outer/file", b"outer/file", b"//outer//./file", b"/outer/../outer/file"):
        assert session.resolve(path).node == node
    assert session.resolve(b"/").node == session.root
    assert session.resolve(b"/../..").node == session.root
    assert session.resolve(b"/outer/").node == outer


def test_resolve_misses(session: Session) -> None:
    make_file(session, b"file")
    with pytest.raises(NotFound):
        session.resolve(b"/missing")
    with pytest.raises(NotFound):
        session.resolve(b"/missing/deeper")
    with pytest.raises(NotADirectory):
        session.resolve(b"/file/deeper")
    with pytest.raises(NotADirectory):
        session.resolve(b"/file/")
    with pytest.raises(NameTooLong):
        session.resolve(b"/" + b"x" * 256)


def test_resolve_follows_symlinks(session: Session) -> None:
    outer = make_directory(session, b"outer")
    node = make_file(session, b"file", parent=outer)
    symlink = session.symlink(outer, b"link", b"file", ME).node
    session.symlink(session.root, b"absolute", b"/outer/link", ME)
    session.symlink(session.root, b"directory", b"outer", ME)
    assert session.resolve(b"/outer/link").node == node
    assert session.resolve(b"/outer/link", follow=False).node == symlink
    assert session.resolve(b"/absolute").node == node
    assert session.resolve(b"/directory/link", follow=False).node == symlink
    assert session.resolve(b"/directory/../outer").node == outer


def test_resolve_of_dangling_symlink(session: Session) -> None:
    session.symlink(session.root, b"link", b"missing", ME)
    with pytest.raises(NotFound):
        session.resolve(b"/link")
    assert session.resolve(b"/link", follow=False).is_symlink


def test_resolve_of_a_loop(session: Session) -> None:
    session.symlink(session.root, b"a", b"b", ME)
    session.symlink(session.root, b"b", b"a", ME)
    with pytest.raises(SymlinkLoop):
        session.resolve(b"/a")
    with pytest.raises(SymlinkLoop):
        session.resolve(b"/a/deeper", follow=False)


def test_forty_symlinks_are_followed(session: Session) -> None:
    node = make_file(session, b"0")
    for i in range(40):
        session.symlink(session.root, b"%d" % (i + 1), b"%d" % i, ME)
    assert session.resolve(b"/40").node == node
    session.symlink(session.root, b"41", b"40", ME)
    with pytest.raises(SymlinkLoop):
        session.resolve(b"/41")


# --- path_of ---


def test_path_of(session: Session) -> None:
    outer = make_directory(session, b"outer")
    node = make_file(session, b"file", parent=outer)
    assert session.path_of(session.root) == b"/"
    assert session.path_of(outer) == b"/outer"
    assert session.path_of(node) == b"/outer/file"
    session.rename(session.root, b"outer", session.root, b"moved")
    assert session.path_of(node) == b"/moved/file"


def test_path_of_is_the_oldest_placement(session: Session) -> None:
    node = make_file(session, b"z")
    session.link(node, session.root, b"a")
    assert session.path_of(node) == b"/z"
    session.unlink(session.root, b"z")
    assert session.path_of(node) == b"/a"


def test_path_of_an_orphan(session: Session) -> None:
    node = make_file(session, b"a")
    session.pin(node)
    session.unlink(session.root, b"a")
    with pytest.raises(NotFound):
        session.path_of(node)


# --- readdir ---


def test_readdir_pages(session: Session) -> None:
    made = [b"%03d" % i for i in range(25)]
    for name in made:
        make_file(session, name)
    seen: list[bytes] = []
    cookie = 0
    while page := session.readdir(session.root, cookie, 7):
        assert len(page) <= 7
        assert [entry.cookie for entry in page] == sorted({entry.cookie for entry in page})
        assert page[0].cookie > cookie
        seen += [entry.name for entry in page]
        cookie = page[-1].cookie
    assert seen == made


def test_readdir_gives_attributes(session: Session) -> None:
    node = make_file(session, b"file", b"abc")
    directory = make_directory(session, b"directory")
    entries = session.readdir(session.root, 0, 10)
    assert [entry.attributes for entry in entries] == [
        session.getattr(node),
        session.getattr(directory),
    ]
    assert [stat.S_IFMT(entry.attributes.mode) for entry in entries] == [
        stat.S_IFREG,
        stat.S_IFDIR,
    ]


def test_readdir_survives_changes_between_pages(session: Session) -> None:
    for i in range(6):
        make_file(session, b"%d" % i)
    first = session.readdir(session.root, 0, 3)
    assert [entry.name for entry in first] == [b"0", b"1", b"2"]
    session.unlink(session.root, b"2")  # the one whose cookie goes on
    session.unlink(session.root, b"4")
    make_file(session, b"6")
    rest = session.readdir(session.root, first[-1].cookie, 100)
    assert [entry.name for entry in rest] == [b"3", b"5", b"6"]


def test_cookies_are_not_used_again(session: Session) -> None:
    make_file(session, b"a")
    cookie = session.readdir(session.root, 0, 1)[0].cookie
    session.unlink(session.root, b"a")
    make_file(session, b"a")
    assert session.readdir(session.root, 0, 1)[0].cookie > cookie


def test_readdir_of_a_file(session: Session) -> None:
    node = make_file(session, b"a")
    with pytest.raises(NotADirectory):
        session.readdir(node, 0, 10)
