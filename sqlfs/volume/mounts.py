"""The live sessions on a file, and their rows, which outlive the owner.

By its row the next owner knows that a client of this one may come back, and which of the
client's verbs are in the state that is stored.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlfs.chunks import unpack
from sqlfs.crypto import Purpose
from sqlfs.errors import Corrupt
from sqlfs.limits import CLIENTS_AWAITED_S_MAX
from sqlfs.store import Database, IdSource
from sqlfs.store.rows import Row
from sqlfs.types import MountInfo
from sqlfs.volume.base import SessionBase
from sqlfs.volume.direct import DirectSession
from sqlfs.volume.opened import OpenVolume

# What stands for the number of the last applied verb where nobody knows it any more.
UNKNOWN: Final = -1

_ENDED_MAX: Final = 256
_BODY = struct.Struct("<Q??Q")

log = logging.getLogger("sqlfs")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row's body.  ``applied``: the number of the client's last verb that is in this state."""

    pid: int
    read_only: bool
    is_clients: bool
    applied: int
    place: bytes  # the door, NUL, where

    def encode(self) -> bytes:
        return _BODY.pack(self.pid, self.read_only, self.is_clients, self.applied) + self.place

    @classmethod
    def decode(cls, body: bytes) -> _Row:
        pid, read_only, is_clients, applied = unpack(_BODY, body[: _BODY.size], "a mount")
        return cls(pid, read_only, is_clients, applied, body[_BODY.size :])


@dataclass(slots=True)
class _Live:
    session: DirectSession
    volume: OpenVolume
    info: MountInfo
    row: _Row


@dataclass(slots=True)
class _Awaited:
    """Clients of a dead owner that may come back to `volume`, by the ids of their sessions."""

    volume: OpenVolume
    rows: dict[int, _Row]
    until: float


