"""The edge table: which name in which directory leads to which node."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.namespace.rows import VolumeRows
from sqlfs.store import IdSource


@dataclass(frozen=True, slots=True)
class Edge:
    """One placement.  ``id`` is the readdir cookie; what is placed later has a greater one, but a
    rename keeps it: a listing under way shows what moves neither twice nor without end."""

    id: int
    parent: int
    name: bytes
    child: int


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
            return None
        id_, child, since, generation, sealed = row
        if self._name(id_, parent, child, since, generation, sealed) != name:
            raise Corrupt(
                f"edge {id_} in directory {parent} is filed under another name than its own;"
                " sqlfs check tells more"
            )
        return Edge(id_, parent, name, child)

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

    def page(self, parent: int, cookie: int, limit: int) -> list[Edge]:
        """Up to `limit` edges of the directory with ids above `cookie`, in order."""
        return [
            Edge(id_, parent, self._name(id_, parent, child, since, generation, sealed), child)
            for id_, child, since, generation, sealed in self._rows.db.rows(
                "edge_page", parent, cookie, limit
            )
        ]

    def of_child(self, child: int) -> Edge | None:
        """The node's oldest placement."""
        row = self._rows.db.row("edge_of_child", child)
        if row is None:
            return None
        id_, parent, since, generation, sealed = row
        name = self._name(id_, parent, child, since, generation, sealed)
        return Edge(id_, parent, name, child)

    def _name(
        self, id_: int, parent: int, child: int, since: int, generation: int, sealed: bytes
    ) -> bytes:
        rows = self._rows
        aad = (rows.uuid, parent, id_, child, since)
        return rows.open(Purpose.NAME, aad, generation, sealed, f"name of edge {id_}")
