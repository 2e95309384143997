"""A volume file as its users see it, whether this process owns it or another one does."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlfs.crypto import KdfParameters
from sqlfs.errors import Invalid, NoSuchVolume
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
from sqlfs.types import MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume.files import FileSystem
from sqlfs.volume.session import Session

Passphrase = str | bytes


class Store(ABC):
    """An open volume file.  Thread-safe; a context manager that closes itself."""

    def __init__(self) -> None:
        self._file_systems: list[FileSystem] = []

    @property
    @abstractmethod
    def path(self) -> Path: ...

    @property
    @abstractmethod
    def is_owner(self) -> bool:
        """Whether this object, not another process or another part of this one, owns the file."""

    @property
    @abstractmethod
    def owner_pid(self) -> int: ...

    @property
    @abstractmethod
    def read_only(self) -> bool: ...

    @property
    @abstractmethod
    def notices(self) -> list[str]:
        """Lines about the state in which the owner found the file.  A client has none."""

    @abstractmethod
    def volumes(self) -> list[VolumeInfo]: ...

    @abstractmethod
    def create_volume(
        self,
        name: str,
        passphrase: Passphrase | None = None,
        *,
        chunk_size: int = CHUNK_BYTES_DEFAULT,
        dedupe: bool = True,
        kdf: KdfParameters | None = None,
    ) -> VolumeInfo:
        """Make an empty volume: encrypted if there is a passphrase, else plain.  `chunk_size` in
        bytes, a power of two.  Raises VolumeExists, Invalid, ReadOnly, NoSpace."""

    @abstractmethod
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

    @abstractmethod
    def mounts(self) -> list[MountInfo]:
        """The live sessions, of every process."""

    @abstractmethod
    def quota(self, volume: str) -> Quota:
        """What an unlocked volume may hold.  Raises NoSuchVolume when it is not unlocked."""

    @abstractmethod
    def set_quota(self, volume: str, quota: Quota) -> None:
        """Limit what an unlocked volume may hold, durably; what it holds already stays.  Raises
        NoSuchVolume, Invalid, ReadOnly."""

    @abstractmethod
    def usage(self, volume: str) -> VolumeUsage:
        """Counters of a volume that some session has unlocked.  Raises NoSuchVolume."""

    @abstractmethod
    def info(self) -> dict[str, object]:
        """Facts about the file: sizes in bytes, format, features."""

    @abstractmethod
    def checkpoint(self) -> None:
        """Bring everything that is durable from the log into the file."""

    @abstractmethod
    def check(self, *, deep: bool = False, progress: Progress | None = None) -> list[Finding]:
        """What is wrong with the file; empty when it is sound.  Encrypted volumes are checked
        whole while a session has them unlocked; `deep` reads all content too.  `progress` is called
        now and then."""

    @abstractmethod
    def scrub_start(self, rate: int = RATE_DEFAULT) -> ScrubStatus:
        """Have the owner read all content of the unlocked volumes in the background, at most `rate`
        bytes per second (0: no limit), from where it was stopped; what is damaged is told in the
        owner's log and in the status."""

    @abstractmethod
    def scrub_stop(self) -> ScrubStatus: ...

    @abstractmethod
    def scrub_status(self) -> ScrubStatus: ...

    @abstractmethod
    def image(self) -> ImageReader:
        """The bytes of the file with all that was done until now, read while others go on; the
        reader closes it.  Raises ReadOnly, Corrupt, NoSpace, ConnectionLost; so does reading."""

    def backup(
        self,
        destination: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        *,
        overwrite: bool = False,
        compact: bool = False,
        copied: Callable[[int, int], None] | None = None,
        verified: Callable[[int, int], None] | None = None,
    ) -> Backup:
        """Write a volume file with all that was done until now, verified and durable, or nothing.

        `copied` follows the bytes, `verified` the rows: called with how many are done, and how many
        there are.  Raises AlreadyExists, unless `overwrite`; IsADirectory, Invalid, InUse for what
        can't be replaced; NoSpace, Corrupt, and ConnectionLost if the owner ends meanwhile."""
        place = BackupPlace(self.path, Path(os.fsdecode(destination)), overwrite=overwrite)
        with contextlib.closing(self.image()) as image:
            return place.fill(image, compact=compact, copied=copied, verified=verified)

    @abstractmethod
    def unmount(self, where: str) -> None:
        """End the mount at the directory `where`.  A client returns when all that was done there
        is durable, and the file whole if its owner ended with the mount; the owner itself, when
        the mount's driver was told.  Raises NotFound, NotSupported, and ConnectionLost when the
        owner died before the file was whole."""

    @abstractmethod
    def on_unmount_request(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on a foreign thread, when somebody asks for the mount of this
        process to end.  It must only begin that, and not wait for it."""

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

    def close(self) -> None:
        """Close every session made here; as the owner, also those of clients, and the file.
        Everything is durable then.  Idempotent."""
        file_systems, self._file_systems = self._file_systems, []
        try:
            for each in file_systems:
                each.close()
        finally:
            self._close()

    @abstractmethod
    def _close(self) -> None: ...

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
