"""What is done to the small golden volumes, one thing each.

But for what is named so, the lineage record is made anew after it, with the digest of the rows that
are there then, so that the damage alone is what is found.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlfs.chunks import Reference
from sqlfs.chunks.reference import encode_manifest
from sqlfs.crypto import Purpose, Sealer
from sqlfs.store.header import FORMAT_VERSION
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from tests.format.rows import digest_of
from tests.format.tampering import flip, stored, tamper
from tests.salvage.sections import pages_by_use
from tests.volumes.golden import CHUNK, PASSPHRASE

PAGE: Final = 512
Damage = Callable[[Path], None]


@dataclass(frozen=True)
class BrokenPlan:
    """``keeps_record``: the lineage record stays as it was.  ``log``: another golden file whose log
    is put beside it."""

    about: str
    damage: Damage
    encrypted: bool = False
    keeps_record: bool = False
    log: str | None = None
    golden: str = ""  # what it is made of, if not one of the small ones

    @property
    def made_of(self) -> str:
        if self.golden:
            return self.golden
        return "small-encrypted" if self.encrypted else "small-plain"


def with_record(path: Path) -> None:
    """Make the lineage record anew, as for the rows that are there."""
    data = bytearray(path.read_bytes())
    at = LINEAGE_PAGE * PAGE - RECORD_BYTES
    record = Lineage.decode(bytes(data[at : at + RECORD_BYTES]))
    if record is not None:
        data[at : at + RECORD_BYTES] = record._replace(digest=digest_of(path)).encode()
        path.write_bytes(data)


# --- finding what to damage ---


def node_at(path: Path, *names: str) -> int:
    """Of a plain volume."""
    (row,) = stored(path, "SELECT root FROM volume")
    node = int(row["root"])
    for name in names:
        tag = Sealer.plain().name_tag(node, name.encode())
        (row,) = stored(
            path, "SELECT child FROM edge WHERE parent = :p AND tag = :t", p=node, t=tag
        )
        node = int(row["child"])
    return node


def edge_to(path: Path, *names: str) -> int:
    (row,) = stored(path, "SELECT id FROM edge WHERE child = :c", c=node_at(path, *names))
    return int(row["id"])


def first_delta(path: Path) -> int:
    return int(stored(path, "SELECT min(id) AS id FROM delta")[0]["id"])


def full_chunk(path: Path) -> int:
    """The first row of a whole chunk."""
    query = "SELECT id FROM chunk_data WHERE length(sealed) > :size ORDER BY id"
    return int(stored(path, query, size=CHUNK)[0]["id"])


def last_node(path: Path) -> int:
    return int(stored(path, "SELECT max(id) AS id FROM node")[0]["id"])


# --- statements ---


def sql(*statements: str) -> Damage:
    return lambda path: tamper(path, *statements)


def _swap(table: str, one: int, other: int, path: Path) -> None:
    first, second = (
        stored(path, f"SELECT sealed FROM {table} WHERE id = :id", id=id_)[0]["sealed"]
        for id_ in (one, other)
    )
    for id_, sealed in ((one, second), (other, first)):
        tamper(path, f"UPDATE {table} SET sealed = :s WHERE id = :id", s=sealed, id=id_)


def _swap_chunks(path: Path) -> None:
    query = "SELECT id FROM chunk_data WHERE length(sealed) > :size ORDER BY id"
    one, other, *_ = (row["id"] for row in stored(path, query, size=CHUNK))
    _swap("chunk_data", one, other, path)


def _swap_nodes(path: Path) -> None:
    last = last_node(path)
    _swap("node", last, last - 1, path)


def _flip_manifest(path: Path) -> None:
    query = "SELECT id, length(sealed) AS size FROM chunk_data"
    lengths = {row["size"]: row["id"] for row in stored(path, query)}
    flip(path, "chunk_data", "id", lengths[24 + 5 + 4 + 3 * 41])


def _delete_chunk(path: Path) -> None:
    id_ = full_chunk(path)
    tamper(path, "DELETE FROM chunk WHERE id = :id", id=id_)
    tamper(path, "DELETE FROM chunk_data WHERE id = :id", id=id_)


def _reseal(path: Path, table: str, purpose: Purpose, aad: tuple[int, ...], body: bytes) -> None:
    """Of a row of a plain volume: seal another body, under an AAD less the uuid.  The row's id is
    the second number for a name, else the first."""
    (row,) = stored(path, "SELECT uuid FROM volume")
    sealed = Sealer.plain().seal(purpose, (row["uuid"], *aad), body)
    id_ = aad[1] if purpose is Purpose.NAME else aad[0]
    tamper(path, f"UPDATE {table} SET sealed = :s WHERE id = :id", s=sealed, id=id_)


def _name_with_slash(path: Path) -> None:
    edge, child = edge_to(path, "chunk"), node_at(path, "chunk")
    parent = node_at(path)
    name = b"folder/../../chunk"
    _reseal(path, "edge", Purpose.NAME, (parent, edge, child, 1), name)
    tag = Sealer.plain().name_tag(parent, name)
    tamper(path, "UPDATE edge SET tag = :t WHERE id = :id", t=tag, id=edge)


def _folder_in_itself(path: Path) -> None:
    folder, edge = node_at(path, "folder"), edge_to(path, "folder")
    tag = Sealer.plain().name_tag(folder, b"folder")
    _reseal(path, "edge", Purpose.NAME, (folder, edge, folder, 1), b"folder")
    tamper(path, "UPDATE edge SET tag = :t, parent = :p WHERE id = :id", t=tag, p=folder, id=edge)


def _manifest_in_itself(path: Path) -> None:
    """The file `chunk` becomes one of two levels, whose manifest leads to itself."""
    node, digest = node_at(path, "chunk"), b"d" * 32
    body = encode_manifest(2, [Reference(1, CHUNK, digest)])
    sealed = Sealer.plain().seal(Purpose.MANIFEST, (0, digest, 2), body)
    tamper(path, "INSERT INTO chunk (id, domain, digest, refs) VALUES (99, 0, :d, 2)", d=digest)
    tamper(path, "INSERT INTO chunk_data VALUES (99, 0, :s)", s=sealed)
    (row,) = stored(path, "SELECT sealed FROM node WHERE id = :id", id=node)
    before = row["sealed"][29:]
    size = struct.pack("<Q", 200 * CHUNK)
    fixed = before[:24] + size + before[32:66]
    reference = struct.pack("<BQ32s", 2, CHUNK, digest)
    _reseal(path, "node", Purpose.NODE, (node, 1), fixed + reference)


def _wrong_counters(path: Path) -> None:
    (row,) = stored(path, "SELECT uuid, id FROM volume")
    sealed = Sealer.plain().seal(Purpose.COUNTER, (row["uuid"],), struct.pack("<QQ", 99, 1))
    tamper(path, "UPDATE counter SET sealed = :s", s=sealed)


def _index_row_missing(path: Path) -> None:
    """As no statement can: a partial index is then called a whole one."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        query = "SELECT sql FROM sqlite_schema WHERE name = 'edge_by_child'"
        (whole,) = connection.execute(query).fetchone()
        connection.execute("DROP INDEX edge_by_child")
        connection.execute(f"{whole} WHERE id > 1")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = ? WHERE name = 'edge_by_child'", (whole,)
        )
    finally:
        connection.close()


