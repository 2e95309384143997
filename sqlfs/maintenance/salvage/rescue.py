"""Building the tree of one volume anew from the rows that were found.

First from the root down; then what is left over, directories before all others, so that what is
below them stays together.  No node gets more than one place of its own, so circles have an end.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlfs.chunks import Reference
from sqlfs.errors import NoSpace, SqlfsError
from sqlfs.maintenance.salvage.content import Pieces
from sqlfs.maintenance.salvage.destination import Destination, NewFile
from sqlfs.maintenance.salvage.opening import Entry, OpenedRows
from sqlfs.maintenance.salvage.report import Loss, Recovered, Told
from sqlfs.maintenance.salvage.volumes import Unlocked
from sqlfs.namespace import NodeRecord
from sqlfs.store.wreck import Wreck

_LOST: Final = b"lost+found"
_TOP: Final = 0  # the edge of what has no name: the root, and what is in lost+found
_LOST_WORDS: Final = {
    stat.S_IFDIR: b"directory", stat.S_IFREG: b"file", stat.S_IFLNK: b"symlink",
    stat.S_IFIFO: b"fifo", stat.S_IFSOCK: b"socket", stat.S_IFCHR: b"device",
    stat.S_IFBLK: b"device",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory that was made; ``record``: None where its attributes are lost."""

    node: int
    path: bytes
    record: NodeRecord | None
    entries: Iterator[Entry]


