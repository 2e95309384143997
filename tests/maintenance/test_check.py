"""A check names what is damaged, and finds nothing where others only change things meanwhile."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from sqlfs.errors import SqlfsError
from sqlfs.maintenance import Finding, check_file
from sqlfs.types import AttributeChanges
from sqlfs.volume import Session, VolumeFile
from tests.format.tampering import flip, spoil, stored, tamper, thin_out
from tests.format.volumes import CHUNK, ME, VOLUME, Kind, create, noise, opened, put, row_of

SLOTS = 2 * 128 + 3


def slot(number: int) -> bytes:
    return number.to_bytes(4, "big") + noise(CHUNK - 4)


@pytest.fixture
def node(path: Path, kind: Kind) -> int:
    """A file of two manifests below their root, of which a clone lies in a folder."""
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        node = put(session, b"file", *((n * CHUNK, slot(n)) for n in range(SLOTS)))
        folder = session.mkdir(session.root, b"folder", 0o755, ME).node
        session.clone(node, folder, b"clone", ME)
        return node


def messages(path: Path, kind: Kind, *, deep: bool = True) -> list[str]:
    with opened(path, kind) as (file, _):
        return [finding.message for finding in check_file(file, deep=deep)]


def test_a_damaged_chunk_is_named_by_every_file_and_place(
    path: Path, kind: Kind, node: int
) -> None:
    flip(path, "chunk_data", "id", row_of(path, kind, slot(200)))
    assert messages(path, kind, deep=False) == []
    with opened(path, kind) as (file, _):
        found = check_file(file, deep=True)
    places = f"bytes {200 * CHUNK} to {201 * CHUNK - 1}"
    assert {finding.check for finding in found} == {"content"}
    assert found[0].what == f"node {node} of volume 'main'"
    assert [finding.message.partition(": ")[0] for finding in found] == [
        f"'/file' of volume 'main', {places}",
        f"'/folder/clone' of volume 'main', {places}",
    ]


def test_a_missing_chunk_is_found_without_reading_content(
    path: Path, kind: Kind, node: int
) -> None:
    assert node
    row = row_of(path, kind, slot(130))
    tamper(path, f"DELETE FROM chunk WHERE id = {row}")
    tamper(path, f"DELETE FROM chunk_data WHERE id = {row}")
    told = messages(path, kind, deep=False)
    assert len(told) == 2
    assert all(f"bytes {130 * CHUNK} to {131 * CHUNK - 1}: chunk" in line for line in told)


def test_a_damaged_manifest_names_all_that_lies_beneath(path: Path, kind: Kind, node: int) -> None:
    assert node
    lower, *_ = (row["id"] for row in stored(path, "SELECT id FROM chunk ORDER BY id DESC LIMIT 3"))
    flip(path, "chunk_data", "id", lower - 1)  # root last, the third of the lower ones before it
    told = [line for line in messages(path, kind, deep=False) if "manifest" in line]
    end = SLOTS * CHUNK
    assert all(f"bytes {256 * CHUNK} to {end - 1}: manifest" in line for line in told)
    assert len(told) == 2


def test_two_files_that_change_places_are_found(path: Path, kind: Kind) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        put(session, b"a", (0, slot(1)))
        put(session, b"b", (0, slot(2)))
    rows = stored(path, "SELECT id, sealed FROM chunk_data ORDER BY id")
    for row, other in zip(rows, reversed(rows), strict=True):
        tamper(
            path, "UPDATE chunk_data SET sealed = :s WHERE id = :i", s=other["sealed"], i=row["id"]
        )
    told = messages(path, kind)
    assert [line.partition(" of ")[0] for line in told] == ["'/a'", "'/b'"]


@pytest.mark.parametrize("index", ["edge_by_parent", "edge_by_child", "node_by_volume"])
def test_an_index_that_lacks_a_row_is_found(path: Path, kind: Kind, node: int, index: str) -> None:
    assert node
    table = index.partition("_")[0]
    thin_out(path, index)
    with opened(path, kind) as (file, _):
        found = check_file(file)
    assert ("sqlite", f"table {table}") in {(each.check, each.what) for each in found}


def test_a_free_page_that_no_list_has_is_found(path: Path, kind: Kind) -> None:
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        put(session, b"gone", *((n * CHUNK, slot(n)) for n in range(SLOTS)))
        session.sync()
        session.unlink(session.root, b"gone")
        file.reclaim()
    assert messages(path, kind) == []
    with path.open("r+b") as raw:
        raw.seek(32)  # the first page of the list, and how many it has
        assert any(raw.read(8))
        raw.seek(32)
        raw.write(bytes(8))
    with opened(path, kind) as (file, _):
        assert ("sqlite", "free pages") in {(each.check, each.what) for each in check_file(file)}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("node", "since", "'text'"),
        ("edge", "generation", "1.5"),
        ("xattr", "since", "x'00'"),
        ("atime", "sealed", "5"),
        ("chunk", "refs", "'many'"),
        ("chunk_data", "sealed", "NULL"),
        ("counter", "sealed", "NULL"),
        ("volume", "created", "'now'"),
        ("volume", "uuid", "x'00'"),
        ("orphan", "node", "7"),
        ("reservation", "next", "'next'"),
        ("key_slot", "salt", "x'00'"),
    ],
)
def test_no_value_of_another_type_ends_in_a_defect(
    path: Path, table: str, column: str, value: str
) -> None:
    kind = Kind(b"pass")
    with create(path, kind) as file:
        session = file.session(VOLUME, passphrase=kind.passphrase)
        held = put(session, b"a", (0, slot(1)))
        session.setxattr(held, b"user.name", b"value")
        session.setattr(held, AttributeChanges(atime_ns=1))
        session.sync()
        session.read(session.open(held, os.O_RDONLY), 0, 1)
    if table == "orphan":
        tamper(path, f"INSERT INTO orphan VALUES ({value})")
    else:
        spoil(path, f"UPDATE {table} SET {column} = {value}")
    with VolumeFile.open(path, background=False) as file:
        try:
            file.session(VOLUME, passphrase=kind.passphrase)
        except SqlfsError:
            assert table in ("counter", "volume", "key_slot")
        found = check_file(file, deep=True)
    assert found, "it is told"


def churn(session: Session, end: threading.Event, seed: int) -> None:
    """Make, write, move and remove files until told to end."""
    chance = random.Random(seed)
    folders = [session.mkdir(session.root, b"%d-%d" % (seed, n), 0o755, ME).node for n in range(3)]
    live: list[tuple[int, bytes]] = []
    number = 0
    while not end.is_set():
        number += 1
        name, folder = b"%d" % number, chance.choice(folders)
        if live and chance.random() < 0.4:
            gone = live.pop(chance.randrange(len(live)))
            session.unlink(*gone)
        elif live and chance.random() < 0.3:
            old = live.pop(chance.randrange(len(live)))
            session.rename(*old, folder, name)
            live.append((folder, name))
        else:
            attributes, handle = session.create(folder, name, 0o600, os.O_RDWR, ME)
            for n in range(chance.randrange(4)):
                session.write(handle, chance.randrange(200) * CHUNK, slot(chance.randrange(20)))
                del n
            session.release(handle)
            if chance.random() < 0.5:
                session.setxattr(attributes.node, b"user.x", b"y")
            if chance.random() < 0.3:
                session.clone(attributes.node, folder, name + b"-clone", ME)
                live.append((folder, name + b"-clone"))
            live.append((folder, name))
        if chance.random() < 0.05:
            session.fsyncdir(session.root)


def test_what_others_do_meanwhile_is_no_finding(path: Path) -> None:
    with VolumeFile.open(path, create=True) as file:
        file.create_volume(VOLUME, chunk_size=CHUNK)
        session = file.session(VOLUME, door="fuse")  # a user that a check lets in between
        for n in range(300):
            put(session, b"before %d" % n, (0, slot(n)), (n * CHUNK, slot(7)))
        end = threading.Event()
        failed: list[BaseException] = []

        def work(seed: int) -> None:
            try:
                churn(session, end, seed)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        found: list[Finding] = []
        try:
            for n in range(6):
                found += check_file(file, deep=bool(n % 2))
        finally:
            end.set()
            for thread in threads:
                thread.join()
        assert failed == []
        assert found == []
        assert check_file(file, deep=True) == []


def test_progress_is_told(path: Path, kind: Kind, node: int) -> None:
    assert node
    told: dict[str, tuple[int, int]] = {}

    def note(what: str, done: int, total: int) -> None:
        assert told.get(what, (0, 0))[0] <= done <= total
        told[what] = done, total

    with opened(path, kind) as (file, _):
        check_file(file, deep=True, progress=note)
    assert {"structure", "references", "nodes", "names", "content"} <= set(told)
    assert all(told[what][0] == told[what][1] for what in ("structure", "references", "nodes"))
