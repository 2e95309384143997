"""Link counts, xattr flags and the counters of a volume, from what there is."""

from __future__ import annotations

import stat
from typing import Any, Final

from sqlfs.maintenance.repair.mending import Home, Mending
from sqlfs.types import VolumeUsage
from sqlfs.volume.opened import USAGE_BYTES_MAX

_PAGE: Final = 512


class Counts:
    """Runs when rows and names are sound."""

    def __init__(self, mending: Mending) -> None:
        self._mending = mending

    def run(self) -> None:
        self._mending.flush()
        for home in self._mending.homes:
            self._volume(home)
        self._mending.flush()

    def _volume(self, home: Home) -> None:
        volume, last = home.volume, -(2**63)
        nodes = size = 0
        while page := volume.db.raw_rows("node_check", volume.info.id, last, _PAGE):
            for row in page:
                nodes += 1
                size += self._node(home, row)
            last = page[-1][0]
        usage = VolumeUsage(nodes, min(size, USAGE_BYTES_MAX))
        before = volume.usage
        volume.usage = usage
        if before != usage:
            self._mending.note(
                "counters", str(home), f"counts {nodes} nodes and {usage.bytes} bytes now"
            )

    def _node(self, home: Home, row: tuple[Any, ...]) -> int:
        """The size of a regular file, else 0."""
        id_, _, _, _, names, has_xattrs = row
        record = home.volume.nodes.get(id_)
        links = self._links(home, id_) if stat.S_ISDIR(record.mode) else names
        what = home.volume.called(id_) if record.nlink != links else f"node {id_} of {home}"
        if record.nlink != links:
            message = f"said that it has {record.nlink} links, and has {links}: put right"
            self._mending.note("link_count", what, message)
            record.nlink = links
            home.volume.nodes.touch(record)
        if record.has_xattrs != bool(has_xattrs):
            self._mending.note("xattr_flag", what, "says rightly now whether it has xattrs")
            record.has_xattrs = bool(has_xattrs)
            home.volume.nodes.touch(record)
        return record.size if stat.S_ISREG(record.mode) else 0

    def _links(self, home: Home, directory: int) -> int:
        children = home.volume.db.raw_rows("edge_children", directory)
        return 2 + sum(home.has_directory(child) for (child,) in children)
