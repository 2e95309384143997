"""A volume file opened by the process that owns it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlfs.chunks import SizedCache
from sqlfs.content import Gauge, SealWorkers
from sqlfs.crypto import KdfParameters, KeySlot
from sqlfs.errors import ConnectionLost, NoSuchVolume, NotADirectory, NotFound, ReadOnly
from sqlfs.limits import (
    CHUNK_BYTES_DEFAULT,
    CHUNK_CACHE_BYTES,
    CLOSE_DEFERRED_S_MAX,
    PAGE_BYTES_DEFAULT,
)
from sqlfs.store import IdSource, Image, OpenWatch, create_file, open_file
from sqlfs.store.database import Database
from sqlfs.store.digest import Progress
from sqlfs.store.io import Syncer
from sqlfs.types import Caller, MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume.base import SessionBase
from sqlfs.volume.committer import Committer
from sqlfs.volume.direct import DirectSession
from sqlfs.volume.mounts import Mounts
from sqlfs.volume.opened import OpenVolume, SharedParts
from sqlfs.volume.paths import decode, show
from sqlfs.volume.settings import (
    NewVolume,
    VolumeRow,
    check_bounds,
    insert_volume,
    read_slots,
    read_volumes,
    unlock,
    write_quota,
)
from sqlfs.volume.work import Work

_ROOT_MODE = 0o755
_LOOK_S = 0.02


class VolumeFile:
    """One per process and file; thread-safe.  Use as a context manager, or :meth:`close` it."""

    def __init__(
        self, database: Database, notices: list[str], *, background: bool, read_only: bool
    ) -> None:
        self.db = database
        self.notices = notices
        self.path = database.path
        self.read_only = read_only or database.read_only
        status = os.fstat(database.fd)
        self.identity = (status.st_dev, status.st_ino)
        self._watch = OpenWatch(self.path)
        gauge = Gauge()
        self._workers = SealWorkers(gauge, self._sealed)
        self.work = Work(database, self._workers)
        self._shared = SharedParts(database, self._workers, SizedCache(CHUNK_CACHE_BYTES))
        self._volume_ids = IdSource(database, "volume")
        self._mounts = Mounts(database)  # guarded by the store's lock
        self._closed = False
        self._background = background and not self.read_only
        self._committer = Committer(database, self.work, self._watch, self._mounts)
        database.on_begin.append(self._hold)
        database.on_commit += [self.work.flush, self._mounts.flush]
        if not self.read_only:
            self._mounts.clear_copied()
        if self._background:
            self._watch.start(database.fd, self._committer.wake)
            self._committer.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        accept_state: bool = False,
        page_size: int = PAGE_BYTES_DEFAULT,
        background: bool = True,
        vfs: str | None = None,
        syncer: Syncer | None = None,
        progress: Progress | None = None,
    ) -> VolumeFile:
        """Become the owner of the file at `path`; with `create`, make it when it is missing.

        A copy is verified when it is first opened, and `progress` called with the rows that were
        looked at, and how many there are; a torn one is opened for reading only.
        Without `background` no thread commits: only sync, fsync, commit and close do.
        Raises InUse when another process owns it, and whatever is wrong with the file.
        """
        path = Path(path)
        if create and not path.exists():
            create_file(path, page_size=page_size)
        opened = open_file(
            path, read_only=read_only, accept_state=accept_state, vfs=vfs, syncer=syncer,
            progress=progress,
        )  # fmt: skip
        try:
            return cls(opened.database, opened.notices, background=background, read_only=read_only)
        except BaseException:
            opened.database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- volumes ---

    def volumes(self) -> list[VolumeInfo]:
        return [row.info for row in read_volumes(self.db)]

    def create_volume(
        self,
        name: str,
        passphrase: bytes | None = None,
        *,
        chunk_size: int = CHUNK_BYTES_DEFAULT,
        dedupe: bool = True,
        compression: int = 0,
        kdf: KdfParameters | None = None,
    ) -> VolumeInfo:
        """A new volume, encrypted when there is a passphrase; `compression` is a level of zstd,
        0 for none.  Durable on return.

        Raises VolumeExists, Invalid, ReadOnly."""
        if self.read_only:
            raise ReadOnly(f"{self.path} is open for reading only")
        new = NewVolume(name, passphrase, chunk_size, dedupe, compression, kdf)
        new.check()
        with self.db.writing():
            root = self._shared.node_ids.next()
            row, sealer = insert_volume(self.db, new, self._volume_ids, root)
            volume = OpenVolume(row, sealer, self._shared)
            volume.begin_new()
            volume.tree.make_root(root, _ROOT_MODE, Caller(os.geteuid(), os.getegid()))
            volume.flush()
        self.durable()
        return row.info

    def slots(self, volume: str) -> list[tuple[int, KeySlot]]:
        """The public parameters with which anybody derives a KEK from a passphrase."""
        row = self._row(volume)
        return [(number, slot) for number, _, slot in read_slots(self.db, row.info.id)]

    def usage(self, volume: str) -> VolumeUsage:
        """Counters of a volume that is unlocked now.  Raises NoSuchVolume when it isn't."""
        with self.db.lock:
            return self._unlocked(volume).usage

    def quota(self, volume: str) -> Quota:
        """Of a volume that is unlocked now.  Raises NoSuchVolume when it isn't."""
        with self.db.lock:
            return self._unlocked(volume).quota

    def set_quota(self, volume: str, quota: Quota) -> None:
        """Limit what a volume that is unlocked now may hold; what it holds already stays.  Durable
        on return.  Raises NoSuchVolume, Invalid, ReadOnly."""
        check_bounds(quota)
        with self.db.lock, self.db.writing():
            opened = self._unlocked(volume)
            write_quota(self.db, self._row(volume), opened.sealer, quota)
            opened.quota = quota
        self.durable()

    def _unlocked(self, volume: str) -> OpenVolume:
        opened = self.work.volume(self._row(volume).info.id)
        if opened is None:
            raise NoSuchVolume(f"volume {volume!r} is not unlocked")
        return opened

    def _row(self, volume: str) -> VolumeRow:
        row = self.db.row("volume_by_name", volume)
        if row is None:
            names = ", ".join(repr(info.name) for info in self.volumes()) or "none"
            raise NoSuchVolume(f"{self.path} has no volume {volume!r} (it has: {names})")
        return VolumeRow.of(row)

    # --- sessions ---

    def session(
        self,
        volume: str,
        *,
        passphrase: bytes | None = None,
        kek: bytes | None = None,
        read_only: bool = False,
        door: str = "api",
        where: str = "",
        pid: int | None = None,
        atime: bool = True,
        subdir: bytes = b"/",
        is_clients: bool = False,
        claim: int = 0,
        root: int = 0,
    ) -> DirectSession:
        """A session on an unlocked volume, with the directory at `subdir` for its root.

        One of a client (`is_clients`) may go on from the session that had the id `claim`, under
        an earlier owner or this one, and whose root was the node `root`.

        `kek`, as :func:`sqlfs.crypto.derive_kek` gives it for the first slot, stands for the
        passphrase.  Without `atime`, reading leaves no trace.
        Raises NoSuchVolume, WrongPassphrase, PassphraseNeeded, NoPassphraseNeeded; and for a
        `subdir` that is no directory NotFound, NotADirectory, NameTooLong, SymlinkLoop.
        """
        row = self._row(volume)
        sealer = unlock(self.db, row, passphrase, kek)
        with self.db.lock:
            if self._closed:
                raise ConnectionLost(f"{self.path} is just being closed by process {os.getpid()}")
            opened = self.work.volume(row.info.id)
            if opened is None:
                opened = OpenVolume(row, sealer, self._shared)
                self.work.add(opened)
                try:
                    opened.begin(self._mounts.await_clients)
                except BaseException:
                    self.work.remove(opened)
                    raise
            opened.sessions += 1
            session = DirectSession(
                self, opened, read_only=read_only or self.read_only, atime=atime
            )
            try:
                # The volume's own root is not looked at: a damaged one is for check to find.
                place = decode(subdir)
                if root:
                    session.anchor(root)
                elif subdir != b"/":
                    place = self._descend(session, volume, subdir)
                info = MountInfo(
                    claim, volume, door, where, pid or os.getpid(), session.read_only,
                    time.time_ns(), place,
                )  # fmt: skip
                self._mounts.enlist(session, opened, info, is_clients=is_clients)
                if session.id or opened.awaits_clients:
                    self.touched()  # reading is faster where nothing is uncommitted
            except BaseException:
                session.close()
                raise
            return session

    def unlock_for_repair(self, volume: str, passphrase: bytes | None = None) -> None:
        """Have the volume open as long as the file is, without believing more than its settings.

        Raises what :meth:`session` does for volume and passphrase."""
        row = self._row(volume)
        sealer = unlock(self.db, row, passphrase)
        with self.db.lock:
            opened = OpenVolume(row, sealer, self._shared)
            opened.begin_repair()
            opened.sessions += 1  # sessions that come and go leave it open
            self.work.add(opened)

    def _descend(self, session: DirectSession, volume: str, subdir: bytes) -> str:
        try:
            return decode(session.descend(subdir))
        except NotFound:
            raise NotFound(
                f"volume {volume!r} of {self.path} has no directory {show(subdir)}: create it first"
            ) from None
        except NotADirectory:
            raise NotADirectory(
                f"{show(subdir)} in volume {volume!r} of {self.path} is not a directory"
            ) from None

    def mounts(self) -> list[MountInfo]:
        """The sessions that live now, oldest first."""
        with self.db.lock:
            return self._mounts.infos()

    def session_closed(self, session: SessionBase) -> None:
        """A session ends: what it did becomes durable, and its volume is locked with the last."""
        writes = not self.read_only and self.db.failure is None
        try:
            with self.db.lock:
                self._mounts.delist(session)
                is_last = session.opened_volume.sessions == 1
            if writes:
                if is_last:  # nobody else can without the key
                    self.work.fold_all(session.opened_volume)
                self.durable()
        finally:
            with self.db.lock:
                opened = session.opened_volume
                opened.sessions -= 1
                if opened.sessions == 0:
                    self._mounts.forget(opened)
                    self.work.remove(opened)

    def session_arrived(self, session: SessionBase) -> None:
        self._mounts.arrived(session)

    def commit_ids(self) -> None:
        """Commit if an id was handed out whose reservation is not committed: somebody is about
        to be told of it who may outlive this process."""
        sources = (*self._shared.id_sources, self._mounts.ids)
        if not all(source.committed for source in sources):
            self.db.commit()

    # --- commits ---

    def touched(self) -> None:
        self._committer.touched()

    def make_room(self) -> None:
        """Have what waits in memory stored: by the committer, or at once where there is none."""
        if self._background:
            self._committer.wake()
        else:
            self.db.commit()

    def _sealed(self) -> None:
        self._committer.wake()

    def commit(self) -> None:
        """Commit what is in memory, not yet durable."""
        self.db.commit()

    def durable(self) -> None:
        """Commit and sync what is in memory."""
        self.db.sync(self.db.commit())
        with self.db.lock:
            if self.db.log_bytes:
                self._hold()
            # Before anything is acknowledged the file must say that a log belongs to it; once in
            # an owner's life, and not under the eyes of somebody who copies the file.
            owes = self.db.commits > 0 and not (self.db.marked or self._closed or self.read_only)
            mark = owes and self._watch.may_change()
        if mark:
            self.db.checkpoint(mark=True)

    def _hold(self) -> None:
        """The file lags behind what was written: whoever opens it must wait until it does not."""
        self._watch.hold()

    def checkpoint(self) -> None:
        """Bring the file itself up to date; while somebody else has it open, perhaps to copy it,
        only the log: the file follows when that one is done."""
        if self._watch.may_change():
            self.db.checkpoint(mark=True)
        else:
            self.durable()

    def image(self) -> Image:
        """All that was done until now, as the bytes of a file that its owner closed; the reader
        closes it.  Raises ReadOnly, Corrupt, NoSpace, ConnectionLost as
        :meth:`sqlfs.store.image.Images.begin` does."""
        return self.db.images.begin()

    def reclaim(self) -> None:
        """Work off the reclaim queues of the volumes that are unlocked."""
        while self.work.reclaim(64):
            pass

    # --- the whole ---

    def info(self) -> dict[str, object]:
        """What the file is like, in plain values; sizes in bytes."""
        with self.db.lock:
            pages, free = self.db.page_counts()
            lineage = self.db.lineage
            return {
                "path": str(self.path),
                "format": 1,
                "bytes": pages * self.db.page_size,
                "free_bytes": free * self.db.page_size,
                "log_bytes": self.db.log_bytes,
                "page_size": self.db.page_size,
                "generation": lineage.generation,
                "read_only": self.read_only,
                "volumes": len(self.volumes()),
                "mounts": len(self._mounts),
            }

    def close(self) -> None:
        """Close all sessions, commit, checkpoint: one whole file is left, and no log.

        Sessions of clients just end: what they held waits for them in the file."""
        with self.db.lock:
            if self._closed:
                return
            self._closed = True
            sessions = self._mounts.leave_clients()
        try:
            for session in sessions:
                session.close()
        finally:
            self._committer.close()
            self._wait_unread()
            try:
                self.db.close()
            finally:
                self._watch.close()
                self._workers.close()

    def _wait_unread(self) -> None:
        """Give somebody who copies the file a chance to be done before it changes."""
        deadline = time.monotonic() + CLOSE_DEFERRED_S_MAX
        while self._background and self.db.log_bytes and not self._watch.may_change():
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_S)
