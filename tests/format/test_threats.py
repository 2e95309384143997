"""What the threat model says of an adversary who writes to the file, and of accidents."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt, InputOutput, NotFound
from sqlfs.maintenance import check_file
from sqlfs.types import AttributeChanges
from sqlfs.volume import Session, VolumeFile
from tests.format.volumes import CHUNK, VOLUME, Kind, create, noise, put

A, B = b"file a", b"file b"


@pytest.fixture(params=["plain", "encrypted"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(b"pass" if request.param == "encrypted" else None)


@pytest.fixture
def nodes(path: Path, kind: Kind) -> tuple[int, int]:
    """Two files of one chunk each, in a file that is closed."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        return put(session, A, (0, noise(CHUNK))), put(session, B, (0, noise(CHUNK - 1)))


def tamper(path: Path, *statements: str, **parameters: object) -> None:
    connection = sqlite3.connect(path)
    try:
        for statement in statements:
            assert connection.execute(statement, parameters).rowcount, statement
        connection.commit()
    finally:
        connection.close()


def stored(path: Path, query: str) -> list[bytes]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[tuple[VolumeFile, Session]]:
    with VolumeFile.open(path, background=False) as file:
        yield file, file.session(VOLUME, passphrase=kind.passphrase)


def content(session: Session, name: bytes) -> bytes:
    handle = session.open(session.lookup(session.root, name).node, 0)
    try:
        return session.read(handle, 0, CHUNK)
    finally:
        session.release(handle)


@pytest.mark.parametrize("table", ["node", "edge", "chunk_data"])
def test_rows_that_changed_places_are_found_out(
    path: Path, kind: Kind, nodes: tuple[int, int], table: str
) -> None:
    low, high = sorted(nodes) if table == "node" else (1, 2)
    first, second = (
        stored(path, f"SELECT sealed FROM {table} WHERE id = {id_}")[0] for id_ in (low, high)
    )
    swap = f"UPDATE {table} SET sealed = iif(id = {low}, :second, :first)"
    tamper(path, f"{swap} WHERE id IN ({low}, {high})", first=first, second=second)
    with opened(path, kind) as (_, session):
        for name in (A, B):
            with pytest.raises(Corrupt):
                content(session, name)


def test_a_name_cannot_be_made_to_lead_elsewhere(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    tamper(path, "UPDATE edge SET child = :b WHERE child = :a", a=nodes[0], b=nodes[1])
    with opened(path, kind) as (_, session):
        with pytest.raises(Corrupt):
            session.lookup(session.root, A)
        assert session.lookup(session.root, B).node == nodes[1]


@pytest.mark.usefixtures("nodes")
def test_settings_cannot_be_edited(path: Path, kind: Kind) -> None:
    tamper(path, "UPDATE volume SET chunk_size = 8192")
    with VolumeFile.open(path) as file, pytest.raises(Corrupt, match="settings"):
        file.session(VOLUME, passphrase=kind.passphrase)


def test_an_earlier_version_of_a_row_is_not_found_out(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    query = f"SELECT sealed FROM node WHERE id = {nodes[0]}"
    (earlier,) = stored(path, query)
    with opened(path, kind) as (_, session):
        session.setattr(nodes[0], AttributeChanges(mode=0o600))
    assert stored(path, query) != [earlier]
    tamper(path, "UPDATE node SET sealed = :earlier WHERE id = :a", earlier=earlier, a=nodes[0])
    with opened(path, kind) as (file, session):
        assert session.getattr(nodes[0]).mode & 0o777 == 0o640
        assert check_file(file, deep=True) == []


def test_a_deleted_name_reads_as_if_it_had_never_been(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    tamper(path, "DELETE FROM edge WHERE child = :a", a=nodes[0])
    with opened(path, kind) as (_, session):
        with pytest.raises(NotFound):
            session.lookup(session.root, A)
        assert [entry.name for entry in session.readdir(session.root, 0, 9)] == [B]


@pytest.mark.xfail(raises=InputOutput, reason="a check fails where a query finds something")
def test_a_check_misses_a_deleted_name(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    tamper(path, "DELETE FROM edge WHERE child = :a", a=nodes[0])
    with opened(path, kind) as (file, _):
        found = {finding.check for finding in check_file(file)}
        assert found == {"node_without_edge", "link_count"}


def test_a_deleted_piece_is_an_error(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    assert nodes
    tamper(path, "DELETE FROM chunk WHERE id = 1", "DELETE FROM chunk_data WHERE id = 1")
    with opened(path, kind) as (_, session):
        with pytest.raises(Corrupt, match="missing"):
            content(session, A)
        assert content(session, B) == noise(CHUNK - 1)


@pytest.mark.usefixtures("nodes")
def test_names_and_content_are_not_in_a_locked_file(path: Path, kind: Kind) -> None:
    raw = path.read_bytes()
    assert VOLUME.encode() in raw, "names of volumes are in clear"
    readable = kind.passphrase is None
    for secret in (A, B, noise(CHUNK)[:64]):
        assert (secret in raw) == readable
