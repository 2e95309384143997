"""What damage costs: what it touches, by a clear error, and nothing else."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from sqlfs.errors import AlreadyExists, Corrupt, NotEmpty, NotFound, WrongPassphrase
from sqlfs.types import AttributeChanges
from sqlfs.volume import Session, VolumeFile
from tests.format.tampering import flip, spoil, stored, tamper
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
SLOTS = 2 * 128  # of a file with two manifests below its root


@pytest.fixture(params=["plain", "encrypted"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(b"pass" if request.param == "encrypted" else None)


def slot(number: int) -> bytes:
    return number.to_bytes(4, "big") + noise(CHUNK - 4)


@pytest.fixture
def nodes(path: Path, kind: Kind) -> tuple[int, int]:
    """A file of one chunk, with two xattrs, and one of two manifests and their root."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        a = put(session, A, (0, noise(CHUNK)))
        b = put(session, B, *((number * CHUNK, slot(number)) for number in range(SLOTS)))
        session.setxattr(a, b"user.one", b"1")
        session.setxattr(a, b"user.two", b"2")
        session.setattr(a, AttributeChanges(atime_ns=1))
        session.sync()
        content(session, A)  # gives it an access time of its own
        return a, b


def read(session: Session, node: int, number: int) -> bytes:
    handle = session.open(node, os.O_RDONLY)
    try:
        return session.read(handle, number * CHUNK, CHUNK)
    finally:
        session.release(handle)


def manifests(path: Path) -> list[int]:
    """The rows of the manifests, lowest level first."""
    rows = stored(path, "SELECT id FROM chunk_data ORDER BY id")
    return [row["id"] for row in rows if row["id"] > 1 + SLOTS]


