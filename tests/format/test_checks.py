"""Every invariant has a query, or a look with the key, that finds it violated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlfs.maintenance import check_file
from sqlfs.store import checks
from sqlfs.volume import VolumeFile
from tests.format.tampering import stored, tamper
from tests.format.volumes import (
    CHUNK,
    ME,
    VOLUME,
    Kind,
    add_volume,
    create,
    keeping_deltas,
    noise,
    put,
    write_small,
)

ENCRYPTED = Kind(b"pass")
KINDS_OF_IDS = ("node", "edge", "volume", "mount", "reclaim", "delta")

Ids = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """What is done to a sound file, and what is found then: the check and the thing affected."""

    check: str
    statement: str
    what: tuple[str, ...]
    others: frozenset[tuple[str, str]]

    @property
    def found(self) -> set[tuple[str, str]]:
        return {(self.check, what) for what in self.what} | self.others

    def found_in(self, ids: Ids) -> set[tuple[str, str]]:
        return {(check, what.format_map(ids)) for check, what in self.found}


def case(check: str, statement: str, *what: str, **others: str) -> Case:
    """`others`: what else is found, by the name of the check."""
    return Case(check, statement, what, frozenset(others.items()))


# A query of several parts has a case for each.
STRUCTURE = [
    case("chunk_without_data", "DELETE FROM chunk_data WHERE id = 1", "chunk 1"),
    case("chunk_without_domain", "UPDATE chunk SET domain = :nobody WHERE id = 1", "chunk 1"),
    case("data_without_chunk", "DELETE FROM chunk WHERE id = 1", "chunk 1"),
    case(
        "delta_without_node", "UPDATE delta SET node = :nobody", "delta {last_delta}, node {nobody}"
    ),
    case(
        "directory_unreachable",
        "UPDATE edge SET parent = :inner WHERE child = :outer",
        "node {outer}",
        "node {inner}",
    ),
    case(
        "edge_across_volumes",
        "UPDATE edge SET parent = :other_root WHERE child = :file",
        "edge {edge}, node {file}",
    ),
    case(
        "edge_without_child",
        "DELETE FROM node WHERE id = :inner",
        "edge {inner_edge}, node {inner}",
    ),
    case(
        "edge_without_parent",
        "UPDATE edge SET parent = :nobody WHERE child = :file",
        "edge {edge}, node {nobody}",
        directory_unreachable="node {file}",
    ),
    *(
        case(
            "id_not_reserved",
            f"UPDATE reservation SET next = (SELECT max(id) FROM {kind}) WHERE kind = '{kind}'",
            f"id {kind} {{last_{kind}}}",
        )
        for kind in KINDS_OF_IDS
    ),
    *(
        case(
            "node_from_the_future",
            f"UPDATE {table} SET since = {since} WHERE {column} = :inner",
            what,
        )
        for table, column, what in (
            ("node", "id", "node {inner}"),
            ("edge", "child", "node {outer}"),
        )
        for since in (0, 2)
    ),
    case("node_without_edge", "DELETE FROM edge WHERE child = :file", "node {file}"),
    case(
        "node_without_volume",
        "UPDATE node SET volume = :nobody WHERE id = :inner",
        "node {inner}",
        edge_across_volumes="edge {inner_edge}, node {inner}",
    ),
    case("orphan_unsound", "INSERT INTO orphan VALUES (:file)", "node {file}"),
    case("orphan_unsound", "INSERT INTO orphan VALUES (:nobody)", "node {nobody}"),
    case("orphan_unsound", "INSERT INTO orphan VALUES (:other_root)", "node {other_root}"),
    case("reclaim_without_volume", "UPDATE reclaim SET volume = :nobody", "reclaim {last_reclaim}"),
    case("root_missing", "DELETE FROM node WHERE id = :other_root", "node {other_root}"),
    case(
        "root_missing",
        "UPDATE edge SET child = :other_root WHERE child = :file",
        "node {other_root}",
        edge_across_volumes="edge {edge}, node {other_root}",
        node_without_edge="node {file}",
    ),
    case("volume_incomplete", "DELETE FROM counter WHERE volume = 1", "volume main"),
    case("volume_incomplete", "DELETE FROM key_slot WHERE volume = 1", "volume main"),
    case(
        "volume_incomplete",
        "INSERT INTO counter SELECT :nobody, generation, sealed FROM counter LIMIT 1",
        "volume id {nobody}",
    ),
    case(
        "volume_incomplete",
        "INSERT INTO key_slot SELECT :nobody, slot, generation, memory_kib, passes, lanes, salt,"
        " commitment, wrapped FROM key_slot LIMIT 1",
        "volume id {nobody}",
    ),
    case("xattr_without_node", "UPDATE xattr SET node = :nobody", "node {nobody}"),
    case("xattr_without_node", "UPDATE atime SET node = :nobody", "node {nobody}"),
]

# What only the key can see.
UNDER_SEAL = [
    case("node_sealed", "UPDATE node SET generation = 2 WHERE id = :file", "node {file}"),
    case("edge_sealed", "UPDATE edge SET generation = 2 WHERE id = :edge", "edge {edge}"),
    case("edge_tag", "UPDATE edge SET tag = zeroblob(16) WHERE id = :edge", "edge {edge}"),
    case("xattr_sealed", "UPDATE xattr SET generation = 2", "node {file}"),
    case("atime_sealed", "UPDATE atime SET generation = 2", "node {file}"),
    case("xattr_flag", "DELETE FROM xattr", "node {file}"),
    case("link_count", "DELETE FROM edge WHERE child = :file", "node {file}"),
    case("content", "UPDATE chunk_data SET generation = 2 WHERE id = 1", "node {file}"),
    case("content", "DELETE FROM chunk WHERE id = 1", "node {file}"),
    case("content", "UPDATE delta SET generation = 2", "node {file}"),
    case("content", "UPDATE delta SET id = id + 1", "node {file}"),
    case("content", "DELETE FROM delta", "node {file}"),
    case("delta_stray", "UPDATE delta SET node = :inner", "node {inner}"),
    case("reclaim_sealed", "UPDATE reclaim SET id = :nobody", "the reclaim queue"),
]


def named(cases: list[Case]) -> list[str]:
    return [each.check for each in cases]


@pytest.fixture
def ids(path: Path) -> dict[str, int]:
    """A closed file of two encrypted volumes with a row in nearly every table; ids by name."""
    with keeping_deltas(), create(path, ENCRYPTED) as file:
        add_volume(file, "other", ENCRYPTED)
        roots = {info.name: info.root for info in file.volumes()}
        session = file.session(VOLUME, passphrase=ENCRYPTED.passphrase)
        node = put(session, b"file", (0, noise(CHUNK)))
        outer = session.mkdir(session.root, b"outer", 0o700, ME).node
        inner = session.mkdir(outer, b"inner", 0o700, ME).node
        session.setxattr(node, b"user.name", b"value")
        put(session, b"gone", (0, noise(CHUNK + 1)))
        session.sync()
        write_small(session, node)
        session.unlink(session.root, b"gone")
        session.sync()
        session.read(session.open(node, os.O_RDONLY), 0, 1)
    # A session that nobody ended, as an owner that was killed leaves one.
    tamper(path, "INSERT INTO mount VALUES (1, 1, 1, 0, zeroblob(80))")
    tamper(path, "UPDATE reservation SET next = 4097 WHERE kind = 'mount'")
    found = {"file": node, "outer": outer, "inner": inner, "other_root": roots["other"]}
    for name, child in (("edge", node), ("inner_edge", inner)):
        (row,) = stored(path, "SELECT id FROM edge WHERE child = :child", child=child)
        found[name] = row["id"]
    for kind in KINDS_OF_IDS:
        (row,) = stored(path, f"SELECT max(id) AS id FROM {kind}")
        found[f"last_{kind}"] = row["id"]
    return found | {"nobody": 999}


def found_in(path: Path) -> set[tuple[str, str]]:
    """What is found without a key."""
    with VolumeFile.open(path, background=False, read_only=True) as file:
        return {(finding.check, finding.what) for finding in check_file(file, deep=True)}


def structure_of(path: Path) -> set[tuple[str, str]]:
    """What is found while all volumes are locked."""
    with VolumeFile.open(path, background=False, read_only=True) as file:
        found = check_file(file)
    assert all(finding.message.startswith("violates: ") for finding in found)
    return {(finding.check, finding.what) for finding in found}


def all_of(path: Path) -> set[tuple[str, str]]:
    """What is found while the first volume is unlocked."""
    with VolumeFile.open(path, background=False) as file:
        file.session(VOLUME, passphrase=ENCRYPTED.passphrase)
        return {(finding.check, finding.what) for finding in check_file(file, deep=True)}


@pytest.mark.usefixtures("ids")
def test_nothing_is_found_in_a_sound_file(path: Path) -> None:
    assert structure_of(path) == set()
    assert all_of(path) == set()


def test_every_query_has_a_case() -> None:
    assert {each.check for each in STRUCTURE} == set(checks())


@pytest.mark.parametrize("violated", STRUCTURE, ids=named(STRUCTURE))
def test_structure(path: Path, ids: dict[str, int], violated: Case) -> None:
    tamper(path, violated.statement, **ids)
    assert structure_of(path) == violated.found_in(ids)


@pytest.mark.parametrize("violated", UNDER_SEAL, ids=named(UNDER_SEAL))
def test_under_seal(path: Path, ids: dict[str, int], violated: Case) -> None:
    tamper(path, violated.statement, **ids)
    expected = {(check, f"{what} of volume 'main'") for check, what in violated.found_in(ids)}
    assert expected <= all_of(path)


def test_counters(path: Path, ids: dict[str, int]) -> None:
    (earlier,) = stored(path, "SELECT sealed FROM counter WHERE volume = 1")
    with VolumeFile.open(path, background=False) as file:
        session = file.session(VOLUME, passphrase=ENCRYPTED.passphrase)
        session.mkdir(ids["outer"], b"another", 0o700, ME)
    tamper(path, "UPDATE counter SET sealed = :sealed WHERE volume = 1", **earlier)
    assert all_of(path) == {("counters", "volume 'main'")}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE volume SET generation = 1 WHERE id = 1",
        "UPDATE volume SET chunk_size = 8192 WHERE id = 1",
        "UPDATE counter SET generation = 1 WHERE volume = 1",
    ],
)
def test_a_plain_volume_that_cannot_be_opened_hides_no_other(path: Path, change: str) -> None:
    with create(path, Kind()) as file:
        add_volume(file, "other", Kind())
        root = file.session("other").root
    tamper(path, change)
    assert found_in(path) == {("volume_unreadable", "volume 'main'")}
    tamper(path, "UPDATE node SET generation = 1 WHERE id = :root", root=root)
    assert found_in(path) == {
        ("volume_unreadable", "volume 'main'"),
        ("node_sealed", f"node {root} of volume 'other'"),
    }


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("refs", [2, 99])
def test_reference_counts(path: Path, refs: int) -> None:
    tamper(path, f"UPDATE chunk SET refs = {refs} WHERE id = 1")
    (row,) = stored(
        path, "SELECT substr(lower(hex(digest)), 1, 16) AS digest FROM chunk WHERE id = 1"
    )
    assert all_of(path) == {("reference_count", f"chunk {row['digest']} (row 1)")}


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("kind", ["node", "edge", "reclaim"])
def test_a_reservation_that_was_set_back_is_mended_by_the_next_id(path: Path, kind: str) -> None:
    (before,) = stored(path, f"SELECT max(id) AS id FROM {kind}")
    tamper(path, f"UPDATE reservation SET next = 1 WHERE kind = '{kind}'")
    with VolumeFile.open(path, background=False) as file:
        session = file.session(VOLUME, passphrase=ENCRYPTED.passphrase)
        put(session, b"new", (0, noise(2 * CHUNK)))
        session.sync()
        session.unlink(session.root, b"new")
        put(session, b"newer", (0, noise(9)))
    rows = stored(path, f"SELECT id FROM {kind} ORDER BY id DESC")
    assert rows[0]["id"] > before["id"]
    assert before in rows
    assert structure_of(path) == set()
