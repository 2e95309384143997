"""Checking one unlocked volume: what only its key can see.

Each page of rows is judged by what is there at that moment, so that changes between two pages are
no findings.  What depends on many rows at once is looked at again before it is said.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlfs.chunks import Reference
from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt, SqlfsError
from sqlfs.maintenance.findings import Finding
from sqlfs.maintenance.idset import IdSet
from sqlfs.maintenance.pace import Pace
from sqlfs.maintenance.references import References
from sqlfs.namespace import NodeRecord, check_stored_name, check_stored_xattr, decode_node
from sqlfs.store import greatest_key
from sqlfs.volume.opened import OpenVolume

_PAGE: Final = 512
_DIRECTORY_PAGE: Final = 32

Row = tuple[Any, ...]


class VolumeCheck:
    """One pass over a volume.  `references` counts what names each piece, over all volumes of a
    key domain."""

    def __init__(self, volume: OpenVolume, references: References, pace: Pace) -> None:
        self._volume = volume
        self._references = references
        self._pace = pace
        self._directories = IdSet()
        self._roots: list[Reference] = []  # of the content of the page's nodes

    def run(self) -> Iterator[Finding]:
        yield from self._nodes()
        yield from self._links()
        yield from self._rows("names", "edge_all", self._edge)
        yield from self._rows("attributes", "xattr_all_nodes", self._xattr)
        yield from self._rows("access times", "atime_page", self._atime)
        yield from self._reclaim()

    # --- nodes ---

    def _nodes(self) -> Iterator[Finding]:
        volume = self._volume
        before, size = (volume.usage.bytes, volume.resized), 0

        def node(row: Row) -> Iterator[Finding]:
            nonlocal size
            record = self._decoded(row)
            if stat.S_ISREG(record.mode):
                size += record.size
            if record.root is not None:
                self._roots.append(record.root)
            yield from self._node(record, names=row[4], has_xattrs=bool(row[5]))

        yield from self._rows("nodes", "node_check", node)
        with self._pace.page():
            nodes = self._count("node_count")
            counted = volume.usage
        if counted.nodes != nodes:
            yield self._counter("nodes", counted.nodes, nodes)
        # While sizes change, their sum belongs to no moment.
        if before == (counted.bytes, volume.resized) and counted.bytes != size:
            yield self._counter("bytes", counted.bytes, size)

    def _decoded(self, row: Row) -> NodeRecord:
        id_, since, generation, sealed, *_ = row
        rows = self._volume.rows
        body = rows.open(Purpose.NODE, (rows.uuid, id_, since), generation, sealed, f"node {id_}")
        return decode_node(id_, since, body)

    def _node(self, record: NodeRecord, *, names: int, has_xattrs: bool) -> Iterator[Finding]:
        what = f"node {record.id}"
        if stat.S_ISDIR(record.mode):
            self._directories.add(record.id)
            if names > 1:
                yield self._finding("directory_names", what, f"is a directory with {names} names")
        elif record.nlink != names:
            yield self._link_count(record, names)
        if record.has_xattrs != has_xattrs:
            yield self._finding("xattr_flag", what, "says wrongly whether it has xattrs")
        if record.root is not None and not stat.S_ISREG(record.mode):
            yield self._finding("content_kind", what, "has content, and is no regular file")
        yield from self._deltas(record, what)

    def _deltas(self, record: NodeRecord, what: str) -> Iterator[Finding]:
        volume = self._volume
        body = volume.bodies.get(record.id)
        if body is not None:
            record = body.record  # whose deltas may be others already than those of its row
        try:
            for _ in volume.deltas.read(record, volume.info.chunk_size):
                pass
        except Corrupt as error:
            check = "content" if record.delta_count else "delta_stray"
            yield self._finding(check, what, error.message)

    def _counter(self, of: str, counted: int, there: int) -> Finding:
        return self._finding(
            "counters",
            f"volume {self._volume.info.name!r}",
            f"counts {counted} {of} where there are {there}",
        )

    # --- links of directories ---

    def _links(self) -> Iterator[Finding]:
        page: list[int] = []
        for node in self._directories:
            page.append(node)
            if len(page) == _DIRECTORY_PAGE:
                yield from self._link_page(page)
                page = []
        yield from self._link_page(page)

    def _link_page(self, page: list[int]) -> list[Finding]:
        found: list[Finding] = []
        with self._pace.page():
            for node in page:
                try:
                    record = self._volume.nodes.get(node)
                    if not stat.S_ISDIR(record.mode):
                        continue
                    if record.nlink != self._expected_links(record, self._directories.__contains__):
                        expected = self._expected_links(record, self._is_directory)
                        if record.nlink != expected:
                            found.append(self._link_count(record, expected))
                except SqlfsError:
                    continue  # removed meanwhile, or told of with the nodes
        return found

    def _expected_links(self, record: NodeRecord, is_directory: Callable[[int], bool]) -> int:
        volume = self._volume
        if record.id != volume.info.root and not volume.edges.count_to(record.id):
            return 0
        children = volume.db.raw_rows("edge_children", record.id)
        return 2 + sum(type(child) is int and is_directory(child) for (child,) in children)

    def _is_directory(self, node: int) -> bool:
        try:
            return stat.S_ISDIR(self._volume.nodes.get(node).mode)
        except SqlfsError:
            return False  # told of with the nodes

    def _is_no_directory(self, node: int) -> bool:
        try:
            return not stat.S_ISDIR(self._volume.nodes.get(node).mode)
        except SqlfsError:
            return False  # missing, or told of with the nodes

    def _link_count(self, record: NodeRecord, expected: int) -> Finding:
        return self._finding(
            "link_count",
            f"node {record.id}",
            f"says that it has {record.nlink} links, and has {expected}",
        )

    # --- names, attributes, access times ---

    def _edge(self, row: Row) -> Iterator[Finding]:
        id_, parent, tag, child, since, generation, sealed = row
        rows = self._volume.rows
        aad, what = (rows.uuid, parent, id_, child, since), f"name of edge {id_}"
        name = rows.open(Purpose.NAME, aad, generation, sealed, what)
        check_stored_name(name)
        if rows.sealer.name_tag(parent, name) != tag:
            message = "is filed under another name than its own"
            yield self._finding("edge_tag", f"edge {id_}", message)
        if parent not in self._directories and self._is_no_directory(parent):
            yield self._finding("edge_place", f"edge {id_}", "lies in what is no directory")

    def _xattr(self, row: Row) -> Iterator[Finding]:
        node, tag, since, generation, sealed = row
        rows, what = self._volume.rows, f"extended attribute of node {node}"
        body = rows.open(Purpose.XATTR, (rows.uuid, node, tag, since), generation, sealed, what)
        name, _ = check_stored_xattr(body, what)
        if rows.sealer.xattr_tag(node, name) != tag:
            yield self._finding("xattr_tag", f"node {node}", f"{what} is misfiled")

    def _atime(self, row: Row) -> Iterator[Finding]:
        node, generation, sealed = row
        rows, what = self._volume.rows, f"access time of node {node}"
        rows.open(Purpose.ATIME, (rows.uuid, node), generation, sealed, what)
        yield from ()

    # --- content ---

    def _reclaim(self) -> Iterator[Finding]:
        def waiting(row: Row) -> Iterator[Finding]:
            self._roots.append(self._volume.pool.decode_reclaim(*row))
            yield from ()

        yield from self._rows("reclaim queue", "reclaim_all", waiting)

    def _follow(self) -> None:
        """Count the references of a page's content, and those beneath each that is met first."""
        todo, self._roots = self._roots, []
        pool, references = self._volume.pool, self._references
        while todo:
            reference = todo.pop()
            if references.add(reference):
                try:
                    todo += [entry for entry in pool.entries(reference) if entry is not None]
                except Corrupt as error:
                    if not references.has_moved(reference.digest):
                        references.damaged[reference.digest] = error.message

    # --- pages ---

    def _rows(
        self, called: str, statement: str, judge: Callable[[Row], Iterator[Finding]]
    ) -> Iterator[Finding]:
        """Have `judge` look at each row of the volume that a paged statement returns."""
        kind, keys, sealed, table = _KINDS[statement]
        self._pace.begin(called, self._total(statement))
        last: Row = (0, b"")[:keys]
        # What comes later is for the next check: others may be faster than this one.
        end = greatest_key(self._volume.db, table)
        while last[0] <= end:
            found: list[Finding] = []
            with self._pace.page():
                page = self._volume.db.raw_rows(statement, self._volume.info.id, *last, _PAGE)
                for row in page:
                    damage = self._volume.db.damage(statement, row)
                    try:
                        if damage is not None:
                            raise Corrupt(damage)
                        found += judge(row)
                    except SqlfsError as error:
                        what = kind.format(row[0])
                        found.append(self._finding(sealed, what, error.message))
            yield from found
            self._follow()
            if not page:
                break
            last = page[-1][:keys]
            self._pace.advance(len(page))

    def _total(self, statement: str) -> int:
        # A volume has about as many names as nodes; of the rest there is little.
        return self._count("node_count") if statement in ("node_check", "edge_all") else 0

    def _count(self, statement: str) -> int:
        row = self._volume.db.row(statement, self._volume.info.id)
        return int(row[0]) if row is not None else 0

    def _finding(self, check: str, what: str, message: str) -> Finding:
        volume = f"volume {self._volume.info.name!r}"
        return Finding(check, what if what == volume else f"{what} of {volume}", message)


# By statement: what a row is called, how many columns its key has, what damage to it is called, and
# its table.
_KINDS: Final = {
    "node_check": ("node {}", 1, "node_sealed", "node"),
    "edge_all": ("edge {}", 1, "edge_sealed", "edge"),
    "xattr_all_nodes": ("node {}", 2, "xattr_sealed", "xattr"),
    "atime_page": ("node {}", 1, "atime_sealed", "atime"),
    "reclaim_all": ("the reclaim queue", 1, "reclaim_sealed", "reclaim"),
}
