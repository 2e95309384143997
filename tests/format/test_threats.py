"""What the threat model says of an adversary who writes to the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sqlfs.errors import Corrupt, NotFound
from sqlfs.types import AttributeChanges
from sqlfs.volume import VolumeFile
from tests.format.tampering import put_back, stored, tamper
from tests.format.volumes import (
    CHUNK,
    ME,
    VOLUME,
    Kind,
    content,
    create,
    findings,
    names,
    noise,
    opened,
    put,
)

A, B = b"file a", b"file b"
SHARED = noise(2 * CHUNK)


@pytest.fixture(params=["plain", "encrypted"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(b"pass" if request.param == "encrypted" else None)


@pytest.fixture
def nodes(path: Path, kind: Kind) -> tuple[int, int]:
    """Two files of one chunk each, the first with two xattrs, in a file that is closed."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        a, b = put(session, A, (0, noise(CHUNK))), put(session, B, (0, noise(CHUNK - 1)))
        session.setxattr(a, b"user.one", b"1")
        session.setxattr(a, b"user.two", b"2")
        session.setattr(a, AttributeChanges(atime_ns=1))
        session.sync()
        content(session, A)  # gives it an access time of its own
        return a, b


@pytest.fixture
def shared(path: Path, kind: Kind) -> int:
    """Two files that share a manifest, in a file that is closed; the node of the first."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        node = put(session, A, (0, SHARED))
        session.clone(node, session.root, B, ME)
        return node


# --- what is found out ---


@pytest.mark.parametrize("table", ["node", "edge", "chunk_data"])
def test_rows_that_changed_places_are_found_out(
    path: Path, kind: Kind, nodes: tuple[int, int], table: str
) -> None:
    low, high = nodes if table == "node" else (1, 2)
    rows = stored(path, f"SELECT sealed FROM {table} WHERE id IN ({low}, {high}) ORDER BY id")
    first, second = (row["sealed"] for row in rows)
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
        assert session.lookup(session.root, names(session)[0]).is_damaged
        assert session.lookup(session.root, B).node == nodes[1]


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize(
    "column",
    [
        "root",
        "domain",
        "generation",
        "id_generation",
        "chunk_size",
        "dedupe",
        "compression",
        "epoch",
        "created",
    ],
)
def test_settings_cannot_be_edited(path: Path, kind: Kind, column: str) -> None:
    value = {"dedupe": 0, "compression": 5}.get(column, 8192)
    tamper(path, f"UPDATE volume SET {column} = {value}")
    with VolumeFile.open(path) as file, pytest.raises(Corrupt, match="settings"):
        file.session(VOLUME, passphrase=kind.passphrase)


@pytest.mark.parametrize("table", ["node", "edge", "xattr", "chunk_data", "counter"])
def test_a_row_of_another_key_generation_is_refused(
    path: Path, kind: Kind, nodes: tuple[int, int], table: str
) -> None:
    def read() -> bytes:
        with opened(path, kind) as (_, session):
            return session.getxattr(nodes[0], b"user.one") + content(session, A)

    own = 1 if kind.passphrase else 0
    for other in {0, 1, 2} - {own}:
        tamper(path, f"UPDATE {table} SET generation = {other}")
        with pytest.raises(Corrupt, match=f"key generation {other}"):
            read()
    tamper(path, f"UPDATE {table} SET generation = {own}")
    assert read() == b"1" + noise(CHUNK)


def test_an_access_time_of_another_key_generation_is_not_believed(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    with opened(path, kind) as (_, session):
        assert session.getattr(nodes[0]).atime_ns != 1
    tamper(path, "UPDATE atime SET generation = generation + 1")
    with opened(path, kind) as (file, session):
        assert session.getattr(nodes[0]).atime_ns == 1
        assert findings(file) == {"atime_sealed"}


@pytest.mark.usefixtures("nodes")
def test_tags_that_changed_places_are_found_out(path: Path, kind: Kind) -> None:
    first, second = (row["tag"] for row in stored(path, "SELECT tag FROM edge ORDER BY id"))
    tamper(
        path,
        "UPDATE edge SET tag = zeroblob(16) WHERE tag = :first",  # no two alike at any moment
        "UPDATE edge SET tag = :first WHERE tag = :second",
        "UPDATE edge SET tag = :second WHERE tag = zeroblob(16)",
        first=first,
        second=second,
    )
    with opened(path, kind) as (_, session):
        for name in (A, B):
            with pytest.raises(Corrupt, match="another name"):
                session.lookup(session.root, name)
        assert names(session) == [A, B]


def test_a_node_with_a_name_is_not_deleted_as_an_orphan(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    tamper(path, "INSERT INTO orphan VALUES (:a)", a=nodes[0])
    with opened(path, kind) as (file, session):
        assert content(session, A) == noise(CHUNK)
        assert findings(file) == {"orphan_unsound"}


def test_a_row_of_the_reclaim_queue_cannot_be_doubled(path: Path, kind: Kind, shared: int) -> None:
    assert shared
    row = unlink_and_keep(path, kind, "reclaim")
    put_back(path, "reclaim", row | {"id": row["id"] + 1})
    with opened(path, kind) as (file, session):
        file.reclaim()
        session.sync()
        assert content(session, B) == SHARED
        assert findings(file) == set()
    assert stored(path, "SELECT id FROM reclaim") == []


@pytest.mark.usefixtures("nodes")
def test_names_and_content_are_not_in_a_locked_file(path: Path, kind: Kind) -> None:
    raw = path.read_bytes()
    assert VOLUME.encode() in raw, "names of volumes are in clear"
    readable = kind.passphrase is None
    for secret in (A, B, noise(CHUNK)[:64]):
        assert (secret in raw) == readable


# --- what is not found out, or only when it is too late ---


def unlink_and_keep(path: Path, kind: Kind, table: str) -> dict[str, Any]:
    """Remove the first file, and return the one row that is in `table` then."""
    with opened(path, kind) as (_, session):
        session.unlink(session.root, A)
    (row,) = stored(path, f"SELECT * FROM {table}")
    return row


def test_an_earlier_state_of_the_file_is_not_found_out(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    earlier = path.read_bytes()
    with opened(path, kind) as (_, session):
        session.unlink(session.root, A)
    path.write_bytes(earlier)
    with opened(path, kind) as (file, session):
        assert session.lookup(session.root, A).node == nodes[0]
        assert (file.notices, findings(file)) == ([], set())


def test_an_earlier_version_of_a_row_is_not_found_out(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    query = f"SELECT sealed FROM node WHERE id = {nodes[0]}"
    (earlier,) = stored(path, query)
    with opened(path, kind) as (_, session):
        session.setattr(nodes[0], AttributeChanges(mode=0o600))
    assert stored(path, query) != [earlier]
    tamper(path, f"UPDATE node SET sealed = :sealed WHERE id = {nodes[0]}", **earlier)
    with opened(path, kind) as (file, session):
        assert session.getattr(nodes[0]).mode & 0o777 == 0o640
        assert findings(file) == set()


def test_a_deleted_name_reads_as_if_it_had_never_been(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    tamper(path, "DELETE FROM edge WHERE child = :a", a=nodes[0])
    with opened(path, kind) as (file, session):
        with pytest.raises(NotFound):
            session.lookup(session.root, A)
        assert names(session) == [B]
        assert findings(file) == {"node_without_edge", "link_count"}


def test_a_name_that_was_put_back_is_a_name_again(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    with opened(path, kind) as (_, session):
        session.link(nodes[0], session.root, b"second name")
    (row,) = stored(path, "SELECT * FROM edge WHERE id = (SELECT max(id) FROM edge)")
    with opened(path, kind) as (_, session):
        session.unlink(session.root, b"second name")
    put_back(path, "edge", row)
    with opened(path, kind) as (file, session):
        assert session.lookup(session.root, b"second name").node == nodes[0]
        assert findings(file) == {"link_count"}


@pytest.mark.usefixtures("shared")
def test_a_reclaim_row_that_was_put_back_gives_up_what_others_use(path: Path, kind: Kind) -> None:
    row = unlink_and_keep(path, kind, "reclaim")
    with opened(path, kind) as (file, session):
        file.reclaim()
        assert content(session, B) == SHARED
    put_back(path, "reclaim", row)
    with opened(path, kind) as (file, session):
        file.reclaim()
        with pytest.raises(Corrupt, match="missing"):
            content(session, B)


def test_an_orphan_that_was_put_back_gives_up_what_others_use(
    path: Path, kind: Kind, shared: int
) -> None:
    copy = path.with_name("copy.sqlite")
    with opened(path, kind) as (file, session):
        session.open(shared, os.O_RDONLY)
        session.unlink(session.root, A)
        file.checkpoint()
        copy.write_bytes(path.read_bytes())
    (node,) = stored(copy, f"SELECT * FROM node WHERE id = {shared}")
    with opened(path, kind) as (file, session):
        file.reclaim()
        assert content(session, B) == SHARED
    put_back(path, "node", node)
    put_back(path, "orphan", {"node": shared})
    with opened(path, kind) as (file, session):
        file.reclaim()
        with pytest.raises(Corrupt, match="missing"):
            content(session, B)


@pytest.mark.usefixtures("shared")
def test_a_piece_that_is_counted_too_low_goes_while_it_is_needed(path: Path, kind: Kind) -> None:
    tamper(path, "UPDATE chunk SET refs = 1 WHERE refs = 2")
    with opened(path, kind) as (file, session):
        assert findings(file) == {"reference_count"}
        session.unlink(session.root, A)
        file.reclaim()
        with pytest.raises(Corrupt, match="missing"):
            content(session, B)


def test_a_tag_that_was_altered_hides_its_name(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    tamper(path, "UPDATE edge SET tag = randomblob(16) WHERE child = :a", a=nodes[0])
    with opened(path, kind) as (file, session):
        with pytest.raises(NotFound):
            session.lookup(session.root, A)
        assert names(session) == [A, B]
        put(session, A, (0, b"another"))
        assert names(session) == [A, B, A]
        assert findings(file) == {"edge_tag"}


def test_old_rows_fit_new_ids_where_a_reservation_was_set_back(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    (old,) = stored(path, f"SELECT sealed FROM node WHERE id = {nodes[1]}")
    with opened(path, kind) as (_, session):
        session.setattr(nodes[1], AttributeChanges(mode=0o777))
        session.unlink(session.root, B)
    tamper(path, "UPDATE reservation SET next = 1 WHERE kind = 'node'")
    with opened(path, kind) as (_, session):
        assert put(session, b"new", (0, b"new")) == nodes[1], "above the greatest in use"
    tamper(path, f"UPDATE node SET sealed = :sealed WHERE id = {nodes[1]}", **old)
    with opened(path, kind) as (file, session):
        assert session.lookup(session.root, b"new").size == CHUNK - 1
        assert {"content", "counters"} <= findings(file)