class Rescue:
    """Of one volume, once."""

    def __init__(
        self,
        wreck: Wreck,
        volume: Unlocked,
        destination: Destination,
        told: Told,
        written: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Calls `told` with each loss, and `written` with the bytes of each piece of content."""
        self._finds = wreck.finds
        self._volume = volume
        self._rows = OpenedRows(wreck.finds, volume)
        self._pieces = Pieces(wreck, volume)
        self._to = destination
        self._told = told
        self._written = written
        self._recovered = Recovered()
        self._lost = b""
        self._root = volume.root
        self._chunk_size = volume.chunk_size

    def run(self) -> Recovered:
        """Raises NoSpace where the destination has no more room."""
        self._finds.begin_anew()
        self._tell_of_settings()
        root = None
        if self._root is not None:
            self._finds.place(self._root, _TOP)
            root = self._place(self._root, b"")
            self._descend(root)
        self._place_lost_directories()
        self._place_lost_nodes()
        if root is not None:
            self._finish(root)  # lost+found is within it
        recovered = self._recovered
        recovered.expected = self._rows.node_count()
        missing = (recovered.expected or 0) - recovered.found
        if missing > 0:
            self._lose(b"", f"of {recovered.expected} nodes of the volume {missing} are missing")
        return recovered

    def _tell_of_settings(self) -> None:
        if self._root is not None:
            return
        self._lose(b"", "the settings of the volume are lost; they are made out from what is there")
        for id_ in self._finds.node_ids(self._volume.id):
            record = self._rows.node(id_)
            if record is None:
                continue
            # The root is the first node that a volume gets.
            if self._root is None:
                is_root = stat.S_ISDIR(record.mode) and not self._rows.edges_to(id_)
                self._root = id_ if is_root else -1
            if self._chunk_size is None and record.root is not None:
                self._chunk_size = self._pieces.chunk_size(record.root)
            if self._chunk_size is not None:
                break
        if self._root == -1:
            self._root = None

    # --- down from a directory ---

    def _descend(self, top: _Place) -> None:
        self._recovered.directories += 1
        if top.record is not None:
            self._recovered.found += 1
        stack = [top]
        while stack:
            place = stack[-1]
            entry = next(place.entries, None)
            if entry is not None:
                below = self._enter(place, entry)
                if below is not None:
                    stack.append(below)
                    self._recovered.directories += 1
                    self._recovered.found += below.record is not None
            else:
                stack.pop()
                if place is not top:
                    # Only now: what was made within has changed its times.
                    self._finish(place)

    def _finish(self, place: _Place) -> None:
        if place.record is None:
            self._lose(place.path, "the attributes of the directory are lost")
        else:
            self._set_attributes(place.path, place.record)

    def _place(self, node: int, path: bytes) -> _Place:
        return _Place(node, path, self._rows.node(node), self._rows.entries(node))

    def _enter(self, place: _Place, entry: Entry) -> _Place | None:
        """Make what an entry leads to; what is to be gone down into, if it is a directory."""
        if entry.name is None:
            self._lose(place.path, f"a name is lost, which led to node {entry.child}")
            return None
        path = place.path + b"/" + entry.name if place.path else entry.name
        before = self._finds.placed(entry.child)
        record = self._rows.node(entry.child)
        with _Noting(self, path):
            if record is None and self._rows.has_entries(entry.child):
                return None if before is not None else self._make_directory(path, entry)
            if record is None:
                self._lose(path, "attributes and content are lost")
            elif record.nlink == 0:
                self._lose(path, "was removed, and leads to what is left of it")
            elif before is None:
                if stat.S_ISDIR(record.mode):
                    return self._make_directory(path, entry)
                self._make(path, record)
                self._finds.place(entry.child, entry.id)
            elif stat.S_ISDIR(record.mode):
                self._lose(path, "leads to a directory that has a place already")
            else:
                self._to.name(path, self._path_of(entry.child))
                self._recovered.names += 1
        return None

    def _make_directory(self, path: bytes, entry: Entry) -> _Place:
        self._to.directory(path)
        self._finds.place(entry.child, entry.id)
        return self._place(entry.child, path)

    def _make(self, path: bytes, record: NodeRecord) -> None:
        if stat.S_ISREG(record.mode):
            self._make_file(path, record)
            self._recovered.files += 1
        else:
            self._to.node(path, record)
            self._recovered.others += 1
        self._recovered.found += 1
        self._set_attributes(path, record)

    def _set_attributes(self, path: bytes, record: NodeRecord) -> None:
        xattrs = self._rows.xattrs(record.id) if record.has_xattrs else {}
        if record.has_xattrs and not xattrs:
            self._lose(path, "its extended attributes are lost")
        sound = {}
        for name, value in xattrs.items():
            if value is None:
                self._lose(path, f"an extended attribute is lost {name.decode()}")
            else:
                sound[name] = value
        for message in self._to.attributes(path, record, sound):
            self._lose(path, message)

    # --- content ---

    def _make_file(self, path: bytes, record: NodeRecord) -> None:
        with self._to.file(path) as out, _Noting(self, path):
            if record.inline is not None:
                out.write(0, record.inline)
                self._count(len(record.inline))
            elif record.root is not None:
                self._write_content(out, path, record.root, record.size)
            self._write_changes(out, path, record)
            out.end_at(record.size)

    def _write_changes(self, out: NewFile, path: bytes, record: NodeRecord) -> None:
        slot_bytes = self._chunk_size or record.size
        for delta in self._rows.deltas(record, partial(self._lose, path)):
            for start, piece in delta.pieces:
                offset = delta.slot * slot_bytes + start
                out.write(offset, piece[: max(0, record.size - offset)])

    def _write_content(self, out: NewFile, path: bytes, root: Reference, size: int) -> None:
        if self._chunk_size is None and root.level:
            self._lose(path, "where the pieces of its content belong can't be told", 0, size)
            return
        room = self._to.free_bytes()
        if root.length > room:
            self._lose(path, f"{room} bytes of room are too few for its content", 0, size)
            return
        chunk_size = self._chunk_size or size
        start = end = 0  # of what is lost, and was not told yet
        why = ""
        for stretch in self._pieces.stretches(root):
            offset = stretch.first * chunk_size
            if offset >= size:
                break
            length = min(stretch.count * chunk_size, size - offset)
            if stretch.data is not None:
                piece = stretch.data[:length]
                out.write(offset, piece)
                self._count(len(piece))
            elif offset == end and start < end:
                end = offset + length
            else:
                self._lose_range(path, why, start, end)
                start, end, why = offset, offset + length, stretch.why
        self._lose_range(path, why, start, end)

    def _lose_range(self, path: bytes, why: str, start: int, end: int) -> None:
        if end > start:
            self._lose(path, why, start, end - start)

    def _count(self, length: int) -> None:
        self._recovered.bytes += length
        self._written(length)

    # --- what has no place ---

    def _place_lost_directories(self) -> None:
        """Tops first: what hangs below another lost directory comes with that."""
        placed = True
        while placed:
            placed = False
            for node in self._lost_tops():
                self._place_lost_directory(node)
                placed = True
        for node in self._lost_directories():
            # A circle has no top: it begins anywhere.
            self._place_lost_directory(node)

    def _lost_tops(self) -> Iterator[int]:
        return (node for node in self._lost_directories() if not self._will_come(node))

    def _lost_directories(self) -> Iterator[int]:
        for node in self._finds.parents():
            if self._finds.placed(node) is None and self._rows.has_entries(node):
                record = self._rows.node(node)
                if record is None or stat.S_ISDIR(record.mode):
                    yield node

    def _will_come(self, node: int) -> bool:
        """Whether an edge leads to it from a directory that has no place yet, but will."""
        return any(
            edge.parent != node and self._finds.placed(edge.parent) is None
            for edge in self._rows.edges_to(node)
        )

    def _place_lost_directory(self, node: int) -> None:
        path = self._lost_path(stat.S_IFDIR, node)
        self._finds.place(node, _TOP)
        with _Noting(self, path):
            self._to.directory(path)
            self._recovered.in_lost_and_found += 1
            self._lose(path, "its place is lost")
            top = self._place(node, path)
            self._descend(top)
            self._finish(top)

    def _place_lost_nodes(self) -> None:
        for node in self._finds.node_ids(self._volume.id):
            if self._finds.placed(node) is not None:
                continue
            record = self._rows.node(node)
            if record is None:
                self._lose(b"", f"node {node} is damaged")
                continue
            if record.nlink == 0:
                self._recovered.left_out += 1
                self._recovered.found += 1
                continue
            if stat.S_ISDIR(record.mode):
                self._place_lost_directory(node)
                continue
            path = self._lost_path(stat.S_IFMT(record.mode), node)
            with _Noting(self, path):
                self._make(path, record)
                self._finds.place(node, _TOP)
                self._recovered.in_lost_and_found += 1
                self._lose(path, "its name is lost")

    def _lost_path(self, kind: int, node: int) -> bytes:
        if not self._lost:
            path, number = _LOST, 1
            while self._to.has(path):
                number += 1
                path = b"%s-%d" % (_LOST, number)
            self._to.directory(path)
            self._lost = path
        return b"%s/%s-%d" % (self._lost, _LOST_WORDS.get(kind, b"node"), node)

    def _path_of(self, node: int) -> bytes:
        """Where a node has its place."""
        names: list[bytes] = []
        edge = self._finds.placed(node)
        while edge:
            entry = self._rows.edge(edge)
            if entry is None or entry.name is None:
                break
            names.append(entry.name)
            node = entry.parent
            edge = self._finds.placed(node)
        if node != self._root:
            record = self._rows.node(node)
            kind = stat.S_IFMT(record.mode) if record is not None else stat.S_IFDIR
            names.append(self._lost_path(kind, node))
        return b"/".join(reversed(names))

    # --- telling ---

    def _lose(self, path: bytes, message: str, offset: int = -1, length: int = -1) -> None:
        self._recovered.losses += 1
        self._told(Loss(path, message, offset, length))

    def note(self, path: bytes, error: SqlfsError) -> None:
        """Something could not be put where it belongs."""
        self._lose(path, error.message)


class _Noting:
    """An error inside is told of, and all goes on, unless there is no more room."""

    def __init__(self, rescue: Rescue, path: bytes) -> None:
        self._rescue = rescue
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, SqlfsError) and not isinstance(error, NoSpace):
            self._rescue.note(self._path, error)
            return True
        return False
