"""An unlocked volume in the memory of the process that owns its file.

All state is guarded by the store's lock.  Sessions come and go; the volume stays unlocked
while there is one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlfs.chunks import Cached, ChunkPool, Reference, SizedCache, unpack
from sqlfs.content import (
    Body,
    DeltaTable,
    SealWorkers,
    is_inline,
    read_inline,
    read_single,
    truncate_inline,
    write_inline,
)
from sqlfs.crypto import Purpose, Sealer
from sqlfs.errors import Corrupt, NotFound, QuotaExceeded, SqlfsError
from sqlfs.namespace import (
    EdgeTable,
    NodeAcls,
    NodeRecord,
    NodeTable,
    Tree,
    VolumeRows,
    XattrTable,
)
from sqlfs.store import Database, IdSource
from sqlfs.types import Attributes, Change, VolumeUsage
from sqlfs.volume.orphans import Orphans
from sqlfs.volume.paths import show
from sqlfs.volume.session import Listener
from sqlfs.volume.settings import VolumeRow
from sqlfs.volume.users import NodeUsers

log = logging.getLogger("sqlfs")

_USAGE = struct.Struct("<QQ")
# Content that is no more is let go of this many at a time at the latest.
_GIVEN_UP_MAX = 64
_PAGES_PER_ROOT = 6  # two tables, two indexes, and the list of free pages
# What the counters can hold: holes count, so that three files may be too many.
USAGE_BYTES_MAX = 2**64 - 1


@dataclass(slots=True)
class OpenFile:
    """A handle.  ``record`` keeps the node in memory; ``lock``: "", "shared" or "exclusive"."""

    record: NodeRecord
    session: object
    flags: int
    lock: str = ""

    @property
    def readable(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writable(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY


@dataclass(slots=True, eq=False)
class Subscription:
    """``own_telling``: told when a verb of the session itself begins, and ends, telling others."""

    session: object
    listener: Listener
    own_telling: Callable[[bool], None] | None = None


@dataclass(slots=True)
class SharedParts:
    """What all volumes of a file have in common."""

    database: Database
    workers: SealWorkers
    cache: SizedCache[Cached]
    handles: dict[int, OpenFile] = field(default_factory=dict)
    last_handle: int = 0
    node_ids: IdSource = field(init=False)
    edge_ids: IdSource = field(init=False)
    reclaim_ids: IdSource = field(init=False)
    delta_ids: IdSource = field(init=False)  # of rows that nobody else is told of

    def __post_init__(self) -> None:
        self.node_ids = IdSource(self.database, "node")
        self.edge_ids = IdSource(self.database, "edge")
        self.reclaim_ids = IdSource(self.database, "reclaim")
        self.delta_ids = IdSource(self.database, "delta")

    @property
    def id_sources(self) -> tuple[IdSource, ...]:
        return self.node_ids, self.edge_ids, self.reclaim_ids


class OpenVolume:
    """Nodes, content and users of one unlocked volume."""

    def __init__(self, row: VolumeRow, sealer: Sealer, shared: SharedParts) -> None:
        info = row.info
        self.info = info
        self.domain = row.domain
        self.sealer = sealer
        self.shared = shared
        self.db = shared.database
        self.rows = VolumeRows(self.db, info.id, info.uuid, sealer, info.epoch)
        self.nodes = NodeTable(self.rows)
        self.edges = EdgeTable(self.rows, shared.edge_ids, self.nodes)
        self.xattrs = XattrTable(self.rows, self.nodes)
        self.acls = NodeAcls(self.nodes, self.xattrs)
        self.pool = ChunkPool(
            self.db, sealer, shared.cache,
            volume=info.id, domain=row.domain, dedupe=info.dedupe, compression=info.compression,
            reclaim_ids=shared.reclaim_ids,
        )  # fmt: skip
        self.deltas = DeltaTable(self.rows, shared.delta_ids)
        self.orphans = Orphans(self.rows, self.nodes, self._is_needed, self._remove)
        self.tree = Tree(
            self.rows, self.nodes, self.edges, self.acls, shared.node_ids, info.root,
            self.orphans.unlinked, self._remove_unreadable,
        )  # fmt: skip
        self.sessions = 0
        self.bodies: dict[int, Body] = {}
        self.users = NodeUsers()
        self.subscriptions: list[Subscription] = []
        self.usage = VolumeUsage(0, 0)
        self.quota = row.check(sealer)
        self.resized = 0  # how often the sum of sizes changed
        self._stored_usage: VolumeUsage | None = None
        self._given_up: list[Reference] = []  # content of nodes that were removed
        self.lost: dict[int, SqlfsError] = {}  # node -> why its changes could not be stored
        # Whether clients of a dead owner may come back, who had nodes open, pinned or locked.
        self.awaits_clients = False

    def _is_needed(self, node: int) -> bool:
        return self.awaits_clients or self.users.needs(node)

    # --- beginning and end ---

    def begin(self, await_clients: Callable[[OpenVolume], bool]) -> None:
        """Read the counters; delete the orphans that a dead owner left, but where
        `await_clients` says that somebody may come back who had them open."""
        self._read_counters()
        if not self.db.read_only:
            self.awaits_clients = await_clients(self)
            self.orphans.take_over()
            self._take_over_deltas()

    def _read_counters(self) -> None:
        row = self.db.row("counter_get", self.info.id)
        if row is None:
            raise Corrupt(f"volume {self.info.name!r} has no counters; sqlfs check tells more")
        what = f"counters of volume {self.info.name!r}"
        body = self.rows.open(Purpose.COUNTER, (self.info.uuid,), row[0], row[1], what)
        self.usage = self._stored_usage = VolumeUsage(*unpack(_USAGE, body, what))

    def begin_repair(self) -> None:
        """Believe the counters where they open, and leave orphans where they are; what is changed
        is rows."""
        self.edges.forget_all()
        try:
            self._read_counters()
        except Corrupt:
            self.usage, self._stored_usage = VolumeUsage(0, 0), None

    def begin_new(self) -> None:
        """The counters of a volume that has just its root."""
        self.usage = VolumeUsage(1, 0)

    def _take_over_deltas(self) -> None:
        """Have in memory what a dead owner left to be folded."""
        for node in self.deltas.nodes():
            with contextlib.suppress(NotFound, Corrupt):  # of another volume; damaged
                record = self.nodes.get(node)
                if record.delta_count:
                    self.body(record)

    def fold(self, limit: int) -> int:
        """Have up to `limit` slots sealed anew with what is in deltas; returns how many.  Runs
        inside the store's transaction."""
        folded = 0
        for body in list(self.bodies.values()):
            if folded >= limit:
                break
            if body.patched:
                folded += body.fold(limit - folded)
        return folded

    def end_waiting(self) -> None:
        """Nobody comes back any more: orphans without a user go."""
        self.awaits_clients = False
        self.orphans.drop_unused()

    def flush(self) -> None:
        """Write everything in memory into the open transaction: runs before each commit."""
        changed = [body for body in self.bodies.values() if body.changed]
        is_dirty = self.nodes.dirty or self.edges.dirty or self.orphans.dirty or self._given_up
        if not (changed or is_dirty or self.usage != self._stored_usage):
            return
        with self.db.writing():
            self.drop_given_up()
            self.orphans.flush()
            for body in changed:
                self.flush_body(body)
            self._forget_idle_bodies()
            self.nodes.flush()
            self.edges.flush()
            if self.usage != self._stored_usage:
                body_bytes = _USAGE.pack(self.usage.nodes, self.usage.bytes)
                sealed = self.sealer.seal(Purpose.COUNTER, (self.info.uuid,), body_bytes)
                self.db.write("counter_set", self.info.id, self.sealer.generation, sealed)
                self._stored_usage = self.usage

    def settle(self, record: NodeRecord) -> None:
        """Flush one file so that its record's content is all that it has.  Raises Corrupt where
        that can't be, for damage beneath."""
        body = self.body(record) if record.delta_count else self.bodies.get(record.id)
        if body is not None and (body.changed or body.patched):
            body.fold_all()
            self.flush_body(body)
        if record.delta_count:
            raise Corrupt(f"node {record.id}: changes of it lie over damage")

    def flush_body(self, body: Body) -> None:
        """Flush one file.  What can't be, for damage beneath it, is lost: said in the log, and to
        the next fsync of the file, while all others go on."""
        record = body.record
        try:
            body.flush()
        except SqlfsError as error:
            if self.db.failure is not None:
                raise
            before = record.size
            body.abandon()
            self.count(size=record.size - before)
            self.lost[record.id] = error
            log.error("what was written to node %d is lost: %s", record.id, error)
        self.nodes.touch(record)

    def _forget_idle_bodies(self) -> None:
        idle = [
            node
            for node, body in self.bodies.items()
            if body.is_idle and not self.users.is_open(node)
        ]
        for node in idle:
            del self.bodies[node]

    # --- content ---

    def body(self, record: NodeRecord) -> Body:
        body = self.bodies.get(record.id)
        if body is None:
            body = Body(record, self.pool, self.deltas, self.shared.workers, self.info.chunk_size)
            self.bodies[record.id] = body
        return body

    def read(self, record: NodeRecord, offset: int, size: int) -> bytes:
        """As :meth:`Body.read`."""
        if record.id not in self.bodies:
            if is_inline(record):
                return read_inline(record, offset, size)
            piece = read_single(record, self.pool, offset, size)
            if piece is not None:
                return piece
        return self.body(record).read(offset, size)

    def write(self, record: NodeRecord, offset: int, data: bytes | memoryview) -> None:
        """As :meth:`Body.write`."""
        if record.id not in self.bodies and is_inline(record, offset + len(data)):
            write_inline(record, offset, data)
        else:
            self.body(record).write(offset, data)

    def truncate(self, record: NodeRecord, size: int) -> None:
        """As :meth:`Body.truncate`."""
        if record.id not in self.bodies and is_inline(record, size):
            truncate_inline(record, size)
        else:
            self.body(record).truncate(size)

    def attributes(self, record: NodeRecord) -> Attributes:
        """What ``stat`` shows, with what is still in memory."""
        body = self.bodies.get(record.id)
        if body is None and record.delta_count:
            body = self.body(record)
        return record.attributes(record.data_bytes if body is None else body.data_bytes())

    def check_quota(self, *, nodes: int = 0, size: int = 0) -> None:
        """Before a change that brings so much.  Raises QuotaExceeded."""
        quota, usage = self.quota, self.usage
        too_many = nodes > 0 and 0 < quota.nodes < usage.nodes + nodes
        bytes_max = quota.bytes or USAGE_BYTES_MAX
        if too_many or (size > 0 and usage.bytes + size > bytes_max):
            limit = f"{quota.nodes} nodes" if too_many else f"{bytes_max} bytes"
            raise QuotaExceeded(f"volume {self.info.name!r} may hold {limit}, and no more")

    def count(self, *, nodes: int = 0, size: int = 0) -> None:
        """Add to the counters.  Wrong ones, as only a forger with the key stores, end at 0."""
        self.resized += size != 0
        usage = self.usage
        self.usage = VolumeUsage(max(0, usage.nodes + nodes), max(0, usage.bytes + size))

    # --- users of nodes ---

    def closed(self, node: int) -> None:
        """One handle less."""
        self.users.closed(node)
        body = self.bodies.get(node)
        if body is not None and body.is_idle and not self.users.is_open(node):
            del self.bodies[node]
        self.orphans.drop_if_unused(node)

    def unpin(self, session: object, node: int) -> None:
        self.users.unpin(session, node)
        self.orphans.drop_if_unused(node)

    def leave(self, session: object) -> None:
        """Release all that a session holds."""
        self.subscriptions = [each for each in self.subscriptions if each.session is not session]
        self.users.leave(session)
        handles = self.shared.handles
        for handle in [id_ for id_, file in handles.items() if file.session is session]:
            self.closed(handles.pop(handle).record.id)
        self.orphans.drop_unused()

    def _remove(self, record: NodeRecord) -> None:
        size = record.size if stat.S_ISREG(record.mode) else 0
        self.deltas.remove_all(record)
        body = self.bodies.pop(record.id, None)
        if body is not None:
            body.abandon()
        if record.root is not None:
            self._given_up.append(record.root)
        self.xattrs.remove_all(record)
        self.nodes.remove(record)
        self.count(nodes=-1, size=-size)
        if len(self._given_up) >= _GIVEN_UP_MAX:
            self.drop_given_up()

    def drop_given_up(self) -> None:
        """Let go of the content of nodes that were removed.  Runs inside the store's transaction,
        which is open as long as there is any; where writing has ended, the next owner does it."""
        if self.db.failure is None:
            roots, self._given_up = self._given_up, []
            self.pool.drop(*roots)

    @property
    def has_given_up(self) -> bool:
        """Whether content waits for the next flush to be let go of."""
        return bool(self._given_up)

    @property
    def waiting_pages(self) -> int:
        """How many pages change when names, nodes and what they gave up are flushed, at most."""
        given_up = _PAGES_PER_ROOT * len(self._given_up)
        return self.nodes.dirty_pages + self.edges.dirty_pages + given_up

    def _remove_unreadable(self, node: int) -> None:
        """Delete what is left of a node that can't be read, and that nothing leads to any more.

        What it had of content and size is not known: check --repair puts the counts right."""
        if self.db.raw_rows("node_elsewhere", node, self.info.id):
            return
        self.nodes.remove_row(node)
        self.db.write("atime_delete", node)
        self.db.write("xattr_delete_all", node)
        self.deltas.remove_rows(node)
        self.count(nodes=-1)

    def called(self, node: int, name: bytes | None = None) -> str:
        """A node, or what is called `name` in it, as people know it: by its path, if it has one."""
        try:
            path = self.tree.path_of(node)
            if name is not None:
                path = path.rstrip(b"/") + b"/" + name
            what = show(path)
        except SqlfsError:
            what = f"node {node}" if name is None else f"{show(name)} in directory {node}"
        return f"{what} of volume {self.info.name!r}"

    # --- telling others ---

    def has_others(self, session: object) -> bool:
        """Whether anybody but `session` is told of changes."""
        for each in self.subscriptions:  # noqa: SIM110 -- twice as fast as any()
            if each.session is not session:
                return True
        return False

    def tell(self, changes: Sequence[Change], session: object) -> None:
        """Call the listeners of the other sessions.  Never under the store's lock."""
        subscriptions = list(self.subscriptions)
        own = [each.own_telling for each in subscriptions if each.session is session]
        for notice in filter(None, own):
            notice(True)
        try:
            for subscription in subscriptions:
                if subscription.session is not session:
                    with contextlib.suppress(ConnectionError):
                        subscription.listener(changes)
        finally:
            for notice in filter(None, own):
                notice(False)
