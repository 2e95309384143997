"""The edge table: which name in which directory leads to which node.

A name that can't be read is listed as another one, made of its edge's number, so that its
neighbours stay reachable, and it can be renamed or removed.  By its tag alone it is not found: tags
are authenticated by the names that they are of.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import Any, NamedTuple

from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.limits import AHEAD_ROWS, NAME_CACHE_ENTRIES
from sqlfs.namespace.ahead import Foresight
from sqlfs.namespace.names import check_stored_name
from sqlfs.namespace.nodes import NodeTable
from sqlfs.namespace.rows import VolumeRows
from sqlfs.store import IdSource
from sqlfs.store.rows import Row

_STAND_IN = b"damaged-name-"
# Changed edges are written this many at a time at the latest: so many cost little each, and no more
# pages wait for room.
_CHANGED_MAX = 128
# Directories of which is known where they are; names of the listing that is kept.
_ABOVE_MAX = 1024
_LISTING_MAX = 1024
# Table and indexes in which a row is deleted and inserted; a new row comes last in two of them.
_PAGES_PER_EDGE = 4
_PAGES_PER_NEW_EDGE = 2


def stand_in(edge: int) -> bytes:
    """How an edge is called whose name can't be read."""
    return _STAND_IN + b"%d" % edge


class Edge(NamedTuple):
    """One placement.  ``id`` is the readdir cookie; what is placed later has a greater one, but a
    rename keeps it: a listing under way shows what moves neither twice nor without end.
    ``tag``: what its row is found by.

    ``damage``: why the name can't be read, and another stands for it; None when it is sound.
    """

    id: int
    parent: int
    name: bytes
    child: int
    tag: bytes
    damage: str | None = None


class _Listing(NamedTuple):
    """All edges of a directory above a cookie, in order."""

    parent: int
    cookie: int
    edges: list[Edge]


