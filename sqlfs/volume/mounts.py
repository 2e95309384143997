"""The live sessions on the volumes of a file, and their rows, which are information only."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

from sqlfs.crypto import Purpose
from sqlfs.store import IdSource
from sqlfs.store.database import Database
from sqlfs.types import MountInfo
from sqlfs.volume.base import SessionBase
from sqlfs.volume.direct import DirectSession

_PID = struct.Struct("<Q?")


@dataclass(slots=True)
class _Mounted:
    session: DirectSession
    info: MountInfo


class Mounts:
    """All state is guarded by the store's lock, which every method takes itself."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._ids = IdSource(database, "mount")
        self._mounted: dict[int, _Mounted] = {}

    def __len__(self) -> int:
        return len(self._mounted)

    def clear_stale(self) -> None:
        """Remove the rows that owners left who died."""
        row = self._db.row("mount_count")
        if row is not None and row[0]:
            with self._db.writing():
                self._db.write("mount_clear")

    def enlist(
        self, session: DirectSession, *, door: str, where: str, pid: int, subdir: str
    ) -> None:
        opened = session.opened_volume
        started = time.time_ns()
        id_ = 0
        with self._db.lock:
            if not session.read_only:
                id_ = self._insert(session, door, where, pid, started)
            info = MountInfo(
                id_, opened.info.name, door, where, pid, session.read_only, started, subdir
            )
            self._mounted[id(session)] = _Mounted(session, info)

    def _insert(self, session: DirectSession, door: str, where: str, pid: int, started: int) -> int:
        opened = session.opened_volume
        with self._db.writing():
            id_ = self._ids.next()
            body = _PID.pack(pid, session.read_only) + f"{door}\0{where}".encode(
                errors="surrogateescape"
            )
            sealed = opened.sealer.seal(Purpose.MOUNT, (opened.info.uuid, id_), body)
            generation = opened.sealer.generation
            self._db.write("mount_insert", id_, opened.info.id, generation, started, sealed)
        return id_

    def strike(self, session: SessionBase, *, writes: bool) -> None:
        """The session ends; with `writes` its row goes, too."""
        with self._db.lock:
            mounted = self._mounted.pop(id(session), None)
            if mounted is not None and mounted.info.id and writes:
                with self._db.writing():
                    self._db.write("mount_delete", mounted.info.id)

    def infos(self) -> list[MountInfo]:
        """Oldest first."""
        with self._db.lock:
            return [each.info for each in self._mounted.values()]

    def sessions(self) -> list[DirectSession]:
        with self._db.lock:
            return [each.session for each in self._mounted.values()]
