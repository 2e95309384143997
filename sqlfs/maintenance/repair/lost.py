"""Nodes that cannot be reached get a name in lost+found; those that were deleted go."""

from __future__ import annotations

import stat
from typing import Final

from sqlfs.chunks import Reference
from sqlfs.maintenance.repair.mending import Home, Mending
from sqlfs.maintenance.repair.names import free_name
from sqlfs.namespace import NodeRecord
from sqlfs.store import checks, violations
from sqlfs.types import Caller

LOST_AND_FOUND: Final = b"lost+found"
_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class LostAndFound:
    """The directory of one volume, made when it is first needed."""

    def __init__(self, mending: Mending, home: Home) -> None:
        self._mending = mending
        self._home = home
        self._directory = 0

    def place(self, record: NodeRecord, check: str, why: str) -> None:
        volume = self._home.volume
        directory = self._made()
        name = free_name(self._home, directory, b"#%d" % record.id)
        volume.edges.insert(directory, name, record.id)
        self._mending.note(
            check, f"node {record.id} of {self._home}", f"{why}: {volume.called(record.id)} now"
        )

    def place_content(self, root: Reference, size: int) -> None:
        """A file around content that no file has any more."""
        volume = self._home.volume
        directory = self._made()
        name = free_name(self._home, directory, b"content-" + root.digest.hex()[:16].encode())
        record = volume.tree.make(directory, name, stat.S_IFREG | _FILE_MODE, self._owner())
        record.root, record.size = root, size
        self._home.nodes.add(record.id)
        what = f"piece {root.digest.hex()[:16]} of {self._home}"
        message = f"nothing leads to it any more: {volume.called(record.id)} now, {size} bytes"
        self._mending.note("reference_count", what, message)

    def _owner(self) -> Caller:
        root = self._home.volume.nodes.get(self._home.volume.info.root)
        return Caller(root.uid, root.gid)

    def _made(self) -> int:
        if not self._directory:
            volume = self._home.volume
            root = volume.info.root
            edge = volume.edges.find(root, LOST_AND_FOUND)
            if edge is not None and self._home.has_directory(edge.child):
                self._directory = edge.child
            else:
                name = free_name(self._home, root, LOST_AND_FOUND)
                record = volume.tree.make(root, name, stat.S_IFDIR | _MODE, self._owner())
                self._directory = record.id
                self._home.nodes.add(record.id)
                self._home.directories.add(record.id)
        return self._directory


class Unreachable:
    """Runs when every edge is sound."""

    def __init__(self, mending: Mending, places: dict[Home, LostAndFound]) -> None:
        self._mending = mending
        self._places = places

    def run(self) -> None:
        self._orphans()
        for id_, volume in self._mending.rows("repair_nameless"):
            home = self._mending.home_of_volume(volume)
            if home is not None and home.has(id_):
                self._nameless(home, id_)
        self._circles()
        self._mending.flush()

    def _orphans(self) -> None:
        for (node,) in self._mending.rows("repair_orphans"):
            if self._mending.is_foreign(node):
                continue
            home = self._mending.home_of(node)
            self._mending.db.write("orphan_delete", node)
            if home is None or home.volume.nodes.get(node).nlink:
                message = "is no orphan, and was called one: it is not any more"
                self._mending.note("orphan_unsound", f"node {node}", message)

    def _nameless(self, home: Home, id_: int) -> None:
        volume = home.volume
        record = volume.nodes.get(id_)
        if record.nlink or not volume.edges.is_empty(id_):
            self._places[home].place(record, "node_without_edge", "has no name")
            return
        # Its content is given up when references are counted anew: counts may be wrong as yet.
        volume.xattrs.remove_all(record)
        volume.nodes.remove(record)
        self._mending.db.write("atime_delete", id_)
        what = f"node {id_} of {home}"
        self._mending.note("orphan", what, "was deleted while it was in use: gone for good")

    def _circles(self) -> None:
        self._mending.flush()
        settled: set[int] = set()
        for row in violations(self._mending.db, checks()["directory_unreachable"]):
            home = self._mending.home_of(row["node"])
            if home is not None and home.has_directory(row["node"]):
                self._climb(home, row["node"], settled)

    def _climb(self, home: Home, node: int, settled: set[int]) -> None:
        volume = home.volume
        passed: set[int] = set()
        while node not in settled and node != volume.info.root:
            edge = volume.edges.of_child(node)
            if edge is None:
                break
            if node in passed:
                volume.edges.delete(edge)
                why = f"lay within itself, as {edge.name!r} in node {edge.parent}"
                self._places[home].place(volume.nodes.get(node), "directory_unreachable", why)
                break
            passed.add(node)
            node = edge.parent
        settled |= passed
