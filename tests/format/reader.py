"""A reader of volume files, written from ``sql/FORMAT.md`` alone: nothing of ``sqlfs`` is used.

It is strict: whatever the format says that a writer must do is required here.
"""

from __future__ import annotations

import sqlite3
import stat
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.format.unsealing import (
    ATIME,
    CHUNK,
    COUNTER,
    DELTA,
    MANIFEST,
    MOUNT,
    NAME,
    NODE,
    RECLAIM,
    VOLUME,
    XATTR,
    Keys,
    Slot,
    keyed,
    require,
)

FANOUT = 128


@dataclass(frozen=True)
class Reference:
    level: int
    length: int
    digest: bytes


@dataclass(frozen=True)
class Node:
    id: int
    mode: int
    uid: int
    gid: int
    nlink: int
    rdev: int
    size: int
    mtime_ns: int
    ctime_ns: int
    btime_ns: int
    atime_ns: int
    has_xattrs: bool
    inline: bytes | None
    root: Reference | None
    deltas: int  # how many
    sum: int


class VolumeFileReader:
    """A volume file that is complete without its log."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
        require(self._pragma("application_id") == 0x73716C66, "application_id")
        require(self._pragma("user_version") == 1, "user_version")
        require(self._pragma("auto_vacuum") == 2, "auto_vacuum")
        require(self.rows("SELECT * FROM feature WHERE required") == [], "unknown feature")

    def _pragma(self, name: str) -> object:
        return self.rows(f"PRAGMA {name}")[0][0]

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters).fetchall()

    def volume(self, name: str, passphrase: bytes | None = None) -> VolumeReader:
        (row,) = self.rows(
            "SELECT id, uuid, root, domain, encrypted, generation, id_generation, chunk_size,"
            " dedupe, compression, epoch, created, sealed FROM volume WHERE name = ?",
            name,
        )
        id_, uuid, root, domain, encrypted, generation, ids, chunk_size, *others, sealed = row
        dedupe, compression, epoch, created = others
        keys = Keys.plain()
        if encrypted:
            assert passphrase is not None
            slots = self.rows(
                "SELECT slot, generation, memory_kib, passes, lanes, salt, commitment, wrapped"
                " FROM key_slot WHERE volume = ?",
                id_,
            )
            slot = Slot(*slots[0])
            require(slot.generation == generation, "key generation of the slot")
            keys = Keys.of(slot.master(passphrase, uuid), generation, ids)
        settings = struct.pack(
            "<QQQQBBBQQ", root, domain, ids, chunk_size, encrypted, dedupe, compression, epoch,
            created,
        )  # fmt: skip
        body = keys.open_row(VOLUME, (uuid, id_), generation, sealed)
        quota_bytes, quota_nodes = struct.unpack_from("<QQ", body, len(settings))
        quota = struct.pack("<QQ", quota_bytes, quota_nodes)
        require(body == settings + quota + name.encode(), "settings")
        require(domain == (id_ if encrypted else 0), "key domain")
        require(generation == ids == encrypted, "the one key generation")
        return VolumeReader(
            self, keys, id_, uuid, root, domain, chunk_size, bool(dedupe), quota_bytes, quota_nodes
        )

    def reference_counts(self, domain: int) -> dict[bytes, int]:
        """As the file has them."""
        return dict(self.rows("SELECT digest, refs FROM chunk WHERE domain = ?", domain))

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True)
class VolumeReader:
    file: VolumeFileReader
    keys: Keys
    id: int
    uuid: bytes
    root: int
    domain: int
    chunk_size: int
    dedupe: bool
    quota_bytes: int
    quota_nodes: int

    # --- rows ---

    def nodes(self) -> dict[int, Node]:
        found = {}
        query = "SELECT id, since, generation, sealed FROM node WHERE volume = ?"
        for id_, since, generation, sealed in self.file.rows(query, self.id):
            body = self.keys.open_row(NODE, (self.uuid, id_, since), generation, sealed)
            found[id_] = self._node(id_, body)
        return found

    def _node(self, id_: int, body: bytes) -> Node:
        mode, uid, gid, nlink, rdev, size, mtime, ctime, btime, atime, flags, kind = (
            struct.unpack_from("<IIIIQQqqqqBB", body)
        )
        require(flags < 4, "flags")
        inline, root, content, deltas, total = None, None, body[66:], 0, 0
        if flags & 2:
            (deltas,) = struct.unpack_from("<I", content)
            require(deltas > 0 and size > 512, "number of deltas")
            total, content = int.from_bytes(content[4:28], "little"), content[28:]
        if kind == 1:
            require(len(content) == size > 0, "inline content")
            inline = content
        elif kind == 2:
            root = Reference(*struct.unpack("<BQ32s", content))
        else:
            require(kind == 0 and not content, "content kind")
        small = stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and 0 < size <= 2048)
        require(small == (inline is not None), "canonical form")
        for row in self.file.rows("SELECT generation, sealed FROM atime WHERE node = ?", id_):
            (atime,) = struct.unpack("<q", self.keys.open_row(ATIME, (self.uuid, id_), *row))
        return Node(
            id_, mode, uid, gid, nlink, rdev, size, mtime, ctime, btime, atime,
            bool(flags & 1), inline, root, deltas, total,
        )  # fmt: skip

    def entries(self, parent: int) -> dict[bytes, int]:
        """Names and children of a directory, in order."""
        found: dict[bytes, int] = {}
        query = "SELECT id, tag, child, since, generation, sealed FROM edge WHERE parent = ?"
        for id_, tag, child, since, *row in self.file.rows(query + " ORDER BY id", parent):
            name = self.keys.open_row(NAME, (self.uuid, parent, id_, child, since), *row)
            message = struct.pack("<q", parent) + name
            require(tag == keyed(self.keys.name_tag, message, 16), "tag of a name")
            found[name] = child
        return found

    def tree(self) -> dict[bytes, int]:
        """Every path, and the node there."""
        nodes = self.nodes()
        found, waiting = {b"/": self.root}, [(b"/", self.root)]
        while waiting:
            path, directory = waiting.pop()
            for name, child in self.entries(directory).items():
                found[path + name] = child
                if stat.S_ISDIR(nodes[child].mode):
                    waiting.append((path + name + b"/", child))
        return found

    def xattrs(self, node: int) -> dict[bytes, bytes]:
        found = {}
        query = "SELECT tag, since, generation, sealed FROM xattr WHERE node = ?"
        for tag, since, *row in self.file.rows(query, node):
            body = self.keys.open_row(XATTR, (self.uuid, node, tag, since), *row)
            name, value = body[1 : 1 + body[0]], body[1 + body[0] :]
            message = struct.pack("<q", node) + name
            require(tag == keyed(self.keys.xattr_tag, message, 16), "tag of an xattr")
            found[name] = value
        return found

    def counters(self) -> tuple[int, int]:
        """Nodes, and bytes of regular files."""
        query = "SELECT generation, sealed FROM counter WHERE volume = ?"
        (row,) = self.file.rows(query, self.id)
        nodes, size = struct.unpack("<QQ", self.keys.open_row(COUNTER, (self.uuid,), *row))
        return nodes, size

    def orphans(self) -> set[int]:
        return {node for (node,) in self.file.rows("SELECT node FROM orphan")}

    def reclaimed(self) -> Iterator[Reference]:
        query = "SELECT id, generation, sealed FROM reclaim WHERE volume = ?"
        for id_, *row in self.file.rows(query, self.id):
            body = self.keys.open_row(RECLAIM, (self.id, id_), *row)
            yield Reference(body[0], 0, body[1:])

    def mounts(self) -> Iterator[tuple[int, bool, bool, int, bytes, bytes]]:
        """Process, read-only, client, applied, door, place."""
        query = "SELECT id, generation, sealed FROM mount WHERE volume = ?"
        for id_, *row in self.file.rows(query, self.id):
            body = self.keys.open_row(MOUNT, (self.uuid, id_), *row)
            door, place = body[18:].split(b"\0")
            pid, applied = (int.from_bytes(body[at : at + 8], "little") for at in (0, 10))
            yield pid, bool(body[8]), bool(body[9]), applied, door, place

    # --- content ---

    def content(self, node: Node) -> bytes:
        """All bytes of a file that is not too large for this."""
        whole = bytearray(node.size)
        for offset, piece in self.pieces(node):
            whole[offset : offset + len(piece)] = piece
        return bytes(whole)

    def pieces(self, node: Node) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of whatever is no hole, in order."""
        if node.inline is not None:
            yield 0, node.inline
        changed = self.deltas(node)
        for slot, piece in self._slots(node, changed):
            whole = bytearray(piece)
            for start, new in changed.get(slot, []):
                whole.extend(bytes(max(0, start + len(new) - len(whole))))
                whole[start : start + len(new)] = new
            yield slot * self.chunk_size, bytes(whole)

    def _slots(self, node: Node, changed: Collection[int]) -> Iterator[tuple[int, bytes]]:
        """What the tree has for each slot, and nothing for those that only deltas have."""
        found = {}
        if node.root is not None:
            slots = -(-node.size // self.chunk_size)
            level = 0
            while FANOUT**level < slots:
                level += 1
            require(node.root.level == level, "lowest level")
            found = dict(self._chunks(node.root, 0))
        for slot in sorted({*found, *changed}):
            piece = self._load(found[slot]) if slot in found else b""
            if slot not in changed:
                full = min(self.chunk_size, node.size - slot * self.chunk_size)
                require(len(piece) == full, "chunk's length")
                require(any(piece), "canonical hole")
            yield slot, piece

    def deltas(self, node: Node) -> dict[int, list[tuple[int, bytes]]]:
        """By slot, what is to be laid over it, in order."""
        found: dict[int, list[tuple[int, bytes]]] = {}
        query = "SELECT id, generation, sealed FROM delta WHERE node = ? ORDER BY id"
        rows = self.file.rows(query, node.id) if node.deltas else []
        require(len(rows) == node.deltas, "number of deltas")
        total = sum(int.from_bytes(sealed[:24], "little") for *_, sealed in rows)
        require(total % 2**192 == node.sum, "sum of deltas")
        for id_, *row in rows:
            body = self.keys.open_row(DELTA, (self.uuid, node.id, id_), *row)
            slot = int.from_bytes(body[:8], "little")
            at, behind = 8, -1
            while at < len(body):
                start, length = struct.unpack_from("<II", body, at)
                piece, at = body[at + 8 : at + 8 + length], at + 8 + length
                require(start > behind and 0 < length == len(piece), "pieces of a delta")
                behind = start + length
                found.setdefault(slot, []).append((start, piece))
            require(behind <= self.chunk_size, "slot of a delta")
            require(slot * self.chunk_size + behind <= node.size, "end of a delta")
        return found

    def _chunks(self, at: Reference, first: int) -> Iterator[tuple[int, Reference]]:
        if at.level == 0:
            yield first, at
            return
        for number, entry in enumerate(self.manifest(at)):
            if entry is not None:
                yield from self._chunks(entry, first + number * FANOUT ** (at.level - 1))

    def manifest(self, at: Reference) -> list[Reference | None]:
        body = self._load(at)
        version, level, count = struct.unpack_from("<BBH", body)
        require((version, level) == (1, at.level) and 1 <= count <= FANOUT, "manifest")
        entries: list[Reference | None] = []
        for flags, length, digest in struct.iter_unpack("<BQ32s", body[4:]):
            if flags == 1:
                entries.append(Reference(level - 1, length, digest))
            else:
                require(flags == 0 and length == 0 and not any(digest), "hole")
                entries.append(None)
        require(len(entries) == count and entries[-1] is not None, "entries")
        total = sum(entry.length for entry in entries if entry is not None)
        require(at.length in (total, 0), "length beneath a manifest")
        return entries

    def _load(self, at: Reference) -> bytes:
        (row,) = self.file.rows(
            "SELECT generation, sealed FROM chunk JOIN chunk_data USING (id)"
            " WHERE domain = ? AND digest = ?",
            self.domain,
            at.digest,
        )
        if at.level:
            body = self.keys.open_row(MANIFEST, (self.domain, at.digest, at.level), *row)
            key = self.keys.manifest_id
        else:
            body = self.keys.open_row(CHUNK, (self.domain, at.digest), *row)
            require(len(body) == at.length, "length of a chunk")
            key = self.keys.chunk_id
        require((at.digest == keyed(key, body, 32)) == self.dedupe, "digest")
        return body
