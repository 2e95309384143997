"""No statement walks a table, or sorts, but those named here, each for its reason.

Plans are SQLite's own (EXPLAIN QUERY PLAN) over the tables of the schema; there are no statistics
in a volume file that could change them.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import apsw.ext
import pytest

from sqlfs.store.statements import schema, statements

_FEW_ROWS = "the table has a few rows at most"
_DIGEST = "a copy's first open: the digest is over every row"
_REPAIR = "a repair, where what is wrong has no key to look for"
_SALVAGE = "a salvage, whose rows of one key are few; rank says which to believe first"

WALKS = {
    "feature_all": _FEW_ROWS,
    "volume_ids": _FEW_ROWS,
    "mount_count": _FEW_ROWS,
    "mount_of_volume": _FEW_ROWS,
    "schema_all": _FEW_ROWS,
    "page_counts": _FEW_ROWS,
    "lineage_root_page": _FEW_ROWS,
    **{name: _DIGEST for name in statements() if name.startswith("digest_")},
    "content_in_place": _DIGEST,
    "repair_nameless": "the inner walk is over volumes, of which there are a few",
    "repair_stray_data": "an index without the pages of the data; it is all walked once",
    "lineage_strays": _REPAIR,
    "counter_strays": _REPAIR,
    "delta_strays": _REPAIR,
    "key_slot_strays": _REPAIR,
    "edge_doubles": _REPAIR,
    "chunk_doubles": _REPAIR,
    "tally_total": "a check, once, at its end",
    "wreck_frame_uncommitted": "a salvage, once",
    "wreck_claims_hold": "a salvage, once",
    "wreck_volumes": _SALVAGE,
    "wreck_uuids": _SALVAGE,
    "wreck_slots": _SALVAGE,
    "wreck_edges_of": _SALVAGE,
    "wreck_edges_to": _SALVAGE,
    "wreck_xattrs": _SALVAGE,
    "wreck_data_of": _SALVAGE,
}

# These make the tables of a database, by the first part of the names of those that use it.
_MAKERS = {"wreck": ("wreck_create", "wreck_index"), "tally": ("tally_create",)}
_WITHOUT_PLAN = {"begin", "commit", "rollback", "compact_into", *_MAKERS["wreck"], "tally_create"}


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, apsw.Connection]]:
    made = {"": apsw.Connection(":memory:")}
    made[""].execute(schema())
    for family, makers in _MAKERS.items():
        made[family] = apsw.Connection(":memory:")
        for maker in makers:
            made[family].execute(statements()[maker])
    yield made
    for connection in made.values():
        connection.close()


def plan(connection: apsw.Connection, statement: str) -> list[str]:
    """The steps, in words of SQLite's."""
    bindings = apsw.ext.query_info(connection, statement).bindings_count
    steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * bindings)
    return [detail for _, _, _, detail in steps]


def walks(step: str) -> bool:
    is_scan = step.startswith("SCAN ") and step != "SCAN CONSTANT ROW"
    return is_scan or "TEMP B-TREE" in step or "AUTOMATIC" in step


@pytest.mark.parametrize("name", sorted(statements().keys() - _WITHOUT_PLAN))
def test_a_statement_finds_its_rows_by_key_or_index(
    name: str, databases: dict[str, apsw.Connection]
) -> None:
    connection = databases.get(name.partition("_")[0], databases[""])
    steps = plan(connection, statements()[name])
    assert any(map(walks, steps)) == (name in WALKS), steps


def test_a_walk_a_sort_and_a_makeshift_index_are_seen(
    databases: dict[str, apsw.Connection],
) -> None:
    for statement in (
        "SELECT * FROM node WHERE since = ?",
        "SELECT * FROM edge WHERE parent = ? ORDER BY child",
        "SELECT * FROM node AS a JOIN node AS b ON a.since = b.since WHERE a.id = ?",
    ):
        assert any(map(walks, plan(databases[""], statement))), statement
    assert not any(map(walks, plan(databases[""], "SELECT * FROM node WHERE id = ?")))
