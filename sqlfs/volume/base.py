"""What all verbs of a direct session stand on."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from sqlfs.errors import BadHandle, ReadOnly
from sqlfs.namespace import NodeRecord, clock
from sqlfs.store import Database
from sqlfs.types import Change, ChangeKind
from sqlfs.volume.anchor import Anchor
from sqlfs.volume.opened import OpenFile, OpenVolume
from sqlfs.volume.work import Work

# How long a writer waits at a time for room in memory before it looks again (seconds).
_WAIT_S = 5.0
_DAY_NS = 24 * 3600 * 1_000_000_000


class Host(Protocol):
    """What a session needs of the volume file it lives in."""

    @property
    def db(self) -> Database: ...

    @property
    def work(self) -> Work: ...

    def touched(self) -> None:
        """Something changed in memory; called under the store's lock."""

    def durable(self) -> None:
        """Commit and sync; called under no lock."""

    def make_room(self) -> None:
        """Have what waits in memory stored soon; never blocks for long."""

    def session_closed(self, session: SessionBase) -> None: ...

    def session_arrived(self, session: SessionBase) -> None:
        """The session has again what it had under an earlier owner; called under the lock."""


class SessionBase:
    """One user of an unlocked volume, without verbs."""

    def __init__(self, host: Host, volume: OpenVolume, *, read_only: bool, atime: bool) -> None:
        self._host = host
        self._open_volume = volume
        self._anchor = Anchor(volume.tree, volume.info.root, volume.info.root)
        self._read_only = read_only
        self._keeps_atime = atime and not read_only
        self._closed = False
        self._lock = host.db.lock
        self._reader = Reading(self)
        # Of a client's session, which numbers its changing verbs; guarded by the store's lock.
        self.id = 0  # of its row; 0: none
        self.number = 0  # of the verb under way
        self.applied = 0  # of the last one that is done
        self.settled = 0  # of one that is committed, as are those before it
        self.found_applied = 0  # of the session that this one goes on from; below 0: not known

    @property
    def opened_volume(self) -> OpenVolume:
        return self._open_volume

    def _reading(self) -> Reading:
        """Every verb that only reads runs inside: ``with self._reading() as volume``."""
        return self._reader

    def _changing(self, size: int = 0, *, frees: bool = False) -> Changing:
        """Every mutating verb runs inside; what it notes is told to the other sessions when all
        locks are released.  `size`: content bytes that it brings; `frees`: it may use
        the reserve."""
        return Changing(self, self._host, size, frees=frees)

    def begin_reading(self) -> OpenVolume:
        """Take the store's lock.  Raises BadHandle without it."""
        self._lock.acquire()
        if self._closed:
            self._lock.release()
            raise BadHandle("the session is closed")
        return self._open_volume

    def end_reading(self) -> None:
        self._lock.release()

    def check_changeable(self) -> None:
        """Raises BadHandle, ReadOnly."""
        if self._closed:
            raise BadHandle("the session is closed")
        if self._read_only:
            raise ReadOnly(f"volume {self._open_volume.info.name!r} is open for reading only")

    def _settle(self, node: int) -> None:
        """Have no deltas of a node that is about to be shared; those of others go with them."""
        with self._reading() as volume:
            body = volume.bodies.get(node)
            is_patched = body is not None and body.patched
        if is_patched:
            self._host.work.fold_all(volume)

    def done(self, number: int) -> None:
        """A numbered verb is a part of the open transaction."""
        with self._lock:
            self.applied = max(self.applied, number)

    def congested(self) -> bool:
        return self._host.work.gauge.full or self._host.db.settling()

    def wait_uncongested(self) -> None:
        db, gauge = self._host.db, self._host.work.gauge
        while gauge.full or db.settling():
            if db.failure is not None:
                raise db.refusal()
            self._host.make_room()
            gauge.wait(_WAIT_S)
            db.wait_settled()

    def catching_up(self) -> bool:
        return False

    def wait_caught_up(self) -> None:
        """Here is the owner."""

    def _handle(self, handle: int) -> OpenFile:
        file = self._open_volume.shared.handles.get(handle)
        if file is None or file.session is not self:
            raise BadHandle(f"handle {handle} is not open")
        return file

    def _let_go(self) -> None:
        """After a node lost a user, and may be gone: its content goes with the next commit."""
        if self._open_volume.has_given_up:
            self._host.touched()

    def _accessed(self, record: NodeRecord) -> None:
        # relatime: only when it tells something new.
        if not self._keeps_atime or self._host.work.is_tight:
            return
        now = clock.now_ns()
        atime = record.atime_ns
        if record.mtime_ns < atime and record.ctime_ns < atime and now - atime < _DAY_NS:
            return
        record.atime_ns = now
        self._open_volume.nodes.touch_atime(record)
        self._host.touched()


class Reading:
    """The store's lock, while a verb of an open session reads.  Without state: one per session."""

    __slots__ = ("_session",)

    def __init__(self, session: SessionBase) -> None:
        self._session = session

    def __enter__(self) -> OpenVolume:
        return self._session.begin_reading()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.end_reading()


class Changing:
    """One mutating verb: room for it, the store's lock with a transaction open, and what the
    other sessions are told when it is done and the lock released."""

    __slots__ = ("_frees", "_host", "_pages", "_session", "_size", "_told", "volume")

    def __init__(self, session: SessionBase, host: Host, size: int, *, frees: bool) -> None:
        self.volume = session.opened_volume
        self._session = session
        self._host = host
        self._size = size
        self._frees = frees

    def __enter__(self) -> Changing:
        session = self._session
        session.check_changeable()
        if session.congested():
            session.wait_uncongested()
        self._pages = self._host.work.begin(self._size, frees=self._frees)
        self._told: list[Change] | None = [] if self.volume.has_others(session) else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session = self._session
        if kind is None and session.number > session.applied:
            session.applied = session.number
        self._host.touched()
        self._host.work.end(self._pages)
        if self._told and kind is None:
            self.volume.tell(self._told, session)

    # --- what the verb notes ---

    def entry(self, directory: int, name: bytes) -> None:
        """A new, another or no child is at `name`."""
        if self._told is not None:
            self._told.append(Change(ChangeKind.ENTRY, directory, name))
            self._told.append(Change(ChangeKind.ATTRIBUTES, directory))

    def attributes(self, node: int) -> None:
        if self._told is not None:
            self._told.append(Change(ChangeKind.ATTRIBUTES, node))

    def content(self, node: int) -> None:
        """The bytes of `node`, and so its attributes."""
        if self._told is not None:
            self._told.append(Change(ChangeKind.CONTENT, node))