class EdgeTable:
    """Runs under the store's lock.  What is in memory of the table is right because nobody else
    changes it; a repair, which does, remembers nothing.

    A change is written by :meth:`flush`, before every commit and before the table is searched for
    anything but one name: what is made and renamed, or removed again, costs one row, or none.
    Until then its names are among those that are known.
    """

    def __init__(self, rows: VolumeRows, ids: IdSource, nodes: NodeTable) -> None:
        self._rows = rows
        self._ids = ids
        self._nodes = nodes
        # By directory and name; None: there is no such name.
        self._known: OrderedDict[tuple[int, bytes], Edge | None] = OrderedDict()
        # By directory and name: those that were read ahead, and that nobody asked for yet.
        self._ahead: OrderedDict[tuple[int, bytes], Edge] = OrderedDict()
        self._foresight: Foresight | None = Foresight()
        # Those that differ from their rows, by id; None: it was deleted.
        self._changed: dict[int, Edge | None] = {}
        self._new: set[int] = set()  # of them, those without a row
        self._moved: set[int] = set()  # those that have a row, which leads to the same node
        self._left: set[tuple[int, bytes]] = set()  # places that they, or deleted ones, had
        self._restless: set[int] = set()  # directories that they are, or were, in
        # The last one that came to its end, until its directory changes: programs list again what
        # they have just looked into, and ask behind its end.
        self._listing: _Listing | None = None
        # The one edge of directories that were seen lately, by node: who lists one asks for "..".
        self._above: dict[int, Edge] = {}

    def forget_all(self) -> None:
        """From now on every answer is looked up."""
        self._foresight = None
        self._known.clear()
        self._ahead.clear()
        self._listing = None
        self._above.clear()
        self._nodes.forget_ahead()

    def _forget_unstored(self) -> None:
        """Writing has ended: some of what is in memory never was stored."""
        self._take_changed()
        self.forget_all()

    def find(self, parent: int, name: bytes) -> Edge | None:
        """Raises Corrupt when the row isn't the one that was written for that name."""
        if self._rows.db.failure is not None:
            self._forget_unstored()
        key = (parent, name)
        try:
            return self._known[key]
        except KeyError:
            edge = self._ahead.pop(key, None)
        if edge is None:
            edge = self._look_up(parent, name)
        elif self._foresight is not None:
            self._foresight.hit()
        self._remember(key, edge)
        return edge

    def _remember(self, key: tuple[int, bytes], edge: Edge | None) -> None:
        known = self._known
        if self._foresight is not None:
            known[key] = edge
            if len(known) > NAME_CACHE_ENTRIES:
                self.flush()
                for _ in range(1 + len(known) // 8):
                    known.popitem(last=False)

    def _look_up(self, parent: int, name: bytes) -> Edge | None:
        rows = self._rows
        tag = rows.sealer.name_tag(parent, name)
        row = rows.db.row("edge_find", parent, tag)
        if row is None:
            return self._find_damaged(parent, name)
        self._read_ahead(parent)
        id_, child, since, generation, sealed = row
        if self._name(id_, parent, child, since, generation, sealed) != name:
            raise Corrupt(
                f"edge {id_} in directory {parent} is filed under another name than its own;"
                " sqlfs check tells more"
            )
        return Edge(id_, parent, name, child, tag)

    def _read_ahead(self, parent: int) -> None:
        """A name of the directory had to be looked up: the next ones may be found in memory."""
        foresight = self._foresight
        pages = foresight.missed(parent) if foresight is not None else None
        if foresight is None or pages is None:
            return
        cookie, limit = pages
        ahead = self._ahead
        self.flush()
        try:
            found = self._rows.db.sound_rows("edge_page", parent, cookie, limit)
            self._nodes.read_ahead(parent, cookie, limit)
        except Corrupt:
            found = []  # whoever asks for what can't be read is told
        name_tag, known = self._rows.sealer.name_tag, self._known
        for row in found:
            edge = self._placed(parent, *row)
            key = (parent, edge.name)
            # What can't be read, or is filed under another name, is left to who asks for it.
            if edge.damage is None and edge.tag == name_tag(*key) and key not in known:
                ahead[key] = edge
        while len(ahead) > AHEAD_ROWS:
            ahead.popitem(last=False)
        last = found[-1][0] if found else cookie
        foresight.read(parent, last, len(found), ended=len(found) < limit)

    def find_for(self, edge: Edge, parent: int, name: bytes) -> Edge | None:
        """What is in the way of `edge` if it is to be called `name`: not that it was before its
        name was damaged.  Raises Corrupt."""
        if edge.damage is not None and parent == edge.parent:
            self.flush()
            tag = self._rows.sealer.name_tag(parent, name)
            for row in self._rows.db.raw_rows("edge_find", parent, tag):
                if row[0] == edge.id:
                    return None
        return self.find(parent, name)

    def _find_damaged(self, parent: int, name: bytes) -> Edge | None:
        """The edge that is shown as `name` because its own can't be read."""
        number = name.removeprefix(_STAND_IN)
        if number == name or not number.isdigit() or len(number) > 18:
            return None
        self.flush()
        for row in self._rows.db.raw_rows("edge_by_id", int(number), parent):
            edge = self._placed(parent, *row)
            if edge.damage is not None and edge.name == name:
                return edge
        return None

    def insert(self, parent: int, name: bytes, child: int, id_: int | None = None) -> None:
        """A new edge; with `id_`, of one that was deleted in this verb, in its place."""
        if id_ is None:
            id_ = self._ids.next()
            self._new.add(id_)
        self._put(id_, parent, name, child)

    def move(self, edge: Edge, parent: int, name: bytes) -> None:
        """Give an edge another place, which is free, and keep its id."""
        if edge.id not in self._changed:
            self._moved.add(edge.id)
        self._leave(edge)
        self._put(edge.id, parent, name, edge.child)

    def delete(self, edge: Edge) -> None:
        self._moved.discard(edge.id)
        self._changed[edge.id] = None
        self._leave(edge)
        self._flush_if_due()

    def _flush_if_due(self) -> None:
        if len(self._changed) >= _CHANGED_MAX or self._foresight is None:
            self.flush()

    def _put(self, id_: int, parent: int, name: bytes, child: int) -> None:
        edge = Edge(id_, parent, name, child, self._rows.sealer.name_tag(parent, name))
        self._changed[id_] = edge
        self._disturb(parent)
        self._remember((parent, name), edge)
        self._flush_if_due()

    def _leave(self, edge: Edge) -> None:
        place = (edge.parent, edge.name)
        self._ahead.pop(place, None)
        # First, for it may flush, and the edge still is where it was.
        self._remember(place, None)
        self._disturb(edge.parent)
        self._above.pop(edge.child, None)
        self._left.add(place)

    def _disturb(self, parent: int) -> None:
        self._restless.add(parent)
        if self._listing is not None and self._listing.parent == parent:
            self._listing = None

    @property
    def dirty(self) -> bool:
        return bool(self._changed)

    @property
    def dirty_pages(self) -> int:
        """How many pages the next flush changes, at most."""
        new = len(self._new)
        return _PAGES_PER_EDGE * (len(self._changed) - new) + _PAGES_PER_NEW_EDGE * new

    def flush(self) -> None:
        """Write what differs.  Runs inside the store's transaction, which is open as long as
        anything does."""
        if not self._changed:
            return
        if self._rows.db.failure is not None:
            self._forget_unstored()
            return
        deleted, moved, inserted = self._take_changed()
        # All places are free before any is taken.
        write = self._rows.db.write_many
        if deleted:
            write("edge_delete", [(id_,) for id_ in deleted])
        if moved:
            write("edge_move", [self._row(edge) for edge in moved])
        if inserted:
            write("edge_insert", [self._row(edge) for edge in inserted])

    def _take_changed(self) -> tuple[list[int], list[Edge], list[Edge]]:
        """Rows to delete, those to move, and those to insert, of what differs, which is forgotten.

        A row is moved to where none was.  Others are deleted, and inserted anew: names may have
        changed places, and what they lead to."""
        deleted, moved, inserted = [], [], []
        for id_, edge in self._changed.items():
            if edge and id_ in self._moved and (edge.parent, edge.name) not in self._left:
                moved.append(edge)
                continue
            if id_ not in self._new:
                deleted.append(id_)
            if edge is not None:
                inserted.append(edge)
        for each in (self._changed, self._new, self._moved, self._left, self._restless):
            each.clear()
        return deleted, moved, inserted

    def _row(self, edge: Edge) -> Row:
        rows = self._rows
        aad = (rows.uuid, edge.parent, edge.id, edge.child, rows.epoch)
        sealed = rows.sealer.seal(Purpose.NAME, aad, edge.name)
        generation = rows.sealer.generation
        return edge.id, edge.parent, edge.tag, edge.child, rows.epoch, generation, sealed

    def is_empty(self, parent: int) -> bool:
        self.flush()
        return self._rows.db.row("edge_any", parent) is None

    def count_to(self, child: int) -> int:
        """How many placements a node has."""
        self.flush()
        row = self._rows.db.row("edge_count", child)
        return int(row[0]) if row is not None else 0

    def page(self, parent: int, cookie: int, limit: int) -> list[Edge]:
        """Up to `limit` edges of the directory with ids above `cookie`, in order.  What they lead
        to is likely to be asked for next, and read with them."""
        if self._rows.db.failure is not None:
            self._forget_unstored()
        known = self._listing
        if known is not None and known.parent == parent and known.cookie <= cookie:
            return [edge for edge in known.edges if edge.id > cookie][:limit]
        if parent in self._restless:
            self.flush()
        if self._foresight is not None:
            with contextlib.suppress(Corrupt):  # whoever asks for what can't be read is told
                self._nodes.read_ahead(parent, cookie, limit)
        found = [
            self._placed(parent, *row)
            for row in self._rows.db.raw_rows("edge_page", parent, cookie, limit)
        ]
        for edge in found:
            # One with another tag than its name's is listed, and not found.
            if edge.damage is None and edge.tag == self._rows.sealer.name_tag(parent, edge.name):
                self._remember((parent, edge.name), edge)
        if len(found) < min(limit, _LISTING_MAX) and self._foresight is not None:
            self._listing = _Listing(parent, cookie, found)
        return found

    def seen_directory(self, edge: Edge) -> None:
        """What a sound `edge` leads to is a directory: it is the only one to it."""
        if self._foresight is not None:
            if len(self._above) >= _ABOVE_MAX:
                self._above.clear()
            self._above[edge.child] = edge

    def of_child(self, child: int) -> Edge | None:
        """The node's oldest placement."""
        if self._rows.db.failure is not None:
            self._forget_unstored()
        known = self._above.get(child)
        if known is not None:
            return known
        self.flush()
        row = self._rows.db.row("edge_of_child", child)
        if row is None:
            return None
        id_, parent, since, generation, sealed, tag = row
        return self._placed(parent, id_, child, since, generation, sealed, tag)

    def _placed(
        self, parent: int, id_: int, child: Any, since: Any, generation: Any, sealed: Any, tag: Any
    ) -> Edge:
        """What a row says, whatever values it has."""
        try:
            name = self._name(id_, parent, child, since, generation, sealed)
            check_stored_name(name)
            return Edge(id_, parent, name, child, tag)
        except Corrupt as error:
            known = child if type(child) is int else 0
            return Edge(id_, parent, stand_in(id_), known, tag, error.message)

    def _name(
        self, id_: int, parent: int, child: int, since: int, generation: int, sealed: bytes
    ) -> bytes:
        rows = self._rows
        aad = (rows.uuid, parent, id_, child, since)
        return rows.open(Purpose.NAME, aad, generation, sealed, f"name of edge {id_}")
