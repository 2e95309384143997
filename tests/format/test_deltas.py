"""Deltas that are missing, old or elsewhere: never other bytes than were written last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt, DamagedRange
from sqlfs.types import AttributeChanges
from sqlfs.volume import Session
from tests.format.tampering import flip, stored, tamper
from tests.format.volumes import (
    CHUNK,
    KINDS,
    ME,
    Kind,
    content,
    create,
    findings,
    keeping_deltas,
    noise,
    opened,
    put,
    row_of,
    write_small,
)

WHOLE = noise(3 * CHUNK + 9)
NAMES = (b"one", b"other")


@pytest.fixture(params=["plain", "encrypted"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def changed(path: Path, kind: Kind) -> bytes:
    """Two files of equal bytes, closed before their three deltas each were folded."""
    expected = bytearray(WHOLE)
    with keeping_deltas(), create(path, kind) as file:
        session = file.session("main", passphrase=kind.passphrase)
        nodes = [put(session, name, (0, WHOLE)) for name in NAMES]
        session.sync()
        for at, data in ((10, b"first"), (12, b"second"), (3 * CHUNK + 9, b"third")):
            expected[at : at + len(data)] = data
            for node in nodes:
                write_small(session, node, at, data)
    assert len(deltas(path)) == 6
    return bytes(expected)


def deltas(path: Path) -> list[dict[str, object]]:
    return stored(path, "SELECT id, node, generation, sealed FROM delta ORDER BY id")


def handle_of(session: Session, name: bytes) -> int:
    return session.open(session.lookup(session.root, name).node, os.O_RDWR)


def test_they_are_read_and_folded_by_the_next_who_opens_the_file(
    path: Path, kind: Kind, changed: bytes
) -> None:
    with keeping_deltas(), opened(path, kind) as (file, session):
        assert [content(session, name) for name in NAMES] == [changed, changed]
        assert findings(file) == set()
    assert len(deltas(path)) == 6
    with opened(path, kind):
        pass
    assert deltas(path) == []
    with opened(path, kind) as (_, session):
        assert [content(session, name) for name in NAMES] == [changed, changed]


DAMAGE = [
    "DELETE FROM delta WHERE id = 1",
    "DELETE FROM delta WHERE id = 5",
    "DELETE FROM delta WHERE node = (SELECT min(node) FROM delta)",
    "UPDATE delta SET id = -id",
    "UPDATE delta SET id = id + 100 WHERE id = 1",
    "UPDATE delta SET node = (SELECT max(node) FROM delta) WHERE id = 1",
    "UPDATE delta SET generation = generation + 1 WHERE id = 1",
    "UPDATE delta SET sealed = (SELECT sealed FROM delta WHERE id = 3) WHERE id = 1",
    "INSERT INTO delta SELECT 99, node, generation, sealed FROM delta WHERE id = 1",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_what_is_missing_or_elsewhere_is_told(
    path: Path, kind: Kind, changed: bytes, statement: str
) -> None:
    tamper(path, statement)
    assert_only_one_is_read(path, kind, changed)


def test_a_bit_that_flips_is_told(path: Path, kind: Kind, changed: bytes) -> None:
    flip(path, "delta", "id", 1)
    assert_only_one_is_read(path, kind, changed)


def assert_only_one_is_read(path: Path, kind: Kind, changed: bytes) -> None:
    damaged = 0
    with keeping_deltas(), opened(path, kind) as (file, session):
        for name in NAMES:
            try:
                assert content(session, name) == changed
            except DamagedRange as error:
                told = error.message
                damaged += f"bytes 0 to {len(changed) - 1}" in told
        assert "content" in findings(file)
    assert damaged


def test_a_file_of_which_one_is_missing_can_be_replaced(
    path: Path, kind: Kind, changed: bytes
) -> None:
    tamper(path, "DELETE FROM delta WHERE id = 1")
    with opened(path, kind) as (file, session):
        handle = handle_of(session, b"one")
        with pytest.raises(Corrupt):
            session.write(handle, 7, b"small")
        with pytest.raises(Corrupt):
            session.clone(session.lookup(session.root, b"one").node, session.root, b"twin", ME)
        with pytest.raises(Corrupt):
            session.copy_range(handle, 0, handle_of(session, b"other"), 0, CHUNK)
        session.setattr(session.lookup(session.root, b"one").node, AttributeChanges(size=0))
        session.write(handle, 0, WHOLE)
        session.fsync(handle)
        assert content(session, b"one") == WHOLE
        assert content(session, b"other") == changed
        assert findings(file) == set()
    assert deltas(path) == []


def test_a_file_of_which_one_is_missing_can_be_removed(
    path: Path, kind: Kind, changed: bytes
) -> None:
    tamper(path, "DELETE FROM delta WHERE id = 1")
    with opened(path, kind) as (file, session):
        session.unlink(session.root, b"one")
        assert content(session, b"other") == changed
        file.reclaim()
        assert findings(file) == set()
    assert deltas(path) == []


def test_one_that_was_folded_does_not_come_back(path: Path, kind: Kind, changed: bytes) -> None:
    before = deltas(path)
    with opened(path, kind) as (_, session):
        write_small(session, session.lookup(session.root, b"one").node, 10, b"newest")
    assert deltas(path) == []
    for row in before:
        tamper(path, "INSERT INTO delta VALUES (:id, :node, :generation, :sealed)", **row)
    expected = changed[:10] + b"newest" + changed[16:]
    with keeping_deltas(), opened(path, kind) as (file, session):
        assert content(session, b"one") == expected
        assert content(session, b"other") == changed
        assert findings(file) == {"delta_stray"}


def test_a_page_of_them_that_is_damaged_costs_those_files_alone(
    path: Path, kind: Kind, changed: bytes
) -> None:
    assert changed != WHOLE
    with keeping_deltas(), opened(path, kind) as (_, session):
        put(session, b"sound", (0, WHOLE))
    (row,) = stored(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'delta'")
    (size,) = stored(path, "PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((row["rootpage"] - 1) * size["page_size"])
        file.write(bytes(100))
    with keeping_deltas(), opened(path, kind) as (_, session):
        assert content(session, b"sound") == WHOLE
        for name in NAMES:
            with pytest.raises(DamagedRange):
                content(session, name)
        write_small(session, session.lookup(session.root, b"sound").node)
        assert content(session, b"sound") == WHOLE[:9] + b"small" + WHOLE[14:]


def test_damage_beneath_one_costs_no_more_than_its_own_range(
    path: Path, kind: Kind, changed: bytes
) -> None:
    with keeping_deltas():
        chunk = row_of(path, kind, WHOLE[:CHUNK])
    flip(path, "chunk_data", "id", chunk)
    with opened(path, kind) as (_, session):
        handle = handle_of(session, b"one")
        readable = 0
        for at in range(0, len(changed), CHUNK):
            try:
                piece = session.read(handle, at, CHUNK)
            except DamagedRange:
                continue
            assert piece == changed[at : at + CHUNK]
            readable += 1
        assert readable == 3
        assert session.read(handle, 10, 8) == changed[10:18]
    assert len(deltas(path)) == 4  # what lies over the damage
