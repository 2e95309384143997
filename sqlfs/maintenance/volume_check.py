"""Checking one unlocked volume: what only its key can see.

Runs under the store's lock, after everything in memory was flushed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

from sqlfs.chunks import Reference
from sqlfs.crypto import Purpose
from sqlfs.errors import SqlfsError
from sqlfs.maintenance.findings import Finding
from sqlfs.namespace import NodeRecord, check_name, decode_node
from sqlfs.store import Tally
from sqlfs.types import VolumeUsage
from sqlfs.volume.opened import OpenVolume

_PAGE = 512


class VolumeCheck:
    """One pass over a volume.  `references` counts what names each piece, over all volumes of a
    key domain; `names` counts what leads to each node."""

    def __init__(self, volume: OpenVolume, references: Tally, *, deep: bool) -> None:
        self._volume = volume
        self._references = references
        self._deep = deep
        self._names = Tally()
        self._subdirectories = Tally()
        self._with_xattrs = Tally()

    def run(self) -> Iterator[Finding]:
        try:
            yield from self._edges()
            yield from self._xattrs()
            yield from self._nodes()
            yield from self._atimes()
            yield from self._reclaim()
        finally:
            for tally in (self._names, self._subdirectories, self._with_xattrs):
                tally.close()

    # --- rows ---

    def _edges(self) -> Iterator[Finding]:
        volume, last = self._volume, 0
        sealer, uuid = volume.sealer, volume.info.uuid
        while rows := volume.db.rows("edge_all", volume.info.id, last, _PAGE):
            for id_, parent, tag, child, since, generation, sealed in rows:
                self._names.add(_key(child))
                aad = (uuid, parent, id_, child, since)
                try:
                    name = volume.rows.open(
                        Purpose.NAME, aad, generation, sealed, f"name of edge {id_}"
                    )
                    check_name(name)
                except SqlfsError as error:
                    yield self._finding("edge_sealed", f"edge {id_}", error.message)
                    continue
                if sealer.name_tag(parent, name) != tag:
                    yield self._finding(
                        "edge_tag", f"edge {id_}", "is filed under another name than its own"
                    )
                if self._is_directory(child):
                    self._subdirectories.add(_key(parent))
            last = rows[-1][0]

    def _is_directory(self, node: int) -> bool:
        try:
            return stat.S_ISDIR(self._volume.nodes.get(node).mode)
        except SqlfsError:
            return False  # reported with the nodes

    def _xattrs(self) -> Iterator[Finding]:
        volume = self._volume
        sealer, uuid = volume.sealer, volume.info.uuid
        last: tuple[int, bytes] = (0, b"")
        while rows := volume.db.rows("xattr_all_nodes", volume.info.id, *last, _PAGE):
            for node, tag, since, generation, sealed in rows:
                self._with_xattrs.add(_key(node))
                what = f"extended attribute of node {node}"
                try:
                    aad = (uuid, node, tag, since)
                    body = volume.rows.open(Purpose.XATTR, aad, generation, sealed, what)
                except SqlfsError as error:
                    yield self._finding("xattr_sealed", f"node {node}", error.message)
                    continue
                if sealer.xattr_tag(node, body[1 : 1 + (body or b"\0")[0]]) != tag:
                    yield self._finding("xattr_tag", f"node {node}", f"{what} is misfiled")
            last = rows[-1][0], rows[-1][1]

    def _nodes(self) -> Iterator[Finding]:
        volume, last = self._volume, 0
        nodes, size = 0, 0
        while rows := volume.db.rows("node_page", volume.info.id, last, _PAGE):
            for id_, since, generation, sealed in rows:
                nodes += 1
                what, aad = f"node {id_}", (volume.info.uuid, id_, since)
                try:
                    body = volume.rows.open(Purpose.NODE, aad, generation, sealed, what)
                    record = decode_node(id_, since, body)
                except SqlfsError as error:
                    yield self._finding("node_sealed", what, error.message)
                    continue
                size += record.size if stat.S_ISREG(record.mode) else 0
                yield from self._node(record)
            last = rows[-1][0]
        if volume.usage != VolumeUsage(nodes, size):
            yield self._finding(
                "counters",
                f"volume {volume.info.name!r}",
                f"counts {volume.usage.nodes} nodes and {volume.usage.bytes} bytes where there"
                f" are {nodes} and {size}",
            )

    def _node(self, record: NodeRecord) -> Iterator[Finding]:
        what = f"node {record.id}"
        names = self._names.get(_key(record.id))
        expected = names
        if stat.S_ISDIR(record.mode):
            placed = names or record.id == self._volume.info.root
            expected = 2 + self._subdirectories.get(_key(record.id)) if placed else 0
            if names > 1:
                yield self._finding("directory_names", what, f"is a directory with {names} names")
        if record.nlink != expected:
            yield self._finding(
                "link_count", what, f"says that it has {record.nlink} links, and has {expected}"
            )
        if record.has_xattrs != bool(self._with_xattrs.get(_key(record.id))):
            yield self._finding("xattr_flag", what, "says wrongly whether it has xattrs")
        if record.root is not None:
            if not stat.S_ISREG(record.mode):
                yield self._finding("content_kind", what, "has content, and is no regular file")
            yield from self._content(record.root, what)

    def _atimes(self) -> Iterator[Finding]:
        volume, last = self._volume, 0
        while rows := volume.db.rows("atime_page", volume.info.id, last, _PAGE):
            for node, generation, sealed in rows:
                aad, what = (volume.info.uuid, node), f"access time of node {node}"
                try:
                    volume.rows.open(Purpose.ATIME, aad, generation, sealed, what)
                except SqlfsError as error:
                    yield self._finding("atime_sealed", f"node {node}", error.message)
            last = rows[-1][0]

    # --- content ---

    def _content(self, reference: Reference, owner: str) -> Iterator[Finding]:
        """Count one reference; look beneath it when it is the first."""
        self._references.add(reference.digest)
        if self._references.get(reference.digest) > 1:
            return
        pool = self._volume.pool
        try:
            if reference.level:
                for entry in pool.entries(reference):
                    if entry is not None:
                        yield from self._content(entry, owner)
            elif self._deep:
                pool.read(reference)
        except SqlfsError as error:
            yield self._finding("content", owner, error.message)

    def _reclaim(self) -> Iterator[Finding]:
        try:
            for reference in self._volume.pool.reclaim_queue():
                yield from self._content(reference, "the reclaim queue")
        except SqlfsError as error:
            yield self._finding("reclaim_sealed", "the reclaim queue", error.message)

    def _finding(self, check: str, what: str, message: str) -> Finding:
        volume = f"volume {self._volume.info.name!r}"
        return Finding(check, what if what == volume else f"{what} of {volume}", message)


def check_counts(volume: OpenVolume, references: Tally) -> Iterator[Finding]:
    """Compare the counts of a key domain's chunks with the references that were met."""
    last = 0
    while rows := volume.db.rows("chunk_page", volume.domain, last, _PAGE):
        for id_, digest, refs in rows:
            seen = references.get(digest)
            if seen != refs:
                yield Finding(
                    "reference_count",
                    f"chunk {bytes(digest).hex()[:16]} (row {id_})",
                    f"counts {refs} references where there are {seen}",
                )
        last = rows[-1][0]


def _key(node: int) -> bytes:
    return node.to_bytes(8, "big", signed=True)
