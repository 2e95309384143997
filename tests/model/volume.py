"""The state that all sessions of a model volume share: nodes, edges, handles, locks."""

from __future__ import annotations

import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from sqlfs.errors import Invalid, NameTooLong, NotADirectory, NotFound
from sqlfs.limits import CHUNK_BYTES_DEFAULT, NAME_BYTES_MAX
from sqlfs.types import Attributes, Change, VolumeInfo
from tests.model.content import SparseBytes

# Above 1, so that whoever takes the kernel's root for ours is found out.
FIRST_NODE = 7


@dataclass(frozen=True, slots=True)
class Edge:
    id: int
    parent: int
    name: bytes
    child: int


@dataclass(slots=True)
class Node:
    """Identity and attributes, with whatever its type holds."""

    id: int
    mode: int
    uid: int
    gid: int
    rdev: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    btime_ns: int
    content: SparseBytes = field(default_factory=SparseBytes)
    target: bytes = b""
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    linkable: bool = False  # made without a name, and may still get one
    children: dict[bytes, Edge] = field(default_factory=dict)
    placements: dict[int, Edge] = field(default_factory=dict)  # by edge id: the oldest is first

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)


@dataclass(slots=True)
class Handle:
    node: int
    session: object
    flags: int
    lock: str = ""  # "", "shared" or "exclusive"


@dataclass(slots=True, eq=False)
class Subscription:
    session: object
    listener: Callable[[Sequence[Change]], None]


class ModelVolume:
    """A volume in memory.  `now` tells the time in ns since the epoch."""

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.nodes: dict[int, Node] = {}
        self.handles: dict[int, Handle] = {}
        self.pins: Counter[tuple[object, int]] = Counter()
        self.subscriptions: list[Subscription] = []
        self._node_ids = count(FIRST_NODE)
        self._edge_ids = count(1)
        self._handle_ids = count(1)
        self.root = self.new_node(stat.S_IFDIR | 0o755, uid=0, gid=0).id
        self.info = VolumeInfo(
            id=1,
            uuid=bytes(16),
            name="model",
            root=self.root,
            encrypted=False,
            dedupe=True,
            compression=0,
            chunk_size=CHUNK_BYTES_DEFAULT,
            created_ns=now(),
            epoch=1,
        )

    # --- nodes ---

    def new_node(self, mode: int, uid: int, gid: int, rdev: int = 0) -> Node:
        now = self.now()
        node = Node(next(self._node_ids), mode, uid, gid, rdev, now, now, now, now)
        self.nodes[node.id] = node
        return node

    def node(self, id_: int) -> Node:
        try:
            return self.nodes[id_]
        except KeyError:
            raise NotFound(f"no node {id_}") from None

    def directory(self, id_: int) -> Node:
        node = self.node(id_)
        if not node.is_dir:
            raise NotADirectory(f"node {id_} is not a directory")
        return node

    def is_placed(self, node: Node) -> bool:
        return node.id == self.root or bool(node.placements)

    def nlink(self, node: Node) -> int:
        if not node.is_dir:
            return len(node.placements)
        if not self.is_placed(node):
            return 0
        return 2 + sum(self.nodes[edge.child].is_dir for edge in node.children.values())

    def attributes(self, node: Node) -> Attributes:
        size = len(node.target) if node.is_symlink else node.content.size
        return Attributes(
            node=node.id,
            mode=node.mode,
            nlink=self.nlink(node),
            uid=node.uid,
            gid=node.gid,
            rdev=node.rdev,
            size=size,
            blocks=node.content.blocks,
            atime_ns=node.atime_ns,
            mtime_ns=node.mtime_ns,
            ctime_ns=node.ctime_ns,
            btime_ns=node.btime_ns,
        )

    def drop_if_unused(self, node: Node) -> None:
        """Forget an orphan that nobody has open and nobody remembers."""
        used = (
            self.is_placed(node)
            or any(handle.node == node.id for handle in self.handles.values())
            or any(pinned == node.id for _, pinned in self.pins)
        )
        if not used:
            self.nodes.pop(node.id, None)

    # --- edges ---

    def child(self, parent: Node, name: bytes) -> Node:
        edge = parent.children.get(name)
        if edge is None:
            raise NotFound(f"no {name!r} in directory {parent.id}")
        return self.nodes[edge.child]

    def parent(self, directory: Node) -> Node:
        if directory.id == self.root:
            return directory
        for edge in directory.placements.values():
            return self.nodes[edge.parent]
        raise NotFound(f"directory {directory.id} was removed")

    def place(self, child: Node, parent: Node, name: bytes, id_: int | None = None) -> None:
        """`id_`: of an edge that went, whose place this one takes."""
        edge = Edge(id_ or next(self._edge_ids), parent.id, name, child.id)
        parent.children[name] = edge
        child.placements[edge.id] = edge
        self.touch(parent)

    def displace(self, parent: Node, name: bytes) -> Node:
        """Take the entry away and give the node that was there, maybe an orphan now."""
        edge = parent.children.pop(name)
        child = self.nodes[edge.child]
        del child.placements[edge.id]
        child.ctime_ns = self.now()
        self.touch(parent)
        return child

    def touch(self, node: Node) -> None:
        """Its content (a directory's: its entries) changed now."""
        node.mtime_ns = node.ctime_ns = self.now()

    # --- handles ---

    def new_handle(self, node: int, session: object, flags: int) -> int:
        id_ = next(self._handle_ids)
        self.handles[id_] = Handle(node, session, flags)
        return id_

    # --- changes ---

    @contextmanager
    def changing(self, session: object) -> Iterator[list[Change]]:
        """Hold the lock; when it is released, tell the other sessions what was noted."""
        changes: list[Change] = []
        with self.lock:
            yield changes
            listeners = [s.listener for s in self.subscriptions if s.session is not session]
        if changes:
            for listener in listeners:
                listener(tuple(changes))


def check_name(name: bytes) -> None:
    """Whether `name` may name an entry.  Raises Invalid, NameTooLong."""
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise Invalid(f"{name!r} cannot name an entry: give 1 to 255 bytes without / and NUL")
    if len(name) > NAME_BYTES_MAX:
        raise NameTooLong(f"a name of {len(name)} bytes is over the limit of {NAME_BYTES_MAX}")
