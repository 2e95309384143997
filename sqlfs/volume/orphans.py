"""Nodes without a name that somebody still has."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlfs.errors import Corrupt
from sqlfs.namespace import NodeRecord, NodeTable, VolumeRows

log = logging.getLogger("sqlfs")

_PAGE = 256


class Orphans:
    """Those of one unlocked volume.  Guarded by the store's lock.

    `is_needed` tells whether somebody has a node, or may come back for it; `remove` deletes one and
    all that it has.  Most are gone before the next commit: only a commit that finds one writes its
    row.
    """

    def __init__(
        self,
        rows: VolumeRows,
        nodes: NodeTable,
        is_needed: Callable[[int], bool],
        remove: Callable[[NodeRecord], None],
    ) -> None:
        self._rows = rows
        self._nodes = nodes
        self._is_needed = is_needed
        self._remove = remove
        self._kept: dict[int, NodeRecord] = {}
        self._unwritten: set[int] = set()  # of them, those that have no row yet
        self._linkable: set[int] = set()  # of them, those that may still get their first name

    @property
    def dirty(self) -> bool:
        return bool(self._unwritten)

    def take_over(self) -> None:
        """Keep those that a dead owner left, or delete them where nobody needs them."""
        database, last = self._rows.db, 0
        while rows := database.rows("orphan_page", self._rows.volume, last, _PAGE):
            with database.writing():
                for (node,) in rows:
                    self._take_over(node)
            last = rows[-1][0]

    def _take_over(self, node: int) -> None:
        try:
            record = self._nodes.get(node)
        except Corrupt as error:
            log.error("%s", error)
            return
        # The seal decides, not the row: anybody could have put it there.
        if not record.nlink:
            self._kept[node] = record
            self.drop_if_unused(node)

    def unlinked(self, record: NodeRecord) -> None:
        """A node lost its last name."""
        if self._is_needed(record.id):
            self.keep(record)
        else:
            self._remove(record)

    def keep(self, record: NodeRecord, *, linkable: bool = False) -> None:
        """One that somebody needs; `linkable`: it was made without a name, and may get one."""
        self._kept[record.id] = record
        self._unwritten.add(record.id)
        if linkable:
            self._linkable.add(record.id)

    def drop_if_unused(self, node: int) -> None:
        """It goes with the last one who needs it."""
        # Where writing has ended, the next owner deletes it.
        if not self._is_unused(node) or self._rows.db.failure is not None:
            return
        with self._rows.db.writing():
            if self._is_unused(node):
                self._linkable.discard(node)
                self._remove(self._kept.pop(node))
                self._delete_row(node)

    def drop_unused(self) -> None:
        for node in list(self._kept):
            self.drop_if_unused(node)

    def is_linkable(self, node: int) -> bool:
        """Whether the node never had a name, and may get one."""
        return node in self._linkable

    def make_linkable(self, node: int) -> None:
        """It was made without a name by a session of an earlier owner."""
        if node in self._kept:
            self._linkable.add(node)

    def named(self, node: int) -> None:
        """A linkable one got a name, and is no orphan any more."""
        self._linkable.remove(node)
        del self._kept[node]
        self._delete_row(node)

    def flush(self) -> None:
        """Write the rows that are missing.  Runs inside the store's transaction."""
        for node in self._unwritten:
            self._rows.db.write("orphan_insert", node)
        self._unwritten.clear()

    def _is_unused(self, node: int) -> bool:
        return node in self._kept and not self._is_needed(node)

    def _delete_row(self, node: int) -> None:
        if node in self._unwritten:
            self._unwritten.remove(node)
        else:
            self._rows.db.write("orphan_delete", node)
