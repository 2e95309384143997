"""A volume file as its users see it, whether this process owns it or another one does."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlfs.crypto import KdfParameters, derive_kek
from sqlfs.errors import (
    ConnectionLost,
    Invalid,
    NoPassphraseNeeded,
    NoSuchVolume,
    ReadOnly,
    SqlfsError,
    VolumeExists,
    WrongPassphrase,
)
from sqlfs.limits import CHUNK_BYTES_DEFAULT
from sqlfs.maintenance import (
    RATE_DEFAULT,
    Backup,
    BackupPlace,
    Finding,
    ImageReader,
    Progress,
    ScrubStatus,
)
from sqlfs.owner.direct import DirectBackend
from sqlfs.owner.lasting_session import LastingSession
from sqlfs.owner.rendezvous import spellings
from sqlfs.owner.succession import Backend, Succession
from sqlfs.owner.verbs import SessionRequest
from sqlfs.types import MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume.files import FileSystem
from sqlfs.volume.paths import encode
from sqlfs.volume.session import Session

Passphrase = str | bytes

# Between two looks whether a mount has ended.
_LOOK_S: Final = 0.02

# How many owners in a row may end during a backup.
_BACKUP_ATTEMPTS: Final = 10


class Store:
    """An open volume file.  Thread-safe; a context manager that closes itself.

    When the owner ends or dies, this process finds the next one, or becomes it, and its sessions
    go on; a call waits for that, and raises ConnectionLost when there is none in time.
    """

    def __init__(self, succession: Succession, *, read_only: bool) -> None:
        self._succession = succession
        self._read_only = read_only
        self._path = succession.backend.path
        self._notices = succession.backend.notices
        self._closing = False
        self._sessions: list[LastingSession] = []
        self._file_systems: list[FileSystem] = []
        # A program may end without closing what it opened.
        atexit.register(self.close)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def is_owner(self) -> bool:
        """Whether this object, not another process or another part of this one, owns the file."""
        return self._succession.backend.is_owner

    @property
    def owner_pid(self) -> int:
        return self._succession.backend.owner_pid

    @property
    def read_only(self) -> bool:
        return self._read_only or self._succession.backend.read_only

    @property
    def notices(self) -> list[str]:
        """Lines about the state in which the owner found the file.  A client has none."""
        return self._notices

    # --- the file as a whole ---

    def volumes(self) -> list[VolumeInfo]:
        return self._succession.ask(lambda backend: backend.volumes())

    def create_volume(
        self,
        name: str,
        passphrase: Passphrase | None = None,
        *,
        chunk_size: int = CHUNK_BYTES_DEFAULT,
        dedupe: bool = True,
        compression: int = 0,
        kdf: KdfParameters | None = None,
    ) -> VolumeInfo:
        """Make an empty volume: encrypted if there is a passphrase, else plain.  `chunk_size` in
        bytes, a power of two; `compression` of content is a level of zstd from 1 to 19, 0 for none.
        Raises VolumeExists, Invalid, ReadOnly, NoSpace."""
        if self._read_only:
            raise ReadOnly(f"{self._path} was opened read-only; no volume can be created")
        secret = as_bytes(passphrase)
        attempts = 0

        def create(backend: Backend) -> VolumeInfo:
            nonlocal attempts
            attempts += 1
            try:
                return backend.create_volume(name, secret, chunk_size, dedupe, compression, kdf)
            except VolumeExists:
                if attempts == 1:
                    raise
                # The owner that died had made it, and could not say so.
                return next(each for each in backend.volumes() if each.name == name)

        return self._succession.ask(create)

    def mounts(self) -> list[MountInfo]:
        """The live sessions, of every process."""
        return self._succession.ask(lambda backend: backend.mounts())

    def quota(self, volume: str) -> Quota:
        """What an unlocked volume may hold.  Raises NoSuchVolume when it is not unlocked."""
        return self._succession.ask(lambda backend: backend.quota(volume))

    def set_quota(self, volume: str, quota: Quota) -> None:
        """Limit what an unlocked volume may hold, durably; what it holds already stays.  Raises
        NoSuchVolume, Invalid, ReadOnly."""
        if self._read_only:
            raise ReadOnly(f"{self._path} was opened read-only; no quota can be set")
        self._succession.ask(lambda backend: backend.set_quota(volume, quota))

    def usage(self, volume: str) -> VolumeUsage:
        """Counters of a volume that some session has unlocked.  Raises NoSuchVolume."""
        return self._succession.ask(lambda backend: backend.usage(volume))

    def info(self) -> dict[str, object]:
        """Facts about the file: sizes in bytes, format, features."""
        return self._succession.ask(lambda backend: backend.info())

    def checkpoint(self) -> None:
        """Bring everything that is durable from the log into the file."""
        self._succession.ask(lambda backend: backend.checkpoint())

    def check(self, *, deep: bool = False, progress: Progress | None = None) -> list[Finding]:
        """What is wrong with the file; empty when it is sound.  Encrypted volumes are checked
        whole while a session has them unlocked; `deep` reads all content too.  `progress` is called
        now and then."""
        return self._succession.ask(lambda backend: backend.check(deep, progress))

    def scrub_start(self, rate: int = RATE_DEFAULT) -> ScrubStatus:
        """Have the owner read all content of the unlocked volumes in the background, at most `rate`
        bytes per second (0: no limit), from where it was stopped; what is damaged is told in the
        owner's log and in the status.  It ends with its owner."""
        return self._succession.ask(lambda backend: backend.scrub_start(rate))

    def scrub_stop(self) -> ScrubStatus:
        return self._succession.ask(lambda backend: backend.scrub_stop())

    def scrub_status(self) -> ScrubStatus:
        return self._succession.ask(lambda backend: backend.scrub_status())

    def image(self) -> ImageReader:
        """The bytes of the file with all that was done until now, read while others go on; the
        reader closes it.  Raises ReadOnly, Corrupt, NoSpace, ConnectionLost; so does reading."""
        return self._succession.ask(lambda backend: backend.image())

    def backup(
        self,
        destination: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        *,
        overwrite: bool = False,
        compact: bool = False,
        copied: Callable[[int, int], None] | None = None,
        compacted: Callable[[int, int], None] | None = None,
        verified: Callable[[int, int], None] | None = None,
    ) -> Backup:
        """Write a volume file with all that was done until now, verified and durable, or nothing.

        `copied` and `compacted` follow the bytes, `verified` the rows: called with how many are
        done, and how many there are.  If the owner ends meanwhile, it begins anew with the next
        one.  Raises AlreadyExists, unless `overwrite`; IsADirectory, Invalid, InUse for what can't
        be replaced; NoSpace, Corrupt."""
        place = BackupPlace(self.path, Path(os.fsdecode(destination)), overwrite=overwrite)
        for attempt in range(_BACKUP_ATTEMPTS):
            try:
                with contextlib.closing(self.image()) as image:
                    return place.fill(
                        image, compact=compact, copied=copied, compacted=compacted,
                        verified=verified,
                    )  # fmt: skip
            except ConnectionLost:
                if attempt == _BACKUP_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def unmount(self, where: str) -> None:
        """End the mount at the directory `where`.  A client returns when all that was done there
        is durable, and the file whole if its owner ended with the mount; the owner itself, when
        the mount's driver was told.  Raises NotFound, NotSupported, and ConnectionLost when the
        owner died before the file was whole."""
        mountpoints = spellings(where)
        self.mounts()  # of the present owner, should it be another one than before
        if self._succession.backend.unmount(mountpoints):
            return
        while any(each.where in mountpoints for each in self.mounts()):
            time.sleep(_LOOK_S)

    def on_unmount_request(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on a foreign thread, when somebody asks for the mount of this
        process to end.  It must only begin that, and not wait for it."""
        self._succession.on_unmount_request(callback)

    # --- sessions ---

    def session(
        self,
        volume: str,
        passphrase: Passphrase | None = None,
        *,
        read_only: bool = False,
        door: str = "api",
        where: str = "",
        atime: bool = True,
        subdir: str | bytes = "/",
    ) -> Session:
        """The verbs over one volume; without `atime`, reading leaves no trace.  The directory at
        `subdir` is its root, and nothing above it can be reached.

        Raises NoSuchVolume, WrongPassphrase, PassphraseNeeded, NoPassphraseNeeded; for `subdir`
        NotFound, NotADirectory, NameTooLong, SymlinkLoop."""
        wrong: WrongPassphrase | None = None
        for kek in self._keks(volume, passphrase):
            request = SessionRequest(
                volume, kek, read_only or self._read_only, door, where, atime, encode(subdir)
            )
            try:
                return self._session(request)
            except WrongPassphrase as error:
                wrong = error
        raise wrong or NoPassphraseNeeded(
            f"volume {volume!r} of {self._path} is not encrypted; give no passphrase"
        )

    def _keks(self, volume: str, passphrase: Passphrase | None) -> Iterator[bytes | None]:
        secret = as_bytes(passphrase)
        if secret is None:
            yield None
            return
        # Deriving a key takes much memory: here, so that the owner's stays bounded.
        for _, slot in self._succession.ask(lambda backend: backend.slots(volume)):
            slot.kdf.check()
            yield derive_kek(secret, slot.salt, slot.kdf)

    def _session(self, request: SessionRequest) -> Session:
        def begin(backend: Backend) -> Session:
            if isinstance(backend, DirectBackend):
                # An owner ends with its own sessions: there is nothing that could outlast it.
                return backend.session(request, self._succession.end_request)
            session = LastingSession(self._succession, backend, request)
            self._sessions = [each for each in self._sessions if not each.closed]
            self._sessions.append(session)
            return session

        return self._succession.ask(begin)

    def mount(
        self,
        volume: str | None = None,
        passphrase: Passphrase | None = None,
        read_only: bool = False,
        *,
        door: str = "api",
        subdir: str | bytes = "/",
    ) -> FileSystem:
        """The volume by path, from its directory `subdir` on; without `volume` the only one.
        Closing it ends its session.

        Raises what :meth:`session` raises, and Invalid when there is more than one volume.
        """
        name = self._only_volume() if volume is None else volume
        file_system = FileSystem(
            self.session(name, passphrase, read_only=read_only, door=door, subdir=subdir)
        )
        self._file_systems = [each for each in self._file_systems if not each.closed]
        self._file_systems.append(file_system)
        return file_system

    def _only_volume(self) -> str:
        names = [each.name for each in self.volumes()]
        if not names:
            raise NoSuchVolume(f"{self.path} has no volume; create one")
        if len(names) > 1:
            raise Invalid(f"{self.path} has several volumes; name one of: {', '.join(names)}")
        return names[0]

    # --- the end ---

    def close(self) -> None:
        """Close every session made here; as the owner, also the file.  All that was done here
        is durable then; clients find another owner.  Idempotent."""
        if self._closing:
            return
        self._closing = True
        atexit.unregister(self.close)
        try:
            self._close_sessions()
        finally:
            self._succession.close()

    def _close_sessions(self) -> None:
        first: SqlfsError | None = None
        closes = [each.close for each in self._file_systems]
        closes += [each.close for each in self._sessions]
        for close in closes:
            try:
                close()
            except SqlfsError as error:
                first = first or error
        if first is not None:
            raise first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        role = "owner" if self.is_owner else f"client of process {self.owner_pid}"
        return f"<{type(self).__name__} {self.path} ({role})>"


def as_bytes(passphrase: Passphrase | None) -> bytes | None:
    """A passphrase as it is derived from: text as UTF-8."""
    return passphrase.encode() if isinstance(passphrase, str) else passphrase
