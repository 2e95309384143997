"""Which pages of a sound file each path of a volume needs, to be whole when others are lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlfs.chunks import Reference, decode_manifest
from sqlfs.crypto import Purpose, Sealer
from sqlfs.namespace import decode_node
from sqlfs.store.wreck.cells import RecordHead, cells
from tests.fuzz.specimens import PAGE, Specimen
from tests.salvage.sections import opened, pages_by_use

Pages = frozenset[int]
_INDEX = "chunk_by_digest"


@dataclass
class Footprint:
    """``needed``: by path, sets of pages of which each needs one that is whole, and all of it.

    Two ways lead to a piece's row: by its table, and by the index over digests.
    """

    needed: dict[bytes, list[tuple[Pages, ...]]] = field(default_factory=dict)
    settings: Pages = frozenset()

    def intact(self, lost: set[int]) -> set[bytes]:
        """What must come out whole where these pages are lost; nothing without settings."""
        if not self.settings.isdisjoint(lost):
            return set()
        return {
            path
            for path, parts in self.needed.items()
            if all(any(way.isdisjoint(lost) for way in ways) for ways in parts)
        }


def footprint_of(specimen: Specimen) -> Footprint:
    return _Survey(specimen.path, specimen.file, specimen.uuid, specimen.sealer).run()


@dataclass
class _Survey:
    path: Path
    data: bytes
    uuid: bytes
    sealer: Sealer

    def run(self) -> Footprint:
        uses = pages_by_use(self.path)
        self.places = {
            tree: self._places(uses.get((tree, "leaf"), []) + uses.get((tree, "internal"), []))
            for tree in ("node", "edge", "xattr", "chunk", _INDEX, "chunk_data")
        }
        settings = [*uses["volume", "leaf"], *uses.get(("key_slot", "leaf"), [])]
        footprint = Footprint(settings=frozenset(settings))
        with closing(opened(self.path)) as connection:
            self.rows = lambda query, *values: connection.execute(query, values).fetchall()
            ((root,),) = self.rows("SELECT root FROM volume")
            for path, parts in self._below(root, b"/", []):
                footprint.needed[path] = parts
        return footprint

    def _places(self, pages: list[int]) -> dict[Any, Pages]:
        """By rowid, or by the first values of a row without one: the pages that it lies on."""
        found: dict[Any, Pages] = defaultdict(frozenset)
        for number in pages:
            page = self.data[(number - 1) * PAGE : number * PAGE]
            for cell in cells(page, is_first=False):
                on, following = {number}, cell.overflow
                payload = cell.local
                while len(payload) < cell.length:
                    on.add(following)
                    at = (following - 1) * PAGE
                    payload += self.data[at + 4 : at + min(PAGE, 4 + cell.length - len(payload))]
                    following = int.from_bytes(self.data[at : at + 4], "big")
                key: object = cell.rowid
                if key is None:
                    head = RecordHead.of(cell)
                    key = tuple(head.values(payload)[:2]) if head is not None else None
                found[key] |= on
        return found

    def _below(
        self, node: int, path: bytes, way: list[tuple[Pages, ...]]
    ) -> Iterator[tuple[bytes, list[tuple[Pages, ...]]]]:
        ((since, sealed),) = self.rows("SELECT since, sealed FROM node WHERE id = ?", node)
        body = self.sealer.open(Purpose.NODE, (self.uuid, node, since), sealed, "node")
        record = decode_node(node, since, body)
        own: list[tuple[Pages, ...]] = [(self.places["node"][node],)]
        for (tag,) in self.rows("SELECT tag FROM xattr WHERE node = ?", node):
            own.append((self.places["xattr"][node, tag],))
        if record.root is not None:
            own += self._content(record.root)
        yield path, way + own
        query = "SELECT id, child, since, sealed FROM edge WHERE parent = ?"
        for edge, child, since, sealed in self.rows(query, node):
            aad = (self.uuid, node, edge, child, since)
            name = self.sealer.open(Purpose.NAME, aad, sealed, "name")
            step = (self.places["edge"][edge],)
            yield from self._below(child, path.rstrip(b"/") + b"/" + name, [*way, step])

    def _content(self, reference: Reference) -> Iterator[tuple[Pages, ...]]:
        query = "SELECT id, domain FROM chunk WHERE digest = ?"
        ((id_, domain),) = self.rows(query, reference.digest)
        yield (self.places["chunk"][id_], self.places[_INDEX][domain, reference.digest])
        yield (self.places["chunk_data"][id_],)
        if reference.level:
            ((sealed,),) = self.rows("SELECT sealed FROM chunk_data WHERE id = ?", id_)
            aad = (domain, reference.digest, reference.level)
            body = self.sealer.open(Purpose.MANIFEST, aad, sealed, "manifest")
            for entry in decode_manifest(body, reference.level, "manifest"):
                if entry is not None:
                    yield from self._content(entry)
