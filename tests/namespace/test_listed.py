"""What is remembered of listings, and of where directories are, never outlives a change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlfs.namespace import edges
from sqlfs.types import RenameFlag
from sqlfs.volume import Session
from sqlfs.volume.file import VolumeFile
from tests.format.volumes import CHUNK, ME, Kind, create, noise, opened

KIND = Kind(b"pass")
# More than there are: the listing comes to its end.
ALL = 100


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    path = tmp_path / "volume.sqlite"
    with create(path, KIND):
        pass
    with opened(path, KIND) as (_, session):
        yield session


@pytest.fixture
def directory(session: Session) -> int:
    """One with three names."""
    node = session.mkdir(session.root, b"directory", 0o755, ME).node
    for name in (b"one", b"two", b"three"):
        session.mknod(node, name, 0o600, 0, ME)
    return node


def names(session: Session, directory: int, cookie: int = 0) -> list[bytes]:
    return [entry.name for entry in session.readdir(directory, cookie, ALL)]


def test_a_listing_is_read_once(
    session: Session, directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = session.readdir(directory, 0, ALL)
    read: list[str] = []
    monkeypatch.setattr(
        session.opened_volume.db, "raw_rows", lambda name, *_: read.append(name) or []
    )
    assert session.readdir(directory, 0, ALL) == first
    assert session.readdir(directory, 0, 2) == first[:2]
    assert session.readdir(directory, first[0].cookie, ALL) == first[1:]
    assert session.readdir(directory, first[-1].cookie, ALL) == []
    assert read == []


def test_a_part_of_a_listing_is_not_taken_for_all(session: Session, directory: int) -> None:
    part = session.readdir(directory, 0, 2)
    assert names(session, directory) == [b"one", b"two", b"three"]
    session.readdir(directory, part[0].cookie, ALL)
    assert names(session, directory) == [b"one", b"two", b"three"]
    last = session.mknod(directory, b"last", 0o600, 0, ME)
    assert names(session, directory, part[0].cookie) == [b"two", b"three", b"last"]
    end = session.readdir(directory, part[0].cookie, ALL)[-1]
    assert end.attributes.node == last.node


def test_every_change_of_a_directory_is_listed(session: Session, directory: int) -> None:
    root = session.root
    assert names(session, directory) == [b"one", b"two", b"three"]
    session.unlink(directory, b"one")
    assert names(session, directory) == [b"two", b"three"]
    session.rename(directory, b"two", root, b"gone")
    assert names(session, directory) == [b"three"]
    session.rename(root, b"gone", directory, b"back")
    assert sorted(names(session, directory)) == [b"back", b"three"]
    session.rename(directory, b"back", directory, b"three", RenameFlag.EXCHANGE)
    assert sorted(names(session, directory)) == [b"back", b"three"]
    session.link(session.lookup(directory, b"three").node, directory, b"link")
    assert sorted(names(session, directory)) == [b"back", b"link", b"three"]
    session.rename(directory, b"link", directory, b"back")
    assert sorted(names(session, directory)) == [b"back", b"three"]


def test_a_change_elsewhere_leaves_a_listing_right(session: Session, directory: int) -> None:
    other = session.mkdir(session.root, b"other", 0o755, ME).node
    assert names(session, directory) == [b"one", b"two", b"three"]
    session.mknod(other, b"one", 0o600, 0, ME)
    session.unlink(directory, b"one")
    assert names(session, other) == [b"one"]
    assert names(session, directory) == [b"two", b"three"]


def test_names_that_move_are_listed_where_they_are(
    session: Session, directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few are known that some are forgotten, and changes written, in the middle of any verb.
    chance = random.Random(3)
    other = session.mkdir(session.root, b"other", 0o755, ME).node
    expected = {directory: {b"one", b"two", b"three"}, other: set[bytes]()}
    for step in range(600):
        monkeypatch.setattr(edges, "NAME_CACHE_ENTRIES", chance.randrange(1, 9))
        source, target = chance.sample([directory, other], 2)
        if expected[source]:
            name, new = chance.choice(sorted(expected[source])), b"%d" % step
            session.rename(source, name, target, new)
            expected[source].remove(name)
            expected[target].add(new)
        for node in chance.sample([directory, other], chance.randrange(3)):
            assert set(names(session, node)) == expected[node]


def test_where_a_directory_is_follows_its_moves(session: Session, directory: int) -> None:
    root = session.root
    inner = session.mkdir(directory, b"inner", 0o755, ME).node
    other = session.mkdir(root, b"other", 0o755, ME).node

    def above() -> int:
        session.lookup(directory, b"inner")
        names(session, directory)
        return session.lookup(inner, b"..").node

    assert above() == directory
    session.rename(directory, b"inner", other, b"inner")
    assert session.lookup(inner, b"..").node == other
    session.mkdir(directory, b"inner", 0o755, ME)
    session.rename(other, b"inner", directory, b"inner")
    assert above() == directory
    session.rename(directory, b"inner", root, b"other", RenameFlag.EXCHANGE)
    assert session.lookup(inner, b"..").node == root
    assert session.lookup(other, b"..").node == directory
    assert session.path_of(inner) == b"/other"


def test_equal_content_that_goes_at_once_is_counted_down(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    data = noise(CHUNK)
    with create(path, KIND) as file:
        session = file.session("main", passphrase=KIND.passphrase)
        for number in range(4):
            _, handle = session.create(session.root, b"%d" % number, 0o600, 2, ME)
            session.write(handle, 0, data)
            session.release(handle)
        session.sync()
        assert counts(file) == [4]
        for number in range(3):
            session.unlink(session.root, b"%d" % number)
        session.sync()
        assert counts(file) == [1]
        handle = session.open(session.lookup(session.root, b"3").node, 0)
        assert session.read(handle, 0, len(data)) == data
        session.release(handle)
        session.unlink(session.root, b"3")
        session.sync()
        assert counts(file) == []


def counts(file: VolumeFile) -> list[int]:
    rows = file.db.connection.execute("SELECT refs FROM chunk").fetchall()
    return [int(str(refs)) for (refs,) in rows]
