"""What waits in memory of all unlocked volumes of a file, as the committer sees it."""

from __future__ import annotations

import os

from sqlfs.content import Body, SealWorkers
from sqlfs.errors import NoSpace
from sqlfs.limits import RESERVE_BYTES
from sqlfs.store import Database
from sqlfs.volume.opened import OpenVolume

# Namespace changes between two looks at the free space; and what one of them may need.
_UNCHECKED_BYTES = 1024 * 1024
_CHANGE_BYTES = 1024


class Work:
    """State is guarded by the store's lock, but for the gauge, which has one of its own."""

    def __init__(self, database: Database, workers: SealWorkers) -> None:
        self.gauge = workers.gauge
        self._workers = workers
        self._db = database
        self._volumes: dict[int, OpenVolume] = {}
        self._unchecked = _UNCHECKED_BYTES
        self._tight = False

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

    def reclaim(self, limit: int) -> bool:
        """Work off up to `limit` rows of the reclaim queues; False when they are empty."""
        with self._db.lock:
            if self._db.read_only or self._db.settling():
                return False
            for volume in self._volumes.values():
                for done in range(limit):
                    if not volume.pool.reclaim_step():
                        if done:
                            return True
                        break
                else:
                    return True
        return False

    def admit(self, size: int) -> None:
        """Make sure that a change of `size` content bytes finds room.  Raises NoSpace.

        Looks at the file system now and then only, and at every change once it is tight.
        """
        with self._db.lock:
            self._unchecked += size + _CHANGE_BYTES
            if self._unchecked < _UNCHECKED_BYTES and not self._tight:
                return
            self._unchecked = 0
            room = self.room()
            self._tight = room < _UNCHECKED_BYTES
        if room >= size + _CHANGE_BYTES:
            return
        while self._has_reclaim() and self.reclaim(64):
            pass
        self._db.shrink_log()
        if self.room() < size + _CHANGE_BYTES:
            raise NoSpace(f"no room left for {self._db.path} on its file system")

    def room(self) -> int:
        """Content bytes that may still be written.

        Each goes into the log, and later into the file: into what the log's file has already,
        and into free pages, before the file system is asked for more.
        """
        with self._db.lock:
            status = os.statvfs(self._db.path.parent)
            waiting = self.gauge.bytes
            available = status.f_bavail * status.f_frsize - RESERVE_BYTES - self._db.bytes_due()
            _, free = self._db.page_counts()
            in_log = self._db.log_allocated - self._db.log_bytes - self._db.uncommitted_bytes
            spare = sorted((in_log - waiting, free * self._db.page_size - waiting))
        # Up to the lesser of the two a byte costs nothing, up to the greater once, then twice.
        if available <= spare[1] - spare[0]:
            return spare[0] + available
        return (available + sum(spare)) // 2

    def capacity(self) -> int:
        """Content bytes that the volume can still take, checkpoint by checkpoint: what ``df``
        shows."""
        with self._db.lock:
            status = os.statvfs(self._db.path.parent)
            outside = status.f_bavail * status.f_frsize + self._db.log_allocated
            _, free = self._db.page_counts()
            growth = max(0, outside - RESERVE_BYTES - self._db.bytes_due())
            return max(0, free * self._db.page_size + growth - self.gauge.bytes)

    def _has_reclaim(self) -> bool:
        return any(self._db.raw_rows("reclaim_next", v.info.id) for v in self.volumes())
