"""Entries that can't be read, and what may be done with them."""

from __future__ import annotations

import stat

from sqlfs.errors import Corrupt, NotEmpty
from sqlfs.namespace.edges import Edge, EdgeTable
from sqlfs.namespace.records import NodeRecord


class DamagedEntries:
    """Of one volume; runs under the store's lock."""

    def __init__(self, edges: EdgeTable, root: int) -> None:
        self._edges = edges
        self._root = root

    def check_believed(self, edge: Edge, record: NodeRecord) -> None:
        """An edge whose name does not open may have led elsewhere once.  It is believed where the
        node's own sealed count of names says so: removing it then takes no other's node.

        Raises Corrupt."""
        names = self._edges.count_to(record.id)
        if stat.S_ISDIR(record.mode):
            believed = names == 1 and record.id != self._root
        else:
            believed = names == record.nlink
        if not believed:
            raise Corrupt(
                f"{edge.name!r} in directory {edge.parent}: neither its name nor what it leads to"
                f" can be told any more ({edge.damage})"
            )

    def check_empty(self, edge: Edge) -> None:
        """Raises NotEmpty where a node that can't be read has names within."""
        if edge.damage is None and not self._edges.is_empty(edge.child):
            raise NotEmpty(
                f"{edge.name!r} in directory {edge.parent} leads to a damaged directory that is"
                " not empty; sqlfs check --repair makes it anew, with what is in it"
            )

    def was_last(self, edge: Edge) -> bool:
        """Whether a node that can't be read has no name, now that this one is gone."""
        return edge.damage is None and self._edges.count_to(edge.child) == 0
