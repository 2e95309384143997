"""Everything that the format consists of is in its document."""

from __future__ import annotations

import re
import sqlite3

import pytest

from sqlfs import limits
from sqlfs.crypto import Codec, Purpose, Sealer
from sqlfs.crypto.kdf import LANES_MAX, MEMORY_KIB_MAX, PASSES_MAX
from sqlfs.crypto.purpose import Suite
from sqlfs.store.header import APPLICATION_ID, FORMAT_VERSION
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES
from sqlfs.store.statements import schema
from tests.format.document import section, table_rows, text

# What binds whoever reads or writes the file; the other limits bind the implementation only.
FORMAT_LIMITS = {
    "NAME_BYTES_MAX",
    "SYMLINK_BYTES_MAX",
    "LINKS_MAX",
    "XATTR_NAME_BYTES_MAX",
    "XATTR_VALUE_BYTES_MAX",
    "XATTR_LIST_BYTES_MAX",
    "FILE_BYTES_MAX",
    "NODE_ID_MAX",
    "CHUNK_BYTES_MIN",
    "CHUNK_BYTES_MAX",
    "MANIFEST_FANOUT",
    "MANIFEST_LEVEL_MAX",
    "INLINE_BYTES_MAX",
}


def columns() -> dict[str, list[str]]:
    """The columns of every table of the schema."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(schema())
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for (table,) in tables.fetchall()
        }
    finally:
        connection.close()


def tables_of(heading: str) -> list[list[str]]:
    return table_rows(section(heading))


@pytest.mark.parametrize(("table", "names"), columns().items())
def test_every_column_is_described(table: str, names: list[str]) -> None:
    described = [row[0] for row in tables_of(f"### `{table}`")]
    assert described[2:] == [f"`{name}`" for name in names]


def test_no_table_is_described_that_does_not_exist() -> None:
    assert set(re.findall(r"^### `(\w+)`$", text(), re.MULTILINE)) == set(columns())


def test_every_purpose_has_its_number_and_its_body() -> None:
    heading = "## 8. Purposes: the AAD and the body of every sealed thing"
    numbers = {row[0]: row[1] for row in tables_of(heading) if row[0].isupper()}
    assert numbers == {purpose.name: str(purpose.value) for purpose in Purpose}
    bodies = set(re.findall(r"\*\*([A-Z_]+)\*\*", section(heading)))
    assert bodies == {purpose.name for purpose in Purpose}


def test_suites_and_codecs() -> None:
    suites = {row[0] for row in tables_of("## 7. Sealing") if row[0].isdecimal()}
    assert suites == {str(suite.value) for suite in Suite}
    codecs = table_rows(section("## 7. Sealing").partition("\n| codec |")[2].partition("\n\n")[0])
    assert {row[0] for row in codecs[1:]} == {str(codec.value) for codec in Codec}


def test_every_limit_of_the_format_has_its_value() -> None:
    rows = {row[0].strip("`"): row[1] for row in tables_of("## 13. Limits")[2:]}
    assert rows == {name: str(getattr(limits, name)) for name in FORMAT_LIMITS}


def test_costs_of_key_slots() -> None:
    rows = {row[0]: row[2] for row in tables_of("### `key_slot`")}
    assert str(MEMORY_KIB_MAX) in rows["`memory_kib`"]
    assert str(PASSES_MAX) in rows["`passes`"]
    assert str(LANES_MAX) in rows["`lanes`"]


def test_settings_of_sqlite() -> None:
    rows = {row[0]: row[1] for row in tables_of("## 2. The file as SQLite sees it")}
    assert rows["`application_id`"].startswith(f"`0x{APPLICATION_ID:08X}`")
    assert rows["`user_version`"] == str(FORMAT_VERSION)
    assert rows["`page_size`"].startswith(f"{limits.PAGE_BYTES_DEFAULT} ")
    assert f"last {RECORD_BYTES} bytes of page {LINEAGE_PAGE}" in text()


def test_lengths_of_sealed_things() -> None:
    plain, encrypted = Sealer.plain(), Sealer.from_master(bytes(32), 1)
    purposes = {
        "node": Purpose.NODE,
        "name": Purpose.NAME,
        "chunk": Purpose.CHUNK,
        "manifest": Purpose.MANIFEST,
        "counters": Purpose.COUNTER,
        "reclaim": Purpose.RECLAIM,
    }
    rows = [row for row in tables_of("## 7. Sealing") if len(row) == 4 and row[1].isdecimal()]
    assert {row[0].split()[0] for row in rows} == set(purposes)
    for thing, body, *lengths in rows:
        purpose = purposes[thing.split()[0]]
        sealed = [each.seal(purpose, (), bytes(int(body))) for each in (plain, encrypted)]
        assert [str(len(each)) for each in sealed] == lengths
