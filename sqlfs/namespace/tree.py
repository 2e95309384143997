"""The namespace: nodes and edges together, by the rules of POSIX.

Every method checks all it needs before it changes anything, so that an error leaves no trace.
All run under the store's lock, those that change something inside its transaction.  A node that
lost its last name is handed to ``on_unlinked``: whoever knows of open handles decides whether
it becomes an orphan or goes at once.  One that can't be read is handed to ``on_unreadable``.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import NamedTuple

from sqlfs.errors import (
    AlreadyExists,
    Corrupt,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    NotPermitted,
    TooManyLinks,
)
from sqlfs.limits import LINKS_MAX, NODE_ID_MAX
from sqlfs.namespace import clock
from sqlfs.namespace.damaged import DamagedEntries
from sqlfs.namespace.edges import Edge, EdgeTable
from sqlfs.namespace.names import check_name, check_name_length, check_owner
from sqlfs.namespace.node_acls import NodeAcls
from sqlfs.namespace.nodes import NodeTable
from sqlfs.namespace.records import NodeRecord
from sqlfs.namespace.rows import VolumeRows
from sqlfs.store import IdSource
from sqlfs.types import Caller, RenameFlag

# Operations on plain numbers cost a tenth of those on flags.
_EXCHANGE, _NOREPLACE = int(RenameFlag.EXCHANGE), int(RenameFlag.NOREPLACE)
_WHITEOUT = int(RenameFlag.WHITEOUT)
_RENAMES = (0, _NOREPLACE, _EXCHANGE, _WHITEOUT, _NOREPLACE | _WHITEOUT)


class Renamed(NamedTuple):
    """What a rename touched: the moved node, and the one that it replaced or changed places
    with, if any."""

    moved: NodeRecord
    replaced: NodeRecord | None


class Tree:
    """One volume's nodes and names."""

    def __init__(
        self,
        rows: VolumeRows,
        nodes: NodeTable,
        edges: EdgeTable,
        acls: NodeAcls,
        node_ids: IdSource,
        root: int,
        on_unlinked: Callable[[NodeRecord], None],
        on_unreadable: Callable[[int], None],
    ) -> None:
        self._rows = rows
        self._nodes = nodes
        self._edges = edges
        self._acls = acls
        self._node_ids = node_ids
        self._root = root
        self._damaged = DamagedEntries(edges, root)
        self._on_unlinked = on_unlinked
        self._on_unreadable = on_unreadable

    # --- finding ---

    def directory(self, id_: int) -> NodeRecord:
        """Raises NotFound, NotADirectory."""
        record = self._nodes.get(id_)
        if not stat.S_ISDIR(record.mode):
            raise NotADirectory(f"node {id_} is not a directory")
        return record

    def lookup(self, parent: int, name: bytes) -> NodeRecord:
        """The child called `name`, which may be ``.`` or ``..``."""
        directory = self.directory(parent)
        if name == b".":
            return directory
        if name == b"..":
            return self.parent(directory)
        check_name_length(name)
        return self.child(self._edge(parent, name))

    def parent(self, directory: NodeRecord) -> NodeRecord:
        if directory.id == self._root:
            return directory
        edge = self._edges.of_child(directory.id)
        if edge is None:
            raise NotFound(f"directory {directory.id} was removed")
        return self.directory(edge.parent)

    def path_of(self, id_: int) -> bytes:
        """One path from the volume's root, by the oldest placement of each node on it."""
        self._nodes.get(id_)
        names: list[bytes] = []
        seen = {id_}
        while id_ != self._root:
            edge = self._edges.of_child(id_)
            if edge is None:
                raise NotFound(f"node {id_} has no name any more")
            names.append(edge.name)
            id_ = edge.parent
            if id_ in seen:
                raise Corrupt(f"directory {id_} lies within itself")
            seen.add(id_)
        return b"/" + b"/".join(reversed(names))

    def page(self, parent: int, cookie: int, limit: int) -> list[Edge]:
        """Up to `limit` placements in the directory with ids above `cookie`, in order."""
        self.directory(parent)
        return self._edges.page(parent, cookie, limit)

    # --- making ---

    def make(
        self, parent: int, name: bytes, mode: int, caller: Caller, *, rdev: int = 0
    ) -> NodeRecord:
        """A new node of the type in `mode`, with what its directory hands down: the group of a
        set-gid one, a default ACL.  Without that, the caller's umask is applied."""
        directory = self._free_place(parent, name)
        record = self._new_in(directory, mode, caller, rdev)
        self._place(record, directory, name)
        return record

    def make_nameless(self, parent: int, mode: int, caller: Caller) -> NodeRecord:
        """A new regular file, as `make` would make it in the directory, but without a name."""
        directory = self.directory(parent)
        if directory.nlink == 0:
            raise NotPermitted(f"directory {parent} was removed: nothing is made in it")
        record = self._new_in(directory, stat.S_IFREG | stat.S_IMODE(mode), caller)
        record.nlink = 0
        return record

    def link(
        self, id_: int, parent: int, name: bytes, *, gives_first_name: bool = False
    ) -> NodeRecord:
        """`gives_first_name`: the node was made nameless, and may get a name."""
        record = self._nodes.get(id_)
        directory = self._free_place(parent, name)
        if stat.S_ISDIR(record.mode):
            raise NotPermitted(f"node {id_} is a directory: it has one name only")
        if record.nlink == 0 and not gives_first_name:
            raise NotFound(f"node {id_} has no name any more")
        if record.nlink >= LINKS_MAX:
            raise TooManyLinks(f"node {id_} has {record.nlink} names")
        record.nlink += 1
        record.ctime_ns = clock.now_ns()
        self._nodes.touch(record)
        self._place(record, directory, name)
        return record

    def twin(self, source: NodeRecord, parent: int, name: bytes) -> NodeRecord:
        """A new node with the attributes of `source`, without its content."""
        directory = self._free_place(parent, name)
        record = self._new(source.mode, source.uid, source.gid, source.rdev)
        record.atime_ns, record.mtime_ns = source.atime_ns, source.mtime_ns
        self._place(record, directory, name)
        return record

    def make_root(self, id_: int, mode: int, caller: Caller) -> NodeRecord:
        """The node that no edge leads to."""
        now = clock.now_ns()
        record = NodeRecord(
            id_, self._rows.epoch, stat.S_IFDIR | mode, caller.uid, caller.gid, 2, 0, 0,
            now, now, now, now,
        )  # fmt: skip
        self._nodes.add(record)
        return record

    def _new_in(
        self, directory: NodeRecord, mode: int, caller: Caller, rdev: int = 0
    ) -> NodeRecord:
        check_owner(caller.uid)
        check_owner(caller.gid)
        if not 0 <= rdev < 2**64:
            raise Invalid(f"{rdev} is no device")
        gid = caller.gid
        if directory.mode & stat.S_ISGID:
            gid = directory.gid
            if stat.S_ISDIR(mode):
                mode |= stat.S_ISGID
        inheritance = self._acls.inheritance(directory, mode, caller.umask)
        record = self._new(inheritance.mode, caller.uid, gid, rdev)
        self._acls.give(record, inheritance)
        return record

    def _new(self, mode: int, uid: int, gid: int, rdev: int) -> NodeRecord:
        id_ = self._node_ids.next()
        assert id_ <= NODE_ID_MAX
        now = clock.now_ns()
        nlink = 2 if stat.S_ISDIR(mode) else 1
        record = NodeRecord(
            id_, self._rows.epoch, mode, uid, gid, nlink, rdev, 0, now, now, now, now
        )
        self._nodes.add(record)
        return record

    # --- taking away ---

    def unlink(self, parent: int, name: bytes) -> NodeRecord | None:
        """None when what the name led to could not be read: the name is gone all the same, and a
        damaged node with its last one."""
        directory = self.directory(parent)
        check_name(name)
        edge = self._edge(parent, name)
        child = self._removable(edge)
        if child is None:
            self._displace_unreadable(edge, directory)
            return None
        if stat.S_ISDIR(child.mode):
            raise IsADirectory(f"{name!r} in directory {parent} is a directory: use rmdir")
        self._displace(edge, directory, child)
        return child

    def rmdir(self, parent: int, name: bytes) -> NodeRecord:
        directory = self.directory(parent)
        check_name(name)
        edge = self._edge(parent, name)
        child = self.child(edge)
        if not stat.S_ISDIR(child.mode):
            raise NotADirectory(f"{name!r} in directory {parent} is not a directory")
        if not self._edges.is_empty(child.id):
            raise NotEmpty(f"{name!r} in directory {parent} is not empty")
        self._displace(edge, directory, child)
        return child

    # --- moving ---

    def rename(
        self,
        parent: int,
        name: bytes,
        new_parent: int,
        new_name: bytes,
        flags: int,
        caller: Caller,
    ) -> Renamed | None:
        """None when both names lead to one node already: then nothing happens.  A whiteout that
        is left behind is the caller's."""
        source, target = self.directory(parent), self.directory(new_parent)
        check_name(name)
        check_name(new_name)
        if flags not in _RENAMES:
            raise Invalid(f"rename does not know the flags {flags}")
        edge = self._edge(parent, name)
        if flags == _EXCHANGE:
            return self._exchange(source, edge, target, self._edge(new_parent, new_name))
        moved = self.child(edge)
        if target.nlink == 0:
            raise NotFound(f"directory {new_parent} was removed")
        there = self._edges.find_for(edge, new_parent, new_name)
        if there is not None and flags & _NOREPLACE:
            raise AlreadyExists(f"{new_name!r} is in directory {new_parent} already")
        is_directory = stat.S_ISDIR(moved.mode)
        if is_directory and self._is_within(target, moved):
            raise Invalid(f"{name!r} can't move into its own subtree")
        replaced = self._removable(there) if there is not None else None
        if replaced is moved:
            return None
        if replaced is not None:
            self._check_replaceable(source, moved, replaced, new_name)
        elif there is not None:
            self._damaged.check_empty(there)
        whiteout = None
        if flags & _WHITEOUT:
            whiteout = self._new_in(source, stat.S_IFCHR, caller)
        if there is not None and replaced is not None:
            self._displace(there, target, replaced)
        elif there is not None:
            self._displace_unreadable(there, target)
        now = clock.now_ns()
        # A name that stays keeps its place in listings, whatever it leads to.
        if there is None and whiteout is None:
            self._edges.move(edge, new_parent, new_name)
        else:
            self._edges.delete(edge)
            if whiteout is not None:
                self._edges.insert(parent, name, whiteout.id, edge.id)
            place = there.id if there is not None else None
            self._edges.insert(new_parent, new_name, moved.id, place)
        if is_directory and source is not target:
            source.nlink -= 1
            target.nlink += 1
        moved.ctime_ns = now
        self._nodes.touch(moved)
        self._touch_directory(source, now)
        self._touch_directory(target, now)
        return Renamed(moved, replaced)

    def _exchange(
        self, source: NodeRecord, edge: Edge, target: NodeRecord, other: Edge
    ) -> Renamed | None:
        one, two = self.child(edge), self.child(other)
        if one is two:
            return None
        for moved, to in ((one, target), (two, source)):
            if stat.S_ISDIR(moved.mode) and self._is_within(to, moved):
                raise Invalid(f"node {moved.id} can't move into its own subtree")
        now = clock.now_ns()
        self._edges.delete(edge)
        self._edges.delete(other)
        self._edges.insert(target.id, other.name, one.id, other.id)
        self._edges.insert(source.id, edge.name, two.id, edge.id)
        gained = stat.S_ISDIR(one.mode) - stat.S_ISDIR(two.mode)
        source.nlink -= gained
        target.nlink += gained
        for moved in (one, two):
            moved.ctime_ns = now
            self._nodes.touch(moved)
        self._touch_directory(source, now)
        self._touch_directory(target, now)
        return Renamed(one, two)

    def _check_replaceable(
        self, source: NodeRecord, moved: NodeRecord, replaced: NodeRecord, name: bytes
    ) -> None:
        over_directory = stat.S_ISDIR(replaced.mode)
        if over_directory and self._is_within(source, replaced):
            raise NotEmpty(f"{name!r} is there and holds what is to be moved")
        if stat.S_ISDIR(moved.mode) and not over_directory:
            raise NotADirectory(f"{name!r} is there and is not a directory")
        if over_directory and not stat.S_ISDIR(moved.mode):
            raise IsADirectory(f"{name!r} is there and is a directory")
        if over_directory and not self._edges.is_empty(replaced.id):
            raise NotEmpty(f"{name!r} is there and is not empty")

    def _is_within(self, directory: NodeRecord, ancestor: NodeRecord) -> bool:
        steps = 0
        while directory is not ancestor:
            if directory.id == self._root:
                return False
            directory = self.parent(directory)
            steps += 1
            if steps > 1_000_000:
                raise Corrupt(f"directory {directory.id} lies within itself")
        return True

    # --- parts ---

    def _edge(self, parent: int, name: bytes) -> Edge:
        edge = self._edges.find(parent, name)
        if edge is None:
            raise NotFound(f"no {name!r} in directory {parent}")
        return edge

    def child(self, edge: Edge) -> NodeRecord:
        """The node that an edge leads to.  Raises Corrupt when there is none."""
        try:
            record = self._nodes.get(edge.child)
            if edge.damage is not None:
                self._damaged.check_believed(edge, record)
            elif stat.S_ISDIR(record.mode):
                self._edges.seen_directory(edge)
            return record
        except NotFound:
            raise Corrupt(
                f"{edge.name!r} in directory {edge.parent} leads to node {edge.child}, which is"
                " missing; sqlfs check tells more"
            ) from None

    def _removable(self, edge: Edge) -> NodeRecord | None:
        """The node that an edge leads to; None where it can't be read."""
        try:
            return self.child(edge)
        except Corrupt:
            return None

    def _displace_unreadable(self, edge: Edge, directory: NodeRecord) -> None:
        self._damaged.check_empty(edge)
        self._edges.delete(edge)
        if self._damaged.was_last(edge):
            self._on_unreadable(edge.child)
        self._touch_directory(directory, clock.now_ns())

    def _free_place(self, parent: int, name: bytes) -> NodeRecord:
        directory = self.directory(parent)
        check_name(name)
        if self._edges.find(parent, name) is not None:
            raise AlreadyExists(f"{name!r} is in directory {parent} already")
        if directory.nlink == 0:
            raise NotFound(f"directory {parent} was removed")
        return directory

    def _place(self, record: NodeRecord, directory: NodeRecord, name: bytes) -> None:
        self._edges.insert(directory.id, name, record.id)
        if stat.S_ISDIR(record.mode):
            directory.nlink += 1
        self._touch_directory(directory, clock.now_ns())

    def _displace(self, edge: Edge, directory: NodeRecord, child: NodeRecord) -> None:
        now = clock.now_ns()
        self._edges.delete(edge)
        child.ctime_ns = now
        if stat.S_ISDIR(child.mode):
            directory.nlink -= 1
            child.nlink = 0
        else:
            child.nlink -= 1
        self._nodes.touch(child)
        self._touch_directory(directory, now)
        if child.nlink == 0:
            self._on_unlinked(child)

    def _touch_directory(self, directory: NodeRecord, now: int) -> None:
        directory.mtime_ns = directory.ctime_ns = now
        self._nodes.touch(directory)
