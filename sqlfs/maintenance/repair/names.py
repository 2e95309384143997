"""Rows of edges: names that can't be read get others, and what leads nowhere goes."""

from __future__ import annotations

import stat
from collections import Counter
from dataclasses import dataclass

from sqlfs.crypto import Purpose
from sqlfs.errors import SqlfsError
from sqlfs.maintenance.idset import IdSet
from sqlfs.maintenance.repair.mending import Home, Mending, Row
from sqlfs.namespace import check_stored_name, stand_in


@dataclass(frozen=True, slots=True)
class _Placing:
    """An edge that was taken out, to be put in again.  ``name``: None where it can't be read."""

    home: Home
    id: int
    parent: int
    child: int
    name: bytes | None


class EdgeRows:
    """Runs when it is known which nodes there are."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending
        self._placed = IdSet()  # directories that a sound edge leads to
        self._again: list[_Placing] = []
        self._taken_out: Counter[int] = Counter()  # by child

    def run(self) -> None:
        for row in self._mending.rows("repair_edges"):
            self._edge(row)
        for placing in self._again:
            self._put_in(placing)

    def _edge(self, row: Row) -> None:
        mending, (id_, parent, tag, child, since, generation, sealed) = self._mending, row
        home = mending.home_of(parent) or mending.home_of(child)
        if mending.is_foreign(parent) or (home is None and mending.others):
            return
        if home is None:
            self._remove(f"edge {id_}", "hangs between nodes that are not there", id_)
            return
        rows, name = home.volume.rows, None
        for epoch in dict.fromkeys((since, home.volume.info.epoch)):
            name = _name(home, (parent, id_, child, epoch), sealed)
            if name is not None:
                break
        what = _called(home, id_, parent, name)
        refused = self._refused(home, parent, child)
        if refused is not None:
            self._remove(what, refused, id_)
        elif name is None and not self._is_believed(home, child):
            self._remove(what, "neither its name nor what it led to can be told", id_)
        else:
            if home.has_directory(child):
                self._placed.add(child)
            is_sound = name is not None and rows.sealer.name_tag(parent, name) == tag
            in_time = epoch == since and 1 <= since <= home.volume.info.epoch
            if not (is_sound and in_time and generation == rows.sealer.generation):
                mending.db.write("edge_delete", id_)
                self._taken_out[child] += 1
                self._again.append(_Placing(home, id_, parent, child, name))

    def _refused(self, home: Home, parent: object, child: object) -> str | None:
        """Why there can't be an edge between two nodes."""
        if not home.has_directory(parent):
            return "what it lay in is no directory"
        if not home.has(child):
            return "what it led to is gone"
        if child == home.volume.info.root:
            return "it leads to the root"
        if home.has_directory(child) and child in self._placed:  # type: ignore[operator]
            return "the directory has another name"
        return None

    def _is_believed(self, home: Home, child: int) -> bool:
        """Whether as many edges lead to a node as its own sealed count says."""
        record = home.volume.nodes.get(child)
        names = home.volume.edges.count_to(child) + self._taken_out[child]
        return names == (1 if stat.S_ISDIR(record.mode) else record.nlink)

    def _remove(self, what: str, why: str, id_: int) -> None:
        self._mending.db.write("edge_delete", id_)
        self._mending.note("edge", what, f"{why}: removed")

    def _put_in(self, placing: _Placing) -> None:
        volume, parent = placing.home.volume, placing.parent
        name, wanted = placing.name, placing.name
        if name is None or _is_taken(placing.home, parent, name):
            name = free_name(placing.home, parent, stand_in(placing.id))
        volume.edges.insert(parent, name, placing.child, placing.id)
        what = _called(placing.home, placing.id, parent, name)
        if name == wanted:
            self._mending.note("edge_tag", what, "was misfiled: put right")
        else:
            self._mending.note("edge_sealed", what, "is how a damaged name is called from now on")


def free_name(home: Home, parent: int, name: bytes) -> bytes:
    """`name`, or one like it that is not in use in the directory."""
    number, tried = 1, name
    while _is_taken(home, parent, tried):
        number += 1
        tried = name + b"-%d" % number
    return tried


def _is_taken(home: Home, parent: int, name: bytes) -> bool:
    volume = home.volume
    return bool(volume.db.raw_rows("edge_find", parent, volume.sealer.name_tag(parent, name)))


def _name(home: Home, place: tuple[int, int, int, int], sealed: bytes) -> bytes | None:
    rows = home.volume.rows
    aad = (rows.uuid, *place)
    try:
        name = rows.open(Purpose.NAME, aad, rows.sealer.generation, sealed, "name")
        check_stored_name(name)
    except SqlfsError:
        return None
    return name


def _called(home: Home, id_: int, parent: int, name: bytes | None) -> str:
    if name is None or not home.has(parent):
        return f"edge {id_} of {home}"
    return home.volume.called(parent, name)
