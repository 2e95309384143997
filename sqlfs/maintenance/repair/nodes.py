"""Rows of nodes: put back where they belong, or removed where they do not open."""

from __future__ import annotations

import os
import stat
from typing import Final

from sqlfs.crypto import Purpose
from sqlfs.errors import SqlfsError
from sqlfs.limits import NODE_ID_MAX
from sqlfs.maintenance.repair.mending import Home, Mending, Row
from sqlfs.namespace import NodeRecord, decode_node
from sqlfs.types import Caller

_ROOT_MODE: Final = 0o755
_LOST_MODE: Final = 0o700


class NodeRows:
    """Fills in which nodes belong to which volume."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending

    def run(self) -> None:
        for row in self._mending.rows("repair_nodes"):
            self._node(row)
        for home in list(self._mending.homes):
            self._root(home)
        self._parents()
        self._mending.flush()

    def _node(self, row: Row) -> None:
        mending, (id_, volume, since, generation, sealed) = self._mending, row
        own = mending.home_of_volume(volume)
        if own is None and volume in mending.others:
            mending.foreign.add(id_)
            return
        for home in [own, *mending.homes] if own else mending.homes:
            for epoch in (since, home.volume.info.epoch):
                record = _opened(home, id_, epoch, sealed)
                if record is None:
                    continue
                in_place = home is own and epoch == since
                current = generation == home.volume.sealer.generation
                self._keep(home, record, is_sound=in_place and current)
                return
        if own is None and mending.others:
            mending.foreign.add(id_)  # perhaps of a volume that can't be read
            return
        mending.db.write("node_delete", id_)
        for home in [own] if own else mending.homes:
            home.lost_nodes = True
        where = own or "no volume"
        mending.note("node_sealed", f"node {id_} of {where}", "is damaged: removed")

    def _keep(self, home: Home, record: NodeRecord, *, is_sound: bool) -> None:
        epoch = home.volume.info.epoch
        home.nodes.add(record.id)
        if stat.S_ISDIR(record.mode):
            home.directories.add(record.id)
        has_strange_content = record.root is not None and not stat.S_ISREG(record.mode)
        what = f"node {record.id} of {home}"
        if has_strange_content:
            record.root = None
            note = ("content_kind", what, "has content, and is no regular file: it has none now")
            self._mending.note(*note)
        if not 1 <= record.since <= epoch:
            record.since, is_sound = epoch, False
        if not is_sound:
            self._mending.note("node_sealed", what, "was misfiled: put right")
        if not is_sound or has_strange_content:
            self._mending.db.write("node_delete", record.id)
            home.volume.nodes.add(record)

    def _root(self, home: Home) -> None:
        volume = home.volume
        root = volume.info.root
        what = f"node {root} of {home}"
        if self._mending.home_of(root) not in (None, home) or self._mending.is_foreign(root):
            # Another volume's node stands in its place: only forgers can make that.
            self._mending.homes.remove(home)
            self._mending.others.add(volume.info.id)
            for node in home.nodes:
                self._mending.foreign.add(node)
        elif not home.has(root):
            self._make_directory(home, root, _ROOT_MODE)
            self._mending.note("root_missing", what, "the root is gone: made anew")
        elif not home.has_directory(root):
            record = volume.nodes.get(root)
            record.mode, record.size = stat.S_IFDIR | _ROOT_MODE, 0
            record.inline = record.root = None
            volume.deltas.remove_all(record)
            volume.nodes.touch(record)
            home.directories.add(root)
            self._mending.note("root_missing", what, "the root is no directory: it is one now")

    def _parents(self) -> None:
        """What names still lie in was a directory: one of the same number takes its place."""
        for id_, parent, _, child, since, _, sealed in self._mending.rows("repair_parentless"):
            for home in self._mending.homes:
                if type(parent) is not int or not 0 < parent <= NODE_ID_MAX or home.has(parent):
                    continue
                for epoch in (since, home.volume.info.epoch):
                    if not home.has(parent) and _is_name(home, (parent, id_, child, epoch), sealed):
                        self._make_directory(home, parent, _LOST_MODE)
                        what = f"node {parent} of {home}"
                        message = "is gone, and was a directory: made anew, with what lies in it"
                        self._mending.note("edge_without_parent", what, message)

    def _make_directory(self, home: Home, id_: int, mode: int) -> None:
        volume = home.volume
        owner = Caller(os.geteuid(), os.getegid())
        if home.has(volume.info.root):
            root = volume.nodes.get(volume.info.root)
            owner = Caller(root.uid, root.gid)
        volume.tree.make_root(id_, mode, owner)
        home.nodes.add(id_)
        home.directories.add(id_)


def _opened(home: Home, id_: int, since: int, sealed: bytes) -> NodeRecord | None:
    rows = home.volume.rows
    aad = (rows.uuid, id_, since)
    try:
        body = rows.open(Purpose.NODE, aad, rows.sealer.generation, sealed, "node")
        return decode_node(id_, since, body)
    except SqlfsError:
        return None


def _is_name(home: Home, place: tuple[int, int, int, int], sealed: bytes) -> bool:
    rows = home.volume.rows
    try:
        rows.open(Purpose.NAME, (rows.uuid, *place), rows.sealer.generation, sealed, "name")
    except SqlfsError:
        return False
    return True