# --- bytes ---


def overwrite(at: int, data: bytes) -> Damage:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(data)

    return damage


def _spoil_node_page(path: Path) -> None:
    page = pages_by_use(path)["node", "leaf"][0]
    overwrite((page - 1) * PAGE + 3, b"\xff\xff")(path)


def _truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // PAGE * PAGE)


def _nothing(path: Path) -> None:
    assert path.exists()


FILES: Final[dict[str, BrokenPlan]] = {
    "not-sqlite": BrokenPlan(
        "the first page is zeros", overwrite(0, bytes(PAGE)), keeps_record=True
    ),
    "another-application": BrokenPlan(
        "the application id is another program's", overwrite(68, b"mine"), keeps_record=True
    ),
    "newer-format": BrokenPlan(
        "the header names the format that follows the one known here",
        overwrite(60, struct.pack(">I", FORMAT_VERSION + 1)), keeps_record=True,
    ),
    "unknown-feature": BrokenPlan(
        "a required feature that nobody knows", sql("INSERT INTO feature VALUES ('hindsight', 1)")
    ),
    "unknown-optional-feature": BrokenPlan(
        "no damage: a feature that nobody knows, and that is not required",
        sql("INSERT INTO feature VALUES ('hindsight', 0)"),
    ),
    "trigger": BrokenPlan(
        "a trigger that would run unseen",
        sql("CREATE TRIGGER t AFTER DELETE ON edge BEGIN DELETE FROM node; END"),
    ),
    "truncated": BrokenPlan("half of the file is missing", _truncate, keeps_record=True),
    "lineage-damaged": BrokenPlan(
        "a byte of the lineage record is another",
        overwrite(LINEAGE_PAGE * PAGE - 100, b"\xff"), keeps_record=True,
    ),
    "torn-copy": BrokenPlan(
        "an extended attribute is of another moment, in which it was not there yet: nothing but"
        " the digest in the lineage record tells",
        sql("DELETE FROM xattr WHERE tag = (SELECT min(tag) FROM xattr)"),
        keeps_record=True,
    ),
    "foreign-log": BrokenPlan(
        "no damage: another file's log lies beside it, and must not be applied", _nothing,
        keeps_record=True, log="with-log",
    ),
    "page-malformed": BrokenPlan(
        "the head of a page of nodes says that there are more cells than fit",
        _spoil_node_page,
        keeps_record=True,
    ),
    "index-row-missing": BrokenPlan("a row is missing in an index", _index_row_missing),
    "settings-changed": BrokenPlan(
        "the chunk size in clear is another than the sealed one",
        sql("UPDATE volume SET chunk_size = 8192"),
    ),
    "settings-changed-encrypted": BrokenPlan(
        "an encrypted volume that says it has another root",
        sql("UPDATE volume SET root = root + 1"), encrypted=True,
    ),
    "key-slot-costly": BrokenPlan(
        "a key slot that asks for 4 TiB of memory",
        sql("UPDATE key_slot SET memory_kib = 4294967296"), encrypted=True,
    ),
    "key-slot-commitment": BrokenPlan(
        "the commitment of the only key slot is another: no passphrase is right",
        sql("UPDATE key_slot SET commitment = zeroblob(32)"), encrypted=True,
    ),
    "node-flipped": BrokenPlan(
        "a bit is flipped in the last node",
        lambda path: flip(path, "node", "id", last_node(path)),
    ),
    "node-flipped-encrypted": BrokenPlan(
        "a bit is flipped in the last node",
        lambda path: flip(path, "node", "id", last_node(path)), encrypted=True,
    ),
    "nodes-swapped": BrokenPlan("the last two nodes have changed places", _swap_nodes),
    "nodes-swapped-encrypted": BrokenPlan(
        "the last two nodes have changed places", _swap_nodes, encrypted=True
    ),
    "node-missing": BrokenPlan(
        "a node that a name leads to is gone",
        lambda path: tamper(path, "DELETE FROM node WHERE id = :id", id=node_at(path, "chunk")),
    ),
    "name-flipped": BrokenPlan(
        "a bit is flipped in a name",
        lambda path: flip(path, "edge", "id", edge_to(path, "chunk")),
    ),
    "delta-missing": BrokenPlan(
        "one of the small changes of a file is gone: nobody knows which bytes it had",
        sql("DELETE FROM delta WHERE id = (SELECT min(id) FROM delta)"),
        encrypted=True, golden="with-deltas",
    ),
    "delta-flipped": BrokenPlan(
        "a bit is flipped in one of the small changes of a file",
        lambda path: flip(path, "delta", "id", first_delta(path)),
        encrypted=True, golden="with-deltas",
    ),
    "name-missing": BrokenPlan(
        "a node's only name is gone",
        lambda path: tamper(path, "DELETE FROM edge WHERE id = :id", id=edge_to(path, "chunk")),
    ),
    "name-misfiled": BrokenPlan(
        "the tag of a name is another's: it is listed, and not found",
        lambda path: tamper(
            path, "UPDATE edge SET tag = zeroblob(16) WHERE id = :id", id=edge_to(path, "chunk")
        ),
    ),
    "name-with-slash": BrokenPlan(
        "sealed with the right key: a name that leads out of its directory", _name_with_slash
    ),
    "folder-in-itself": BrokenPlan(
        "sealed with the right key: a directory whose only name is within itself", _folder_in_itself
    ),
    "xattr-flipped": BrokenPlan(
        "a bit is flipped in one of two extended attributes",
        lambda path: flip(path, "xattr", "tag", stored(path, "SELECT tag FROM xattr")[0]["tag"]),
    ),
    "xattr-missing": BrokenPlan("both extended attributes are gone", sql("DELETE FROM xattr")),
    "chunk-flipped": BrokenPlan(
        "a bit is flipped in a chunk",
        lambda path: flip(path, "chunk_data", "id", full_chunk(path)),
    ),
    "chunk-flipped-encrypted": BrokenPlan(
        "a bit is flipped in a chunk",
        lambda path: flip(path, "chunk_data", "id", full_chunk(path)), encrypted=True,
    ),
    "chunks-swapped": BrokenPlan("two chunks have changed places", _swap_chunks),
    "chunks-swapped-encrypted": BrokenPlan(
        "two chunks have changed places", _swap_chunks, encrypted=True
    ),
    "chunk-missing": BrokenPlan("a chunk is gone", _delete_chunk),
    "manifest-flipped": BrokenPlan("a bit is flipped in a manifest", _flip_manifest),
    "manifest-in-itself": BrokenPlan(
        "sealed with the right key: a manifest that leads to itself", _manifest_in_itself
    ),
    "count-too-high": BrokenPlan(
        "a chunk counts more references than there are",
        sql("UPDATE chunk SET refs = refs + 1 WHERE id = (SELECT min(id) FROM chunk)"),
    ),
    "counters-wrong": BrokenPlan(
        "sealed with the right key: the volume's counters are others", _wrong_counters
    ),
    "orphan-with-name": BrokenPlan(
        "a node that has its name is declared an orphan: it must not be deleted",
        lambda path: tamper(path, "INSERT INTO orphan VALUES (:id)", id=node_at(path, "chunk")),
    ),
    "reservation-set-back": BrokenPlan(
        "ids that are in use count as free",
        sql("UPDATE reservation SET next = 1 WHERE kind = 'node'"),
    ),
}  # fmt: skip


def passphrase(plan: BrokenPlan) -> bytes | None:
    return PASSPHRASE if plan.encrypted else None
