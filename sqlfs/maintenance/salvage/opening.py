"""The rows of an unlocked volume: of those that were found under one id, the one to believe."""

from __future__ import annotations

import contextlib
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from sqlfs.chunks import check_generation, unpack
from sqlfs.content import Delta, are_all, decode_delta, seal_number
from sqlfs.crypto import Purpose
from sqlfs.errors import SqlfsError
from sqlfs.maintenance.salvage.volumes import Unlocked
from sqlfs.namespace import NodeRecord, check_name, decode_node
from sqlfs.store.wreck import Finds, Rank

_TIME = struct.Struct("<q")
_COUNTERS = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """An edge.  ``name``: None where it can't be read."""

    id: int
    parent: int
    child: int
    name: bytes | None


class OpenedRows:
    """What a seal does not open for is as if it had not been found."""

    def __init__(self, finds: Finds, volume: Unlocked) -> None:
        self._finds = finds
        self._volume = volume

    def node(self, id_: int) -> NodeRecord | None:
        """The node, with its access time; None if no row of it opens."""
        best: NodeRecord | None = None
        best_rank = 0
        for rank, since, generation, sealed in self._finds.nodes(id_, self._volume.id):
            if best is not None and rank < best_rank:
                break
            body = self._open(Purpose.NODE, (self._volume.uuid, id_, since), generation, sealed)
            if body is None:
                continue
            try:
                record = decode_node(id_, since, body)
            except SqlfsError:
                continue
            if best is None or record.ctime_ns > best.ctime_ns:
                best, best_rank = record, rank
        if best is not None:
            self._set_atime(best)
        return best

    def deltas(self, record: NodeRecord, told: Callable[[str], None]) -> Iterator[Delta]:
        """The changes of a file that are in no chunk, in order; `told` of those that are lost."""
        if not record.delta_count:
            return
        found = {id_: (rank, delta.number) for rank, id_, delta in self._deltas(record)}
        live = {id_: each for id_, each in found.items() if each[0] == Rank.LIVE}
        # What was deleted may be among the others.
        wanted = found if are_all(record, [number for _, number in found.values()]) else live
        if not are_all(record, [number for _, number in wanted.values()]):
            told(f"of {record.delta_count} small changes {len(wanted)} are here, or are old")
        for _, id_, delta in self._deltas(record):
            if id_ in wanted:
                yield delta

    def _deltas(self, record: NodeRecord) -> Iterator[tuple[int, int, Delta]]:
        last = 0
        for rank, id_, generation, sealed in self._finds.deltas(record.id):
            aad = (self._volume.uuid, record.id, id_)
            body = self._open(Purpose.DELTA, aad, generation, sealed) if id_ != last else None
            if body is not None:
                with contextlib.suppress(SqlfsError):
                    slot, pieces = decode_delta(body, "delta")
                    yield rank, id_, Delta(id_, seal_number(sealed), slot, pieces)
                    last = id_

    def _set_atime(self, record: NodeRecord) -> None:
        for generation, sealed in self._finds.smalls(record.id):
            body = self._open(Purpose.ATIME, (self._volume.uuid, record.id), generation, sealed)
            if body is not None and len(body) == _TIME.size:
                (record.atime_ns,) = _TIME.unpack(body)
                return

    def node_count(self) -> int | None:
        """How many nodes the volume says it has, orphans among them."""
        for generation, sealed in self._finds.smalls(self._volume.id):
            body = self._open(Purpose.COUNTER, (self._volume.uuid,), generation, sealed)
            if body is not None:
                try:
                    return int(unpack(_COUNTERS, body, "counters")[0])
                except SqlfsError:
                    continue
        return None

    # --- edges ---

    def entries(self, parent: int) -> Iterator[Entry]:
        """The edges of a directory, in order; one whose name can't be read, too, where its page
        is surely in use."""
        rows = self._finds.edges_of(parent)
        for id_, versions in groupby(rows, key=itemgetter(1)):
            rank, _, child, _, _, _ = first = next(versions)
            if rank == Rank.LIVE:
                entry = self._entry(parent, *first[1:])
                if entry is None:
                    entry = next(
                        filter(None, (self._entry(parent, *row[1:]) for row in versions)), None
                    )
                yield entry if entry is not None else Entry(id_, parent, child, None)
            else:
                entry = self.edge(id_)
                if entry is not None and entry.parent == parent and not self._is_named(entry):
                    yield entry

    def edge(self, id_: int) -> Entry | None:
        """The edge, if a row of it opens."""
        for _, parent, *row in self._finds.edge(id_):
            entry = self._entry(parent, id_, *row)
            if entry is not None:
                return entry
        return None

    def edges_to(self, child: int) -> list[Entry]:
        """Up to some hundred edges that lead to a node, those to believe most first."""
        found = []
        for _, id_, parent, *row in self._finds.edges_to(child):
            entry = self._entry(parent, id_, child, *row)
            if entry is not None:
                found.append(entry)
        return found

    def has_entries(self, parent: int) -> bool:
        return any(entry.name is not None for entry in self.entries(parent))

    def _is_named(self, entry: Entry) -> bool:
        """Whether what may be an edge that was deleted leads to a node that has its names without
        it."""
        live = sum(rank == Rank.LIVE for rank, *_ in self._finds.edges_to(entry.child))
        if not live:
            return False
        record = self.node(entry.child)
        return record is None or stat.S_ISDIR(record.mode) or live >= record.nlink

    def _entry(
        self, parent: int, id_: int, child: int, since: int, generation: int, sealed: bytes
    ) -> Entry | None:
        aad = (self._volume.uuid, parent, id_, child, since)
        name = self._open(Purpose.NAME, aad, generation, sealed)
        if name is None:
            return None
        try:
            check_name(name)
        except SqlfsError:
            return None
        return Entry(id_, parent, child, name)

    # --- xattrs ---

    def xattrs(self, node: int) -> dict[bytes, bytes | None]:
        """Values by name; None and a made-up name for one that can't be read."""
        found: dict[bytes, bytes | None] = {}
        for tag, versions in groupby(self._finds.xattrs(node), key=itemgetter(0)):
            for _, since, generation, sealed in versions:
                aad = (self._volume.uuid, node, tag, since)
                body = self._open(Purpose.XATTR, aad, generation, sealed)
                if body and len(body) >= 1 + body[0]:
                    found[body[1 : 1 + body[0]]] = body[1 + body[0] :]
                    break
            else:
                found[b"(of tag %s)" % tag.hex().encode()] = None
        return found

    def _open(
        self, purpose: Purpose, aad: Sequence[bytes | int], generation: int, sealed: bytes
    ) -> bytes | None:
        try:
            check_generation(self._volume.sealer, generation, "row")
            return self._volume.sealer.open(purpose, aad, sealed, "row")
        except SqlfsError:
            return None