def test_a_damaged_node(
    path: Path, kind: Kind, nodes: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    flip(path, "node", "id", nodes[0])
    with opened(path, kind) as (_, session):
        found = session.lookup(session.root, A)
        assert (found.is_damaged, found.mode, found.size) == (True, stat.S_IFREG, 0)
        for fails in (
            lambda: session.resolve(A),
            lambda: session.getattr(found.node),
            lambda: session.getattr(nodes[0]),
            lambda: session.open(found.node, os.O_RDONLY),
            lambda: session.open(nodes[0], os.O_RDONLY),
        ):
            with pytest.raises(Corrupt, match=r"(node|entry) \d+"):
                fails()
        caplog.clear()
        listed = {entry.name: entry.attributes for entry in session.readdir(session.root, 0, 9)}
        assert listed[A] == found
        assert listed[B] == session.getattr(nodes[1])
        assert [f"node {nodes[0]}" in record.message for record in caplog.records] == [True]
        assert read(session, nodes[1], 5) == slot(5)


def test_a_damaged_access_time(
    path: Path, kind: Kind, nodes: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(path, kind) as (_, session):
        before = session.getattr(nodes[0])
    assert before.atime_ns != 1
    flip(path, "atime", "node", nodes[0])
    with opened(path, kind) as (file, session):
        caplog.clear()
        assert session.getattr(nodes[0]) == before._replace(atime_ns=1)
        told = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
        assert [f"access time of node {nodes[0]}" in line for line in told] == [True]
        assert findings(file) == {"atime_sealed"}
        assert content(session, A) == noise(CHUNK)
        session.sync()
        assert findings(file) == set(), "reading has set it anew"


def test_a_missing_node(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    tamper(path, "DELETE FROM node WHERE id = :a", a=nodes[0])
    with opened(path, kind) as (_, session):
        with pytest.raises(Corrupt, match="missing"):
            session.resolve(A)
        assert names(session) == [A, B]


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_an_unreadable_node_can_be_removed(
    path: Path, kind: Kind, nodes: tuple[int, int], damage: str
) -> None:
    if damage == "flipped":
        flip(path, "node", "id", nodes[0])
    else:
        tamper(path, "DELETE FROM node WHERE id = :a", a=nodes[0])
    with opened(path, kind) as (_, session):
        session.pin(session.lookup(session.root, A).node)
        session.unlink(session.root, A)
        assert names(session) == [B]
        put(session, A, (0, b"new"))
    assert stored(path, f"SELECT * FROM node WHERE id = {nodes[0]}") == []
    assert stored(path, f"SELECT * FROM xattr WHERE node = {nodes[0]}") == []


def test_an_unreadable_node_can_be_replaced(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    flip(path, "node", "id", nodes[0])
    with opened(path, kind) as (_, session):
        session.rename(session.root, B, session.root, A)
        assert session.lookup(session.root, A).node == nodes[1]
        assert names(session) == [A]


def test_a_damaged_directory_with_names_in_it_is_not_removed(path: Path, kind: Kind) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        folder = session.mkdir(session.root, b"folder", 0o755, ME).node
        session.mkdir(folder, b"inner", 0o755, ME)
    flip(path, "node", "id", folder)
    with opened(path, kind) as (_, session):
        with pytest.raises(NotEmpty, match="check --repair"):
            session.unlink(session.root, b"folder")
        assert names(session) == [b"folder"]


def test_a_damaged_name(
    path: Path, kind: Kind, nodes: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    flip(path, "edge", "child", nodes[0])
    with opened(path, kind) as (file, session):
        with pytest.raises(Corrupt, match="name of edge"):
            session.lookup(session.root, A)
        assert session.lookup(session.root, B).node == nodes[1]
        caplog.clear()
        stand_in, other = names(session)
        assert stand_in.startswith(b"damaged-name-")
        assert other == B
        told = [record.message for record in caplog.records]
        assert ["volume 'main'" in line and stand_in.decode() in line for line in told] == [True]
        assert session.lookup(session.root, stand_in) == session.getattr(nodes[0])
        assert session.path_of(nodes[0]) == b"/" + stand_in
        assert content(session, stand_in) == noise(CHUNK)
        assert findings(file) == {"edge_sealed"}
        with pytest.raises(AlreadyExists):
            put(session, stand_in)
        session.rename(session.root, stand_in, session.root, A)
        assert content(session, A) == noise(CHUNK)
        assert findings(file) == set()


def test_a_damaged_name_can_be_removed(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    flip(path, "edge", "child", nodes[0])
    with opened(path, kind) as (file, session):
        session.unlink(session.root, names(session)[0])
        assert names(session) == [B]
        assert findings(file) == set()
        put(session, A, (0, b"new"))


@pytest.mark.parametrize("at", ["file", "directory"])
def test_a_damaged_name_takes_nothing_of_another_node(
    path: Path, kind: Kind, nodes: tuple[int, int], at: str
) -> None:
    with opened(path, kind) as (_, session):
        folder = session.mkdir(session.root, b"folder", 0o755, ME).node
        session.mkdir(folder, b"inner", 0o755, ME)
    other = nodes[1] if at == "file" else folder
    tamper(path, "UPDATE edge SET child = :other WHERE child = :a", other=other, a=nodes[0])
    with opened(path, kind) as (_, session):
        stand_in = names(session)[0]
        assert session.lookup(session.root, stand_in).is_damaged
        session.unlink(session.root, stand_in)
        assert names(session) == [B, b"folder"]
        assert len(content(session, B)) == SLOTS * CHUNK
        assert [entry.name for entry in session.readdir(folder, 0, 9)] == [b"inner"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("since", "NULL"), ("sealed", "'text'"), ("generation", "x'00'"), ("child", "0.5")],
)
def test_a_name_whose_row_has_values_of_other_types(
    path: Path, kind: Kind, nodes: tuple[int, int], column: str, value: str
) -> None:
    spoil(path, f"UPDATE edge SET {column} = {value} WHERE child = {nodes[0]}")
    with opened(path, kind) as (_, session):
        with pytest.raises(Corrupt, match="edge"):
            session.lookup(session.root, A)
        assert names(session)[1:] == [B]
        assert names(session)[0].startswith(b"damaged-name-")


def test_a_damaged_xattr(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    values = {b"user.one": b"1", b"user.two": b"2"}
    (row, _) = stored(path, "SELECT tag FROM xattr")
    flip(path, "xattr", "tag", row["tag"])
    found = {}
    with opened(path, kind) as (_, session):
        with pytest.raises(Corrupt, match="extended attribute"):
            session.listxattr(nodes[0])
        for name in values:
            try:
                found[name] = session.getxattr(nodes[0], name)
            except Corrupt:
                continue
        assert content(session, A) == noise(CHUNK)
    assert len(found) == 1
    assert found.items() <= values.items()


def test_a_damaged_chunk(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    flip(path, "chunk_data", "id", 1)
    with opened(path, kind) as (file, session):
        with pytest.raises(Corrupt, match="chunk"):
            content(session, A)
        assert read(session, nodes[1], 0) == slot(0)
        assert findings(file) == {"content"}
        handle = session.open(nodes[0], os.O_RDWR)
        session.write(handle, 0, slot(7))
        session.fsync(handle)
        assert content(session, A) == slot(7)


@pytest.mark.parametrize("was_met", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_a_damaged_chunk_that_was_met_is_mended_by_storing_it_again(
    path: Path, kind: Kind, nodes: tuple[int, int], was_met: bool, missing: bool
) -> None:
    assert nodes
    if missing:
        tamper(path, "DELETE FROM chunk_data WHERE id = 1")
    else:
        flip(path, "chunk_data", "id", 1)
    with opened(path, kind) as (file, session):
        if was_met:
            with pytest.raises(Corrupt, match="chunk"):
                content(session, A)
        put(session, b"the same", (0, noise(CHUNK)))
    with opened(path, kind) as (file, session):
        if was_met:
            assert content(session, A) == content(session, b"the same") == noise(CHUNK)
            assert findings(file) == set()
        else:
            with pytest.raises(Corrupt, match="chunk"):
                content(session, b"the same")


def test_a_chunk_without_a_row_is_kept_when_it_is_stored_again_in_its_place(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    tamper(path, "DELETE FROM chunk WHERE id = 1", "DELETE FROM chunk_data WHERE id = 1")
    with opened(path, kind) as (_, session):
        handle = session.open(nodes[0], os.O_RDWR)
        session.write(handle, 0, noise(CHUNK))
        session.fsync(handle)
        assert session.read(handle, 0, CHUNK) == noise(CHUNK)


def test_a_missing_piece_can_be_let_go(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    lower, upper, root = manifests(path)
    assert nodes
    assert lower < upper < root
    tamper(path, "DELETE FROM chunk WHERE id = 1", "DELETE FROM chunk_data WHERE id = 1")
    with opened(path, kind) as (file, session):
        with pytest.raises(Corrupt, match="missing"):
            content(session, A)
        session.unlink(session.root, A)
        session.sync()
        assert names(session) == [B]
        assert findings(file) == set()


def test_a_damaged_manifest(
    path: Path, kind: Kind, nodes: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    node = nodes[1]
    flip(path, "chunk_data", "id", manifests(path)[1])
    with opened(path, kind) as (_, session):
        assert read(session, node, 127) == slot(127)
        with pytest.raises(Corrupt, match="manifest"):
            read(session, node, 128)
        handle = session.open(node, os.O_RDWR)
        session.write(handle, 0, slot(0)[::-1])
        session.fsync(handle)
        assert read(session, node, 0) == slot(0)[::-1]
    with opened(path, kind) as (_, session):
        lost, kept = session.open(node, os.O_RDWR), session.open(nodes[0], os.O_RDWR)
        session.write(lost, 128 * CHUNK, slot(1))
        session.write(kept, 0, b"kept")
        caplog.clear()
        session.fsync(kept)
        told = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [f"written to node {node} is lost" in record.message for record in told] == [True]
        with pytest.raises(Corrupt, match="manifest"):
            session.fsync(lost)
        session.fsync(lost)
        assert read(session, node, 0) == slot(0)[::-1]
    with opened(path, kind) as (_, session):
        assert content(session, A) == b"kept" + noise(CHUNK)[4:]
        assert read(session, node, 127) == slot(127)
        assert session.getattr(node).size == SLOTS * CHUNK


def test_the_size_is_what_it_was_where_changes_are_lost(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    node = nodes[1]
    flip(path, "chunk_data", "id", manifests(path)[1])
    with opened(path, kind) as (file, session):
        before = file.usage(VOLUME)
        handle = session.open(node, os.O_RDWR)
        session.write(handle, 128 * CHUNK, slot(1))
        session.write(handle, SLOTS * CHUNK, slot(2))
        with pytest.raises(Corrupt, match="manifest"):
            session.fsync(handle)
        assert session.getattr(node).size == SLOTS * CHUNK
        assert file.usage(VOLUME) == before


@pytest.mark.parametrize("size", [0, 100, 3 * CHUNK, 128 * CHUNK])
def test_a_file_can_be_cut_off_before_the_damage(
    path: Path, kind: Kind, nodes: tuple[int, int], size: int
) -> None:
    flip(path, "chunk_data", "id", manifests(path)[1])
    with opened(path, kind) as (_, session):
        session.setattr(nodes[1], AttributeChanges(size=size))
        session.sync()
    whole = b"".join(map(slot, range(128)))
    with opened(path, kind) as (_, session):
        assert content(session, B) == whole[:size]


@pytest.mark.parametrize("size", [128 * CHUNK + 1, 200 * CHUNK, 200 * CHUNK + 7])
def test_a_cut_into_the_damage_changes_nothing(
    path: Path, kind: Kind, nodes: tuple[int, int], size: int
) -> None:
    node = nodes[1]
    flip(path, "chunk_data", "id", manifests(path)[1])
    before = stored(path, "SELECT * FROM chunk ORDER BY id")
    with opened(path, kind) as (file, session):
        shown, usage = session.getattr(node), file.usage(VOLUME)
        handle = session.open(node, os.O_RDWR)
        session.write(handle, 3 * CHUNK, b"kept")
        with pytest.raises(Corrupt, match="manifest"):
            session.setattr(node, AttributeChanges(size=size, mode=0o600))
        session.fsync(handle)
        after = session.getattr(node)
        assert (after.size, after.mode) == (shown.size, shown.mode)
        assert file.usage(VOLUME) == usage
        session.write(handle, 3 * CHUNK, slot(3)[:4])
    assert stored(path, "SELECT digest, refs FROM chunk ORDER BY digest") == sorted(
        ({"digest": row["digest"], "refs": row["refs"]} for row in before),
        key=lambda row: row["digest"],
    )
    with opened(path, kind) as (_, session):
        for number in range(128):
            assert read(session, node, number) == slot(number)


def test_a_cut_into_a_damaged_chunk_loses_nothing_behind_it(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    flip(path, "chunk_data", "id", 1)
    with opened(path, kind) as (_, session):
        handle = session.open(nodes[0], os.O_RDWR)
        session.write(handle, CHUNK, slot(9))
        with pytest.raises(Corrupt, match="chunk"):
            session.setattr(nodes[0], AttributeChanges(size=100))
        assert session.read(handle, CHUNK, CHUNK) == slot(9)


def test_a_damaged_reclaim_row(path: Path, kind: Kind, nodes: tuple[int, int]) -> None:
    assert nodes
    with opened(path, kind) as (_, session):
        put(session, b"other", (0, noise(CHUNK + 1)))
        session.sync()
        session.unlink(session.root, B)
        session.unlink(session.root, b"other")
    first, _ = stored(path, "SELECT id FROM reclaim ORDER BY id")
    flip(path, "reclaim", "id", first["id"])
    with opened(path, kind) as (file, session):
        assert "reclaim_sealed" in findings(file)
        file.reclaim()
        session.sync()
        assert findings(file) == {"reference_count"}
    assert stored(path, "SELECT * FROM reclaim") == []


def test_damaged_counters_and_settings_cost_one_volume(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    assert nodes
    with VolumeFile.open(path, background=False) as file:
        file.create_volume("other")
    for table, key in (("counter", "volume"), ("volume", "id")):
        flip(path, table, key, 1)
        with VolumeFile.open(path, background=False) as file:
            with pytest.raises(Corrupt, match="'main'"):
                file.session(VOLUME, passphrase=kind.passphrase)
            assert names(file.session("other")) == []


def test_a_damaged_key_slot_opens_nothing(path: Path) -> None:
    create(path, Kind(b"pass")).close()
    for column, error in (("wrapped", Corrupt), ("commitment", WrongPassphrase)):
        (row,) = stored(path, f"SELECT {column} AS raw FROM key_slot")
        damaged = row["raw"][:-1] + bytes([row["raw"][-1] ^ 1])
        tamper(path, f"UPDATE key_slot SET {column} = :damaged", damaged=damaged)
        with VolumeFile.open(path, background=False) as file, pytest.raises(error):
            file.session(VOLUME, passphrase=b"pass")


def test_a_bit_that_flips_in_the_index_over_tags(
    path: Path, kind: Kind, nodes: tuple[int, int]
) -> None:
    (row,) = stored(path, "SELECT tag FROM edge WHERE child = :a", a=nodes[0])
    raw = bytearray(path.read_bytes())
    places = [at for at in range(len(raw)) if raw.startswith(row["tag"], at)]
    told = []
    for at in places:
        raw[at] ^= 1
        path.write_bytes(raw)
        with opened(path, kind) as (_, session):
            try:
                told.append(session.lookup(session.root, A).node)
            except NotFound:
                told.append(0)
            assert names(session) == [A, B]
        assert stored(path, "PRAGMA integrity_check") != [{"integrity_check": "ok"}]
        raw[at] ^= 1
    assert sorted(told) == [0, nodes[0]], "the row and the index have it"
