"""Values that no writer stores are damage like any other, wherever SQLite lets them be."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sqlfs.errors import Corrupt
from sqlfs.volume import Session, VolumeFile
from tests.format.tampering import spoil, stored, tamper
from tests.format.volumes import CHUNK, VOLUME, Kind, content, create, names, noise, opened, put

PLAIN = Kind()
GREATEST = 2**63 - 1


@pytest.fixture
def node(path: Path) -> int:
    """A file "a" of one chunk with an xattr, in a volume file that is closed."""
    with create(path, PLAIN) as file:
        session = file.session(VOLUME)
        node = put(session, b"a", (0, noise(CHUNK)))
        session.setxattr(node, b"user.name", b"value")
        return node


def empty(path: Path, table: str, column: str) -> None:
    """Put NULL where the schema forbids it, as a bit that flips in a row's header does."""
    (schema,) = stored(path, "SELECT sql FROM sqlite_schema WHERE name = :table", table=table)
    lenient = schema["sql"].replace("NOT NULL", "")
    for sql, change in ((lenient, f"UPDATE {table} SET {column} = NULL"), (schema["sql"], None)):
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, table))
            connection.commit()
        finally:
            connection.close()
        if change is not None:
            tamper(path, change)


@pytest.mark.usefixtures("node")
def test_a_volume_name_that_is_no_text(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with VolumeFile.open(path, background=False) as file:
        file.create_volume("other")
    tamper(path, "UPDATE volume SET name = CAST(x'ff' AS TEXT) WHERE id = 1")
    with VolumeFile.open(path, background=False) as file:
        caplog.clear()
        assert [info.name for info in file.volumes()] == ["other"]
        assert [str(path) in record.message for record in caplog.records] == [True]


@pytest.mark.usefixtures("node")
def test_a_feature_whose_name_is_no_text(path: Path) -> None:
    tamper(path, "INSERT INTO feature VALUES (CAST(x'ff' AS TEXT), 1)")
    with pytest.raises(Corrupt, match="damaged"):
        VolumeFile.open(path, background=False)


@pytest.mark.parametrize(
    ("table", "meets"),
    [
        ("node", lambda session, _: session.resolve(b"a")),
        ("edge", lambda session, _: session.lookup(session.root, b"a")),
        ("xattr", lambda session, node: session.getxattr(node, b"user.name")),
        ("xattr", lambda session, node: session.listxattr(node)),
    ],
)
def test_a_column_that_is_empty(
    path: Path, node: int, table: str, meets: Callable[[Session, int], object]
) -> None:
    empty(path, table, "since")
    with opened(path, PLAIN) as (_, session), pytest.raises(Corrupt, match=f"table {table}.*since"):
        meets(session, node)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("column", ["root", "domain", "id_generation", "chunk_size", "created"])
@pytest.mark.parametrize("value", [-1, GREATEST])
def test_settings_out_of_range(path: Path, column: str, value: int) -> None:
    tamper(path, f"UPDATE volume SET {column} = :value", value=value)
    with VolumeFile.open(path, background=False) as file, pytest.raises(Corrupt, match="settings"):
        file.session(VOLUME)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    "change",
    [
        *(f"UPDATE reservation SET next = {wrong}" for wrong in (GREATEST, 0, -1, "x'00'", "NULL")),
        "DELETE FROM reservation",
        *(f"UPDATE chunk SET refs = {wrong}" for wrong in (GREATEST, 0, -1, "x'00'", "NULL")),
    ],
)
def test_a_number_that_cannot_be_is_not_counted_from(path: Path, change: str) -> None:
    spoil(path, change)
    used = stored(path, "SELECT max(id) AS id FROM edge")[0]["id"]
    with opened(path, PLAIN) as (_, session):
        put(session, b"b", (0, noise(CHUNK)))
        session.sync()
        session.unlink(session.root, b"a")
        session.sync()
        assert content(session, b"b") == noise(CHUNK)
    with opened(path, PLAIN) as (_, session):
        assert names(session) == [b"b"]
        assert content(session, b"b") == noise(CHUNK)
    assert stored(path, "SELECT max(id) AS id FROM edge")[0]["id"] > used
