"""The rows that were found, to be asked for by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from sqlfs.store.rows import Row
from sqlfs.store.wreck.scratch import Scratch

_BATCH: Final = 2000
_PAGE: Final = 256
_HEAVY_BYTES: Final = 1024  # such a row counts twice
_EVERY_TAG: Final = b""


class Rank(IntEnum):
    """How much a row is to be believed: by what its page is used for."""

    OLDER = 1  # the log has another state of the page, and may or may not belong to the file
    UNTOLD = 2  # what the page is used for can't be told: it may be a deleted row
    LIVE = 3


@dataclass(frozen=True, slots=True)
class Data:
    """Where a sealed piece of content is: a cell of a page, in the file or in its log.

    ``offset``: of the page, bytes; ``page``: its number."""

    generation: int
    in_log: bool
    offset: int
    page: int
    cell: int

    @classmethod
    def of(cls, row: Sequence[Any]) -> Data:
        generation, in_log, offset, page, cell = row
        return cls(generation, bool(in_log), offset, page, cell)


class Finds:
    """Answers are lists of rows, the most believable of an id first; each may be anything that
    its columns can hold, and only its seal says that it is right."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._waiting: dict[str, list[Row]] = {}
        self._count = 0

    # --- while scanning ---

    def add(self, table: str, row: Row) -> None:
        self._waiting.setdefault(table, []).append(row)
        last = row[-1]
        self._count += 1 + (len(last) // _HEAVY_BYTES if type(last) is bytes else 0)
        if self._count >= _BATCH:
            self._store()

    def complete(self) -> None:
        """All was added; from now on it may be asked for."""
        self._store()
        self._scratch.run("wreck_index")

    def _store(self) -> None:
        for table, rows in self._waiting.items():
            self._scratch.run_each(f"wreck_{table}", rows)
        self._waiting.clear()
        self._count = 0

    # --- volumes ---

    def volumes(self) -> list[Row]:
        """Rows of the table volume."""
        return self._scratch.rows("wreck_volumes")

    def uuids(self) -> list[Row]:
        """Uuid and id of volumes, as the index has them."""
        return self._scratch.rows("wreck_uuids")

    def slots(self, volume: int) -> list[Row]:
        return self._scratch.rows("wreck_slots", volume)

    # --- names ---

    def node_ids(self, volume: int) -> Iterator[int]:
        """Every id that some row has, in order."""
        last = 0
        while rows := self._scratch.rows("wreck_node_ids", volume, last, _PAGE):
            yield from (id_ for (id_,) in rows)
            last = rows[-1][0]

    def nodes(self, id_: int, volume: int) -> list[Row]:
        """Rank, since, generation, sealed."""
        return self._scratch.rows("wreck_nodes", id_, volume)

    def edges_of(self, parent: int) -> Iterator[Row]:
        """Rank, id, child, since, generation, sealed, in the order of ids."""
        last = 0
        while rows := self._scratch.rows("wreck_edges_of", parent, last, _PAGE):
            full = len(rows) == _PAGE
            if full and rows[0][1] != rows[-1][1]:
                # All rows of one id come together: the last one's may go on.
                rows = [row for row in rows if row[1] != rows[-1][1]]
            yield from rows
            last = rows[-1][1]

    def edges_to(self, child: int, limit: int = _PAGE) -> list[Row]:
        """Rank, id, parent, since, generation, sealed, the most believable first."""
        return self._scratch.rows("wreck_edges_to", child, limit)

    def edge(self, id_: int) -> list[Row]:
        """Rank, parent, child, since, generation, sealed."""
        return self._scratch.rows("wreck_edge_by_id", id_)

    def parents(self) -> Iterator[int]:
        """Every node that some edge leads from, in order."""
        last = -1
        while rows := self._scratch.rows("wreck_parents", last, _PAGE):
            yield from (id_ for (id_,) in rows)
            last = rows[-1][0]

    def xattrs(self, node: int) -> Iterator[Row]:
        """Tag, since, generation, sealed."""
        last = _EVERY_TAG
        while rows := self._scratch.rows("wreck_xattrs", node, last, _PAGE):
            yield from rows
            last = rows[-1][0]

    def deltas(self, node: int) -> Iterator[Row]:
        """Rank, id, generation, sealed, in order; of those of one id the most believable first."""
        last = 0
        while rows := self._scratch.rows("wreck_deltas", node, last, _PAGE):
            yield from rows
            last = rows[-1][1]

    def smalls(self, id_: int) -> list[Row]:
        """Generation and sealed: counters of the volume, or the access time of the node, `id_`."""
        return self._scratch.rows("wreck_smalls", id_)

    # --- content ---

    def data(self, domain: int, digest: bytes) -> list[Data]:
        """Where the piece of that digest may be."""
        return [Data.of(row) for row in self._scratch.rows("wreck_data_of", domain, digest)]

    def claim_by_content(self, domain: int, digests: Callable[[Data], Sequence[bytes]]) -> None:
        """For the pieces whose digest no row tells, have `digests` say what it may be."""
        last = 0
        while rows := self._scratch.rows("wreck_data_unclaimed", last, _PAGE):
            for _, id_, *place in rows:
                claims = [(domain, digest, id_) for digest in digests(Data.of(place))]
                self._scratch.run_each("wreck_claim", claims)
            last = rows[-1][0]
        # Only now: of several rows of one id, the first must not keep the others from being asked.
        self._scratch.run("wreck_claims_hold")

    # --- what has been done with a node ---

    def place(self, node: int, edge: int) -> None:
        """The node has its place, by an edge; 0 where no edge led to it."""
        self._scratch.run("wreck_place", node, edge)

    def placed(self, node: int) -> int | None:
        """The edge by which the node has its place; None if it has none."""
        rows = self._scratch.rows("wreck_placed", node)
        return int(rows[0][0]) if rows else None

    def begin_anew(self) -> None:
        """No node has its place."""
        self._scratch.run("wreck_unplace_all")
