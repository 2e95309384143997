"""What all verbs of a direct session stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlfs.errors import BadHandle, ReadOnly
from sqlfs.namespace import NodeRecord, clock
from sqlfs.store import Database
from sqlfs.types import Change
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
        # Of a client's session, which numbers its changing verbs; guarded by the store's lock.
        self.id = 0  # of its row; 0: none
        self.number = 0  # of the verb under way
        self.applied = 0  # of the last one that is done
        self.settled = 0  # of one that is committed, as are those before it
        self.found_applied = 0  # of the session that this one goes on from; below 0: not known

    @property
    def opened_volume(self) -> OpenVolume:
        return self._open_volume

    @contextmanager
    def _reading(self) -> Iterator[OpenVolume]:
        with self._lock:
            if self._closed:
                raise BadHandle("the session is closed")
            yield self._open_volume

    @contextmanager
    def _changing(self, size: int = 0, *, frees: bool = False) -> Iterator[list[Change]]:
        """Every mutating verb runs inside; what it notes is told to the other sessions when all
        locks are released.  `size`: content bytes that it brings; `frees`: it may use
        the reserve."""
        if self._closed:
            raise BadHandle("the session is closed")
        if self._read_only:
            raise ReadOnly(f"volume {self._open_volume.info.name!r} is open for reading only")
        self.wait_uncongested()
        work = self._host.work
        pages = work.admit(size, frees=frees)
        changes: list[Change] = []
        try:
            with self._host.db.writing():
                try:
                    yield changes
                    self.done(self.number)
                finally:
                    self._host.touched()
        finally:
            work.arrived(pages)
        if changes and len(self._open_volume.subscriptions):
            self._open_volume.tell(tuple(changes), self)

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

    def _handle(self, handle: int) -> OpenFile:
        file = self._open_volume.shared.handles.get(handle)
        if file is None or file.session is not self:
            raise BadHandle(f"handle {handle} is not open")
        return file

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
