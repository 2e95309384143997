"""The edge table: which name in which directory leads to which node.

A name that can't be read is listed as another one, made of its edge's number, so that its
neighbours stay reachable, and it can be renamed or removed.  By its tag alone it is not found: tags
are authenticated by the names that they are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.namespace.names import check_stored_name
from sqlfs.namespace.rows import VolumeRows
from sqlfs.store import IdSource

_STAND_IN = b"damaged-name-"


def stand_in(edge: int) -> bytes:
    """How an edge is called whose name can't be read."""
    return _STAND_IN + b"%d" % edge


@dataclass(frozen=True, slots=True)
class Edge:
    """One placement.  ``id`` is the readdir cookie; what is placed later has a greater one, but a
    rename keeps it: a listing under way shows what moves neither twice nor without end.

    ``damage``: why the name can't be read, and another stands for it; None when it is sound.
    """

    id: int
    parent: int
    name: bytes
    child: int
    damage: str | None = None


class EdgeTable:
    """Stateless but for the ids; runs under the store's lock."""

    def __init__(self, rows: VolumeRows, ids: IdSource) -> None:
        self._rows = rows
        self._ids = ids

    def find(self, parent: int, name: bytes) -> Edge | None:
        """Raises Corrupt when the row isn't the one that was written for that name."""
        rows = self._rows
        row = rows.db.row("edge_find", parent, rows.sealer.name_tag(parent, name))
        if row is None:
            return self._find_damaged(parent, name)
        id_, child, since, generation, sealed = row
        if self._name(id_, parent, child, since, generation, sealed) != name:
            raise Corrupt(
                f"edge {id_} in directory {parent} is filed under another name than its own;"
                " sqlfs check tells more"
            )
        return Edge(id_, parent, name, child)

    def find_for(self, edge: Edge, parent: int, name: bytes) -> Edge | None:
        """What is in the way of `edge` if it is to be called `name`: not that it was before its
        name was damaged.  Raises Corrupt."""
        tag = self._rows.sealer.name_tag(parent, name)
        if edge.damage is not None and parent == edge.parent:
            for row in self._rows.db.raw_rows("edge_find", parent, tag):
                if row[0] == edge.id:
                    return None
        return self.find(parent, name)

    def _find_damaged(self, parent: int, name: bytes) -> Edge | None:
        """The edge that is shown as `name` because its own can't be read."""
        number = name.removeprefix(_STAND_IN)
        if number == name or not number.isdigit() or len(number) > 18:
            return None
        for row in self._rows.db.raw_rows("edge_by_id", int(number), parent):
            edge = self._placed(parent, *row)
            if edge.damage is not None and edge.name == name:
                return edge
        return None

    def insert(self, parent: int, name: bytes, child: int, id_: int | None = None) -> Edge:
        """A new edge; with `id_`, of one that was deleted in this verb, in its place."""
        rows = self._rows
        if id_ is None:
            id_ = self._ids.next()
        aad = (rows.uuid, parent, id_, child, rows.epoch)
        sealed = rows.sealer.seal(Purpose.NAME, aad, name)
        tag = rows.sealer.name_tag(parent, name)
        generation = rows.sealer.generation
        rows.db.write("edge_insert", id_, parent, tag, child, rows.epoch, generation, sealed)
        return Edge(id_, parent, name, child)

    def delete(self, edge: Edge) -> None:
        self._rows.db.write("edge_delete", edge.id)

    def is_empty(self, parent: int) -> bool:
        return self._rows.db.row("edge_any", parent) is None

    def count_to(self, child: int) -> int:
        """How many placements a node has."""
        row = self._rows.db.row("edge_count", child)
        return int(row[0]) if row is not None else 0

    def page(self, parent: int, cookie: int, limit: int) -> list[Edge]:
        """Up to `limit` edges of the directory with ids above `cookie`, in order."""
        return [
            self._placed(parent, *row)
            for row in self._rows.db.raw_rows("edge_page", parent, cookie, limit)
        ]

    def of_child(self, child: int) -> Edge | None:
        """The node's oldest placement."""
        row = self._rows.db.row("edge_of_child", child)
        if row is None:
            return None
        id_, parent, since, generation, sealed = row
        return self._placed(parent, id_, child, since, generation, sealed)

    def _placed(
        self, parent: int, id_: int, child: Any, since: Any, generation: Any, sealed: Any
    ) -> Edge:
        """What a row says, whatever values it has."""
        try:
            name = self._name(id_, parent, child, since, generation, sealed)
            check_stored_name(name)
            return Edge(id_, parent, name, child)
        except Corrupt as error:
            known = child if type(child) is int else 0
            return Edge(id_, parent, stand_in(id_), known, error.message)

    def _name(
        self, id_: int, parent: int, child: int, since: int, generation: int, sealed: bytes
    ) -> bytes:
        rows = self._rows
        aad = (rows.uuid, parent, id_, child, since)
        return rows.open(Purpose.NAME, aad, generation, sealed, f"name of edge {id_}")
