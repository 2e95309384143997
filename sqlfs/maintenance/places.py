"""Which files, and which of their bytes, lie in pieces that are damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlfs.chunks import Reference
from sqlfs.errors import Corrupt, SqlfsError
from sqlfs.limits import MANIFEST_FANOUT
from sqlfs.maintenance.findings import Finding
from sqlfs.maintenance.pace import Pace
from sqlfs.namespace import NodeRecord
from sqlfs.store import greatest_key
from sqlfs.volume.opened import OpenVolume

_PAGE: Final = 512


class Places:
    """`damaged`: why a piece can't be read, by its digest; `members`: the volumes of its domain."""

    def __init__(self, members: list[OpenVolume], damaged: Mapping[bytes, str], pace: Pace) -> None:
        self._members = members
        self._damaged = damaged
        self._pace = pace
        self._sound: set[bytes] = set()  # manifests with no damage beneath, bounded

    def findings(self) -> Iterator[Finding]:
        """One for each damaged range of each file, and for what waits to be reclaimed."""
        for volume in self._members:
            yield from self._of_volume(volume)

    def _of_volume(self, volume: OpenVolume) -> Iterator[Finding]:
        last = 0
        self._pace.begin("damaged files", 0)
        end = greatest_key(volume.db, "node")
        while last <= end:
            with self._pace.page():
                rows = volume.db.raw_rows("node_page", volume.info.id, last, _PAGE)
                records = [record for (id_, *_) in rows if (record := _record(volume, id_))]
            for record in records:
                for start, end, why in self._ranges(volume, record):
                    yield self._finding(volume, record, start, end, why)
            if not rows:
                return
            last = rows[-1][0]
            self._pace.advance(len(rows))

    def _finding(
        self, volume: OpenVolume, record: NodeRecord, start: int, end: int, why: str
    ) -> Finding:
        with volume.db.lock:
            called = volume.called(record.id)
        what = f"node {record.id} of volume {volume.info.name!r}"
        return Finding("content", what, f"{called}, bytes {start} to {end - 1}: {why}")

    def _ranges(self, volume: OpenVolume, record: NodeRecord) -> Iterator[tuple[int, int, str]]:
        """Where a file is damaged: from, up to before, and why."""
        if record.root is None:
            return
        todo = [(record.root, 0)]
        while todo:
            reference, start = todo.pop()
            end = start + volume.info.chunk_size * MANIFEST_FANOUT**reference.level
            if reference.digest in self._damaged:
                yield start, max(start + 1, min(end, record.size)), self._damaged[reference.digest]
            elif reference.level and reference.digest not in self._sound:
                todo += self._beneath(volume, reference, start)

    def _beneath(
        self, volume: OpenVolume, manifest: Reference, start: int
    ) -> list[tuple[Reference, int]]:
        width = volume.info.chunk_size * MANIFEST_FANOUT ** (manifest.level - 1)
        try:
            entries = volume.pool.entries(manifest)
        except Corrupt:
            return []  # changed since it was found sound
        found = [(each, start + slot * width) for slot, each in enumerate(entries) if each]
        if manifest.level == 1 and not any(each.digest in self._damaged for each, _ in found):
            if len(self._sound) < 100_000:
                self._sound.add(manifest.digest)
            return []
        return found[::-1]


def _record(volume: OpenVolume, id_: int) -> NodeRecord | None:
    try:
        return volume.nodes.get(id_)
    except SqlfsError:
        return None  # told of with the nodes