class Mounts:
    """Guarded by the store's lock."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._ids = IdSource(database, "mount")
        self._live: dict[SessionBase, _Live] = {}
        self._awaited: dict[int, _Awaited] = {}  # by volume
        # Last applied verbs of clients' sessions that ended here, or were awaited for too long: one
        # that was slow comes back.
        self._ended: OrderedDict[int, int] = OrderedDict()

    @property
    def ids(self) -> IdSource:
        return self._ids

    def __len__(self) -> int:
        return len(self._live)

    def infos(self) -> list[MountInfo]:
        """Oldest first."""
        return [each.info for each in self._live.values()]

    def clear_copied(self) -> None:
        """Who uses the file that this one is a copy of does not come here."""
        if self._db.was_copy and self._db.row("mount_count") != (0,):
            with self._db.writing():
                self._db.write("mount_clear")

    # --- the beginning and the end of a session ---

    def enlist(
        self, session: DirectSession, volume: OpenVolume, info: MountInfo, *, is_clients: bool
    ) -> None:
        """List a session.  `info.id` is that of the session, under an earlier owner or this one,
        which it goes on from; 0 where there is none."""
        claim = info.id
        row = _Row(
            info.pid,
            info.read_only,
            is_clients,
            0,
            f"{info.door}\0{info.where}".encode(errors="surrogateescape"),
        )
        id_ = 0
        awaited = self._awaited.get(volume.info.id)
        if claim and awaited is not None and claim in awaited.rows:
            id_ = claim
            session.found_applied = awaited.rows[claim].applied
        elif claim:
            session.found_applied = self._ended.pop(claim, UNKNOWN)
        session.applied = max(0, session.found_applied)
        row = replace(row, applied=session.applied)
        if not session.read_only:
            with self._db.writing():
                if id_:
                    self._db.write("mount_set", *self._sealed(volume, id_, row), id_)
                else:
                    id_ = self._ids.next()
                    generation, sealed = self._sealed(volume, id_, row)
                    self._db.write(
                        "mount_insert", id_, volume.info.id, generation, info.started_ns, sealed
                    )
        session.id = id_
        self._live[session] = _Live(session, volume, replace(info, id=id_), row)

    def delist(self, session: SessionBase) -> None:
        live = self._live.pop(session, None)
        if live is None:
            return
        self.arrived(session)
        if live.row.is_clients and session.id:
            self._note_ended(session.id, session.applied)
        if live.info.id and not self._db.read_only and self._db.failure is None:
            with self._db.writing():
                self._db.write("mount_delete", live.info.id)

    def _note_ended(self, id_: int, applied: int) -> None:
        self._ended[id_] = applied
        if len(self._ended) > _ENDED_MAX:
            self._ended.popitem(last=False)

    def leave_clients(self) -> list[DirectSession]:
        """The owner ends in good order: its clients' sessions are given up, their rows stay.
        Returns the others."""
        own = []
        for live in self._live.values():
            if live.row.is_clients:
                live.session.give_up()
            else:
                own.append(live.session)
        return own

    def flush(self) -> None:
        """Write which verbs are applied: runs before each commit."""
        for session, live in self._live.items():
            session.settled = live.row.applied
            if session.applied != live.row.applied:
                live.row = replace(live.row, applied=session.applied)
                sealed = self._sealed(live.volume, session.id, live.row)
                with self._db.writing():
                    self._db.write("mount_set", *sealed, session.id)

    def _sealed(self, volume: OpenVolume, id_: int, row: _Row) -> tuple[int, bytes]:
        sealer, aad = volume.sealer, (volume.info.uuid, id_)
        return sealer.generation, sealer.seal(Purpose.MOUNT, aad, row.encode())

    # --- clients of a dead owner ---

    def await_clients(self, volume: OpenVolume) -> bool:
        """Look at the rows that an owner left; whether one of its clients may come back."""
        left: dict[int, _Row] = {}
        for found in self._db.raw_rows("mount_of_volume", volume.info.id):
            id_, row = found[0], self._opened(volume, found)
            if row is not None and row.is_clients and _lives(row.pid):
                left[id_] = row
            else:
                with self._db.writing():
                    self._db.write("mount_delete", id_)
        if left:
            until = time.monotonic() + CLIENTS_AWAITED_S_MAX
            self._awaited[volume.info.id] = _Awaited(volume, left, until)
        return bool(left)

    def _opened(self, volume: OpenVolume, found: Row) -> _Row | None:
        """None if it is damaged: the owner goes on without it."""
        id_, generation, sealed = found
        aad, what = (volume.info.uuid, id_), f"mount {id_}"
        try:
            damage = self._db.damage("mount_of_volume", found)
            if damage is not None:
                raise Corrupt(f"{self._db.path} is damaged: {damage}")
            return _Row.decode(volume.rows.open(Purpose.MOUNT, aad, generation, sealed, what))
        except Corrupt as error:
            log.error("%s", error)
            return None

    def arrived(self, session: SessionBase) -> None:
        """A client has come back and has again what it had, or has ended."""
        for awaited in list(self._awaited.values()):
            if awaited.rows.pop(session.id, None) is not None and not awaited.rows:
                self._end_waiting(awaited)

    @property
    def is_waiting(self) -> bool:
        return bool(self._awaited)

    def look(self) -> bool:
        """Give up waiting for who died or is too late; whether somebody is awaited still."""
        now = time.monotonic()
        for awaited in list(self._awaited.values()):
            for id_, row in list(awaited.rows.items()):
                claimed = any(session.id == id_ for session in self._live)
                if claimed or (now < awaited.until and _lives(row.pid)):
                    continue
                del awaited.rows[id_]
                self._note_ended(id_, row.applied)
                with self._db.writing():
                    self._db.write("mount_delete", id_)
            if not awaited.rows:
                self._end_waiting(awaited)
        return bool(self._awaited)

    def forget(self, volume: OpenVolume) -> None:
        """The volume is locked: who comes back later finds its row again."""
        self._awaited.pop(volume.info.id, None)

    def _end_waiting(self, awaited: _Awaited) -> None:
        del self._awaited[awaited.volume.info.id]
        awaited.volume.end_waiting()


def _lives(pid: int) -> bool:
    """Whether a process is there, as far as can be seen from here."""
    if pid == 0:
        return True  # of another namespace
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return _can_be_signalled(pid)
    return state not in (b"Z", b"X")


def _can_be_signalled(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
