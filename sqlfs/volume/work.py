"""What waits in memory of all unlocked volumes of a file, and whether there is room for it."""

from __future__ import annotations

from sqlfs.content import Body, SealWorkers
from sqlfs.errors import NoSpace
from sqlfs.limits import MIB
from sqlfs.store import Database
from sqlfs.volume.opened import OpenVolume

# Pages that one change is taken to change beside its content, those of its flush included; the
# reserve stands for the few that change more.
_CHANGE_PAGES = 8
# What the first change of a transaction, its commit, and the checkpoint that may have to follow at
# once, change beside that.
_COMMIT_PAGES = 16
# Changes for which room is looked for at once.
_AHEAD_PAGES = 8 * _CHANGE_PAGES
# What waits in memory is committed when it might change this much: the log takes room for no more.
_WAITING_BYTES_MAX = 64 * MIB
_RECLAIM_AT_ONCE = 64
_FOLD_AT_ONCE = 16


class Work:
    """State is guarded by the store's lock, but for the gauge, which has one of its own."""

    def __init__(self, database: Database, workers: SealWorkers) -> None:
        self.gauge = workers.gauge
        self._workers = workers
        self._db = database
        self._volumes: dict[int, OpenVolume] = {}
        self._promised_pages = 0  # to changes that are being made
        # Whether a change was refused, or met the reserve, since there last was room.
        self.is_tight = False
        database.room.waiting = self._waiting_pages

    def add(self, volume: OpenVolume) -> None:
        self._volumes[volume.info.id] = volume

    def remove(self, volume: OpenVolume) -> None:
        del self._volumes[volume.info.id]

    def volume(self, id_: int) -> OpenVolume | None:
        return self._volumes.get(id_)

    def volumes(self) -> list[OpenVolume]:
        return list(self._volumes.values())

    def flush(self) -> None:
        """Bring the open transaction up to date with memory: runs before each commit."""
        for volume in self._volumes.values():
            volume.flush()

    def land(self, limit: int) -> bool:
        """Store up to `limit` chunks that have been sealed; False when there is none."""
        if not self._workers.sealed:
            return False
        with self._db.writing():
            for _ in range(limit):
                if not self._workers.sealed:
                    break
                body = self._workers.sealed.popleft()
                assert isinstance(body, Body)
                body.land(wait=False, limit=1)
        return True

    def fold(self, limit: int, *, only: OpenVolume | None = None) -> bool:
        """Seal up to `limit` slots anew that have deltas, of one volume; False when there are none,
        or no room: then deltas stay what they are."""
        for volume in self.volumes() if only is None else [only]:
            if not volume.deltas.bytes:
                continue
            pages = self._pages(limit * volume.info.chunk_size)
            if not self._promise(pages, frees=False):
                continue
            try:
                with self._db.writing():
                    if volume.fold(limit):
                        return True
            finally:
                self.arrived(pages)
        return False

    def fold_all(self, volume: OpenVolume) -> None:
        """Leave no deltas of a volume, as far as there is room, and they are not over damage."""
        while self.fold(_FOLD_AT_ONCE, only=volume):
            if self.gauge.large:
                self._db.commit()

    @property
    def has_many_deltas(self) -> bool:
        return any(volume.deltas.many for volume in self._volumes.values())

    def reclaim(self, limit: int) -> bool:
        """Work off up to `limit` rows of the reclaim queues; False when they are empty, or what is
        there has to be checkpointed first."""
        with self._db.lock:
            if self._db.read_only or self._db.settling():
                return False
            for volume in self._volumes.values():
                volume.drop_given_up()
                for done in range(limit):
                    has_room = self._holds(_CHANGE_PAGES, frees=True)
                    if not has_room or not volume.pool.reclaim_step():
                        if done:
                            return True
                        break
                else:
                    return True
        return False

    # --- room ---

    def take_ahead(self) -> None:
        """A burst goes on: have room taken for the rest of it, beside all else.  Under the lock."""
        self._workers.beside(self._db.room.take_ahead)

    def begin(self, size: int, *, frees: bool) -> int:
        """Take the store's lock, with a transaction open and room for a change that brings `size`
        bytes of content, or `frees` some; returns what :meth:`end` takes back.  Raises NoSpace."""
        database = self._db
        database.lock.acquire()
        # Where no lock is given up before the change is made, it needs no promise.
        pages = _CHANGE_PAGES + -(-size // database.page_size)
        if database.room.ahead >= pages and (database.dirty or not database.settling()):
            database.room.ahead -= pages
            if not database.dirty:
                try:
                    database.begin()
                finally:
                    database.lock.release()  # it is held twice now, or once after an error
            return 0
        database.lock.release()
        pages = self.admit(size, frees=frees)
        try:
            database.begin()
        except BaseException:
            self.arrived(pages)
            raise
        return pages

    def end(self, pages: int) -> None:
        """The change is in memory, or was not made: release the lock."""
        self._promised_pages -= pages
        self._db.lock.release()

    def admit(self, size: int, *, frees: bool = False) -> int:
        """Take room for a change that brings `size` bytes of content, or `frees` some.

        Returns the pages that are promised to it until :meth:`arrived`.  Raises NoSpace.
        """
        pages = self._pages(size)
        if not self._promise(pages, frees=frees):
            self._make_room(pages, frees=frees)
        return pages

    def arrived(self, pages: int) -> None:
        """The change that `pages` were promised to is in memory, or was not made."""
        with self._db.lock:
            self._promised_pages -= pages

    def is_short(self) -> bool:
        """Whether a checkpoint is needed for the log to have its reserve again."""
        with self._db.lock:
            used = self._db.log_bytes > 0
            return used and self.is_tight and not self._holds(_AHEAD_PAGES, frees=False)

    def capacity(self) -> int:
        """Content bytes that the volume can still take, checkpoint by checkpoint: what ``df``
        shows."""
        with self._db.lock:
            return max(0, self._db.room.capacity() - self.gauge.bytes)

    def _pages(self, size: int) -> int:
        return _CHANGE_PAGES + -(-size // self._db.page_size)

    def _promise(self, pages: int, *, frees: bool) -> bool:
        with self._db.lock:
            room = self._db.room
            if room.ahead >= pages:
                room.ahead -= pages
            elif self._waiting_pages() * self._db.page_size > _WAITING_BYTES_MAX:
                return False
            elif self._holds(pages + _AHEAD_PAGES, frees=False):
                room.ahead = _AHEAD_PAGES
                self.is_tight = False
            elif not self._holds(pages, frees=frees):
                return False
            self._promised_pages += pages
            return True

    def _make_room(self, pages: int, *, frees: bool) -> None:
        """Promise `pages` after what frees room was done, one thing after the other."""
        database = self._db
        with database.lock:
            database.commit()
            database.release_memory()
        if self._promise(pages, frees=frees):
            return
        self.is_tight = True
        self._settle()
        if self._promise(pages, frees=frees):
            return
        while not frees and self._has_reclaim() and self._reclaim_all():
            self._settle()
            if self._promise(pages, frees=frees):
                return
        if not frees and database.room.log_has_spare():
            database.trim_log()
            if self._promise(pages, frees=frees):
                return
        raise NoSpace(f"no room left for {database.path} on its file system")

    def _settle(self) -> None:
        """Checkpoint, if there is anything to copy."""
        if self._db.log_bytes or self._db.dirty:
            self._db.checkpoint(mark=True)

    def _reclaim_all(self) -> bool:
        done = False
        while self.reclaim(_RECLAIM_AT_ONCE):
            done = True
        return done

    def _holds(self, pages: int, *, frees: bool) -> bool:
        return self._db.room.holds(self._waiting_pages() + pages + _COMMIT_PAGES, frees=frees)

    def _waiting_pages(self) -> int:
        """Pages that will change when what is in memory is flushed, as far as can be told."""
        page_size = self._db.page_size
        content = waiting = self.gauge.bytes // page_size + self._promised_pages
        waiting += self.gauge.changed_bodies
        for volume in self._volumes.values():
            waiting += self.gauge.bytes // volume.info.chunk_size
            waiting += volume.waiting_pages
        if waiting <= _AHEAD_PAGES:
            return waiting
        count, _ = self._db.page_counts()
        return min(waiting, count + 2 * content)

    def _has_reclaim(self) -> bool:
        return any(self._db.raw_rows("reclaim_next", v.info.id) for v in self.volumes())
