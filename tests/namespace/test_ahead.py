"""What is in memory of a directory, or was read ahead, never says anything but what is stored."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sqlfs.errors import NotFound
from sqlfs.namespace import ahead, edges, nodes
from sqlfs.volume import Session
from tests.format.volumes import ME, Kind, create, opened

NAMES = 600
KIND = Kind(b"pass")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A volume file with one directory of many names."""
    path = tmp_path / "volume.sqlite"
    with create(path, KIND) as file:
        session = file.session("main", passphrase=KIND.passphrase)
        directory = session.mkdir(session.root, b"many", 0o755, ME).node
        for number in range(NAMES):
            session.mknod(directory, b"%d" % number, 0o600 + number % 8, 0, ME)
    return path


def found(session: Session, directory: int, name: bytes) -> int | None:
    try:
        return session.lookup(directory, name).node
    except NotFound:
        return None


@pytest.mark.parametrize("remembered", [4, 16_384])
def test_names_come_and_go_while_others_are_read_ahead(
    path: Path, monkeypatch: pytest.MonkeyPatch, remembered: int
) -> None:
    # With few, what was found and changed is soon forgotten, and rows read ahead may be older.
    monkeypatch.setattr(edges, "NAME_CACHE_ENTRIES", remembered)
    monkeypatch.setattr(nodes, "NODE_CACHE_ENTRIES", remembered)
    chance = random.Random(7)
    with opened(path, KIND) as (file, session):
        directory = session.lookup(session.root, b"many").node
        expected: dict[bytes, int | None] = {
            entry.name: entry.attributes.node for entry in session.readdir(directory, 0, NAMES)
        }
    with opened(path, KIND) as (file, session):
        names = list(expected)
        for step in range(2 * NAMES):
            name = chance.choice(names)
            assert found(session, directory, name) == expected[name]
            node = expected[name]
            action = chance.randrange(6)
            if node is None:
                expected[name] = session.mknod(directory, name, 0o600, 0, ME).node
            elif action == 0:
                session.unlink(directory, name)
                expected[name] = None
            elif action == 1:
                new = b"new %d" % step
                session.rename(directory, name, directory, new)
                expected[name], expected[new] = None, node
                names.append(new)
            if step % 200 == 0:
                file.commit()
        there = {name: node for name, node in expected.items() if node is not None}
        for name in chance.sample(names, len(names)):
            assert found(session, directory, name) == expected[name]
        listed = session.readdir(directory, 0, 10 * NAMES)
        assert {entry.name: entry.attributes.node for entry in listed} == there


def test_a_change_of_what_was_read_ahead_is_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "NODE_CACHE_ENTRIES", 4)
    with opened(path, KIND) as (file, session):
        directory = session.lookup(session.root, b"many").node
        second = session.lookup(directory, b"1").node
        session.link(second, session.root, b"link")  # changed in memory, not in its row
        for number in range(2, 40):
            session.lookup(directory, b"%d" % number)
        file.commit()
        for number in range(40, 80):
            session.lookup(directory, b"%d" % number)
        assert session.lookup(directory, b"1").nlink == 2


def test_rows_are_read_before_they_are_asked_for(path: Path) -> None:
    with opened(path, KIND) as (_, session):
        directory = session.lookup(session.root, b"many").node
        asked: list[str] = []
        session.opened_volume.db.connection.trace_v2(1, lambda event: asked.append(event["sql"]))
        names = [b"%d" % number for number in range(NAMES)]
        random.Random(3).shuffle(names)
        for name in names:
            session.lookup(directory, name)
        session.opened_volume.db.connection.trace_v2(0, None)
    assert len(asked) < NAMES // 5


def test_reading_on_ends_with_the_directory_and_where_it_does_not_pay() -> None:
    foresight = ahead.Foresight()
    asked = [foresight.missed(1) for _ in range(3)]
    assert asked[:2] == [None, None]
    assert asked[2] == (0, 16)
    foresight.read(1, 900, 16, ended=True)
    assert foresight.missed(1) is None

    def read_for_nothing(directories: range) -> int:
        total = 0
        for directory in directories:
            read = 0
            for _ in range(100):
                pages = foresight.missed(directory)
                if pages is not None:
                    cookie, rows = pages
                    assert cookie == read
                    read += rows
                    foresight.read(directory, read, rows, ended=False)
            total += read
        return total

    of_one = read_for_nothing(range(2, 3))
    assert 1_000 < of_one < 5_000
    assert read_for_nothing(range(3, 500)) == 0
    for _ in range(100):
        foresight.hit()
    assert 100 < read_for_nothing(range(500, 1_000)) < 5_000
