"""Rows sealed by whoever has the key, and holding what no sqlfs would write.

A plain volume has no secret, so anybody can make these.  They may show what they like; what reads
them must come to an end, within its memory, and say no more than an error.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw

from sqlfs.chunks import Reference
from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.namespace.records import NodeRecord, decode_node, encode_node
from tests.fuzz.specimens import Specimen

Forgery = Callable[[random.Random, apsw.Connection, Specimen], str]
_WIDE: Final = 2**63 - 1
_ENTRY: Final = struct.Struct("<BQ32s")
_HEAD: Final = struct.Struct("<BBH")


def _volume(connection: apsw.Connection) -> tuple[int, int, int]:
    row: tuple[Any, ...] = _pick_one(connection, "SELECT id, root, domain FROM volume")
    return row[0], row[1], row[2]


def _pick_one(connection: apsw.Connection, query: str) -> tuple[Any, ...]:
    (row,) = connection.execute(query).fetchall()
    return row


def _pick(chance: random.Random, connection: apsw.Connection, query: str) -> tuple[Any, ...]:
    return chance.choice(connection.execute(query).fetchall())


# --- bodies that are not as they should be ---


def another_body(chance: random.Random, connection: apsw.Connection, specimen: Specimen) -> str:
    """The body of any sealed row, changed and sealed again."""
    volume = _volume(connection)[0]
    uuid = specimen.uuid
    kinds: dict[str, tuple[Purpose, str, Callable[[tuple[Any, ...]], Sequence[Any]]]] = {
        "node": (Purpose.NODE, "id, since", lambda key: (uuid, *key)),
        "edge": (Purpose.NAME, "id, parent, child, since",
                 lambda key: (uuid, key[1], key[0], *key[2:])),
        "xattr": (Purpose.XATTR, "node, tag, since", lambda key: (uuid, *key)),
        "atime": (Purpose.ATIME, "node", lambda key: (uuid, *key)),
        "reclaim": (Purpose.RECLAIM, "id", lambda key: (volume, *key)),
        "delta": (Purpose.DELTA, "node, id", lambda key: (uuid, *key)),
        "counter": (Purpose.COUNTER, "volume", lambda _: (uuid,)),
        "volume": (Purpose.VOLUME, "id", lambda key: (uuid, *key)),
    }  # fmt: skip
    present = [
        table for table in kinds if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()
    ]
    table = chance.choice(present)
    purpose, columns, aad_of = kinds[table]
    *key, sealed = _pick(chance, connection, f"SELECT {columns}, sealed FROM {table}")
    aad = aad_of(tuple(key))
    body = _changed(chance, specimen.sealer.open(purpose, aad, sealed, "row"))
    new = specimen.sealer.seal(purpose, aad, body)
    where = " AND ".join(f"{column.strip()} = ?" for column in columns.split(","))
    connection.execute(f"UPDATE {table} SET sealed = ? WHERE {where}", (new, *key))
    return f"the body of {table} {key[0]} is {body[:80]!r}"


def another_piece(chance: random.Random, connection: apsw.Connection, specimen: Specimen) -> str:
    """The body of a chunk or a manifest."""
    _, _, domain = _volume(connection)
    id_, digest, sealed = _pick(
        chance, connection, "SELECT id, digest, sealed FROM chunk JOIN chunk_data USING (id)"
    )
    for purpose, aad in (
        (Purpose.CHUNK, (domain, digest)),
        (Purpose.MANIFEST, (domain, digest, 1)),
        (Purpose.MANIFEST, (domain, digest, 2)),
    ):
        try:
            body = specimen.sealer.open(purpose, aad, sealed, "piece")
        except Corrupt:
            continue
        new = specimen.sealer.seal(purpose, aad, _changed(chance, body))
        connection.execute("UPDATE chunk_data SET sealed = ? WHERE id = ?", (new, id_))
        return f"another body in piece {id_}, a {purpose.name}"
    raise AssertionError("a piece is a chunk or a manifest")


def _changed(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    choice = chance.randrange(6)
    if choice == 0 or not body:
        return chance.choice((b"", b"\0", b"..", b"a/b", b"x" * 256, b"\xff" * 70, bytes(90)))
    if choice == 1:
        del changed[chance.randrange(len(body)) :]
    elif choice == 2:
        changed += chance.randbytes(chance.choice((1, 41, 600)))
    elif choice == 3:
        width = chance.choice((1, 2, 4, 8))
        at = chance.randrange(len(body))
        changed[at : at + width] = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * width
    else:
        for _ in range(chance.choice((1, 1, 4))):
            changed[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(changed)


# --- trees that have no end ---


def edge_to_anywhere(chance: random.Random, connection: apsw.Connection, specimen: Specimen) -> str:
    """A placement of any node, above itself too, or of none."""
    id_, parent, child, since, generation, _ = _pick(
        chance, connection, "SELECT id, parent, child, since, generation, sealed FROM edge"
    )
    del child
    nodes = [node for (node,) in connection.execute("SELECT id FROM node").fetchall()]
    directories = [it for (it,) in connection.execute("SELECT DISTINCT parent FROM edge")]
    to = chance.choice((*directories, *directories, *directories, 2**39, chance.choice(nodes)))
    name = b"forged"
    new_id = chance.choice((id_, 2**38))
    sealed = specimen.sealer.seal(Purpose.NAME, (specimen.uuid, parent, new_id, to, since), name)
    tag = specimen.sealer.name_tag(parent, name)
    connection.execute("DELETE FROM edge WHERE id = ?", (new_id,))
    connection.execute(
        "INSERT INTO edge (id, parent, tag, child, since, generation, sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new_id, parent, tag, to, since, generation, sealed),
    )
    return f"an entry of directory {parent} leads to node {to}"


def deep_manifests(chance: random.Random, connection: apsw.Connection, specimen: Specimen) -> str:
    """Levels upon levels, each entry of which is the same manifest, down to a chunk that is not
    there; or to a manifest that is its own entry."""
    levels = chance.choice((2, 3, 8))
    width = chance.choice((1, 2, 128))
    digest, below = chance.randbytes(32), chance.randbytes(32)
    if chance.random() < 0.5:
        (below,) = _pick(chance, connection, "SELECT digest FROM chunk")
    length, circular = chance.choice((0, 1, 4096)), chance.random() < 0.3
    for level in range(1, levels + 1):
        digest = chance.randbytes(32)
        entry = _ENTRY.pack(1, length & (2**64 - 1), digest if circular else below)
        _add_manifest(connection, specimen, level, digest, entry * width, width)
        below, length = digest, length * width
    root = Reference(levels, length & (2**64 - 1), digest)
    size = chance.choice((0, 1, 4096 * 200, 2**40, _WIDE, 2**64 - 1))

    def change(record: NodeRecord) -> None:
        record.root, record.inline, record.size = root, None, size

    node = _rewrite_node(chance, connection, specimen, change)
    return f"node {node} has {size} bytes in {levels} levels of {width}, circular: {circular}"


def _add_manifest(
    connection: apsw.Connection,
    specimen: Specimen,
    level: int,
    digest: bytes,
    entries: bytes,
    count: int,
) -> None:
    _, _, domain = _volume(connection)
    body = _HEAD.pack(1, level, count) + entries
    sealed = specimen.sealer.seal(Purpose.MANIFEST, (domain, digest, level), body)
    ((generation,),) = connection.execute("SELECT generation FROM volume").fetchall()
    connection.execute(
        "INSERT INTO chunk (domain, digest, refs) VALUES (?, ?, 1)", (domain, digest)
    )
    connection.execute(
        "INSERT INTO chunk_data (id, generation, sealed) VALUES (?, ?, ?)",
        (connection.last_insert_rowid(), generation, sealed),
    )


# --- attributes that make no sense ---


def absurd_node(chance: random.Random, connection: apsw.Connection, specimen: Specimen) -> str:
    field, value = chance.choice((
        ("size", 2**64 - 1), ("size", 2**63), ("size", _WIDE), ("size", 0), ("size", 2**40),
        ("mode", 0), ("mode", 0o170777), ("mode", 0o100644), ("mode", 0o040755),
        ("mode", 0o120777), ("mode", 0xFFFFFFFF), ("nlink", 0), ("nlink", 2**32 - 1),
        ("uid", 2**32 - 1), ("rdev", 2**64 - 1), ("mtime_ns", _WIDE), ("mtime_ns", -(2**63)),
        ("ctime_ns", _WIDE), ("btime_ns", -(2**63)), ("atime_ns", _WIDE),
        ("inline", b""), ("inline", bytes(5000)), ("has_xattrs", True), ("has_xattrs", False),
        ("root", Reference(0, 2**64 - 1, bytes(32))), ("root", Reference(1, 0, bytes(32))),
        ("root", Reference(8, _WIDE, b"\xff" * 32)),
    ))  # fmt: skip

    def change(record: NodeRecord) -> None:
        if field in ("inline", "root"):
            record.inline = record.root = None
        setattr(record, field, value)
        if isinstance(value, bytes):
            record.size = len(value)

    node = _rewrite_node(chance, connection, specimen, change)
    return f"{field} of node {node} is {str(value)[:60]}"


def _rewrite_node(
    chance: random.Random,
    connection: apsw.Connection,
    specimen: Specimen,
    change: Callable[[NodeRecord], None],
) -> int:
    id_, since, sealed = _pick(chance, connection, "SELECT id, since, sealed FROM node")
    aad = (specimen.uuid, id_, since)
    record = decode_node(id_, since, specimen.sealer.open(Purpose.NODE, aad, sealed, "node"))
    change(record)
    new = specimen.sealer.seal(Purpose.NODE, aad, encode_node(record))
    connection.execute("UPDATE node SET sealed = ? WHERE id = ?", (new, id_))
    return int(id_)


ANY: Final[tuple[Forgery, ...]] = (
    another_body, another_body, another_piece, edge_to_anywhere, deep_manifests, absurd_node,
)  # fmt: skip
