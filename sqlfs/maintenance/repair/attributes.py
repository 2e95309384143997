"""Rows of extended attributes, access times and the reclaim queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlfs.chunks import Reference
from sqlfs.crypto import Purpose
from sqlfs.errors import SqlfsError
from sqlfs.maintenance.repair.mending import Home, Mending, Row
from sqlfs.namespace import check_stored_xattr

_PAGE: Final = 512


class XattrRows:
    """Runs when it is known which nodes there are."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending

    def run(self) -> None:
        for row in self._rows():
            self._xattr(row)
        for row in self._mending.rows("repair_atimes"):
            self._atime(row)
        self._mending.flush()

    def _rows(self) -> Iterator[Row]:
        last: Row = (-(2**63), "")
        while page := self._mending.db.raw_rows("repair_xattrs", *last, _PAGE):
            yield from page
            last = page[-1][:2]

    def _xattr(self, row: Row) -> None:
        mending, (node, tag, since, generation, sealed) = self._mending, row
        if mending.is_foreign(node):
            return
        home = mending.home_of(node)
        if home is None:
            mending.db.write("xattr_delete", node, tag)
            mending.note("xattr_without_node", f"node {node}", "is gone, and its xattr with it now")
            return
        volume = home.volume
        for epoch in dict.fromkeys((since, volume.info.epoch)):
            found = _xattr(home, (node, tag, epoch), sealed)
            if found is not None:
                break
        what = f"an xattr of {volume.called(node)}"
        in_time = found is not None and epoch == since and 1 <= since <= volume.info.epoch
        if found is None:
            mending.db.write("xattr_delete", node, tag)
            mending.note("xattr_sealed", what, "is damaged: removed")
        elif not in_time or generation != volume.sealer.generation or found[0] is None:
            mending.db.write("xattr_delete", node, tag)
            self._put_in(home, node, *found[1:], what)

    def _put_in(self, home: Home, node: int, name: bytes, value: bytes, what: str) -> None:
        volume = home.volume
        record = volume.nodes.get(node)
        if volume.db.raw_rows("xattr_get", node, volume.sealer.xattr_tag(node, name)):
            self._mending.note("xattr_tag", what, f"there is another {name!r}: removed")
        else:
            volume.xattrs.put(record, name, value, is_new=False)
            self._mending.note("xattr_tag", what, f"{name!r} was misfiled: put right")

    def _atime(self, row: Row) -> None:
        mending, (node, generation, sealed) = self._mending, row
        if mending.is_foreign(node):
            return
        home = mending.home_of(node)
        if home is not None:
            rows = home.volume.rows
            try:
                rows.open(Purpose.ATIME, (rows.uuid, node), generation, sealed, "time")
                return
            except SqlfsError:
                pass
        mending.db.write("atime_delete", node)
        what = f"node {node} of {home}" if home else f"node {node}"
        mending.note("atime_sealed", what, "its later access time is damaged: removed")


def _xattr(
    home: Home, place: tuple[int, bytes, int], sealed: bytes
) -> tuple[bytes | None, bytes, bytes] | None:
    """The right tag if the row has it, name and value."""
    rows, (node, tag, _) = home.volume.rows, place
    try:
        aad = (rows.uuid, *place)
        body = rows.open(Purpose.XATTR, aad, rows.sealer.generation, sealed, "xattr")
        name, value = check_stored_xattr(body, "xattr")
    except SqlfsError:
        return None
    return (tag if rows.sealer.xattr_tag(node, name) == tag else None), name, value


class ReclaimRows:
    """What waits to be taken apart, and can't be, goes; counting anew finds what it held."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending

    def run(self) -> None:
        for id_, volume, generation, sealed in self._mending.rows("repair_reclaim"):
            home = self._mending.home_of_volume(volume)
            if home is None and volume in self._mending.others:
                continue
            if home is not None and _is_readable(home, id_, generation, sealed):
                continue
            for other in self._mending.homes:
                waiting = _waiting(other, id_, other.volume.sealer.generation, sealed)
                if waiting is not None:
                    self._mending.db.write("reclaim_delete", id_)
                    if _is_readable(other, id_, other.volume.sealer.generation, sealed):
                        other.volume.pool.drop(waiting)
                    break
            else:
                if home is None and self._mending.others:
                    continue
                self._mending.db.write("reclaim_delete", id_)
            message = "leads to nothing that can be read: removed"
            self._mending.note("reclaim_sealed", f"row {id_} of the reclaim queue", message)


def _waiting(home: Home, id_: int, generation: int, sealed: bytes) -> Reference | None:
    try:
        return home.volume.pool.decode_reclaim(id_, generation, sealed)
    except SqlfsError:
        return None


def _is_readable(home: Home, id_: int, generation: int, sealed: bytes) -> bool:
    waiting = _waiting(home, id_, generation, sealed)
    if waiting is None:
        return False
    try:
        home.volume.pool.entries(waiting)
    except SqlfsError:
        return False
    return True
