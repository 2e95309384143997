"""The store in the process that owns the file."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from pathlib import Path

from sqlfs.crypto import KdfParameters
from sqlfs.limits import CHUNK_BYTES_DEFAULT
from sqlfs.maintenance import RATE_DEFAULT, Finding, ImageReader, Progress, ScrubStatus
from sqlfs.owner.rendezvous import spellings
from sqlfs.owner.server import Server
from sqlfs.owner.store import Passphrase, Store, as_bytes
from sqlfs.types import MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume import VolumeFile
from sqlfs.volume.paths import encode
from sqlfs.volume.session import Session


class DirectStore(Store):
    """Owns `file`, and serves it to other processes until it is closed."""

    def __init__(self, file: VolumeFile) -> None:
        super().__init__()
        self._file = file
        self._server = Server(file)
        self._notices = list(file.notices)
        self._process = os.getpid()
        self._closed = False
        if not self._server.start():
            self._notices.append(
                f"no folder is fit for a socket: nobody else can use {file.path} meanwhile"
            )
        # A program may end without closing what it opened.
        atexit.register(self.close)

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def is_owner(self) -> bool:
        return True

    @property
    def owner_pid(self) -> int:
        return self._process

    @property
    def read_only(self) -> bool:
        return self._file.read_only

    @property
    def notices(self) -> list[str]:
        return self._notices

    def volumes(self) -> list[VolumeInfo]:
        return self._file.volumes()

    def create_volume(
        self,
        name: str,
        passphrase: Passphrase | None = None,
        *,
        chunk_size: int = CHUNK_BYTES_DEFAULT,
        dedupe: bool = True,
        kdf: KdfParameters | None = None,
    ) -> VolumeInfo:
        return self._file.create_volume(
            name, as_bytes(passphrase), chunk_size=chunk_size, dedupe=dedupe, kdf=kdf
        )

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
        return self._file.session(
            volume,
            passphrase=as_bytes(passphrase),
            read_only=read_only or self.read_only,
            door=door,
            where=where,
            atime=atime,
            subdir=encode(subdir),
        )

    def mounts(self) -> list[MountInfo]:
        return self._file.mounts()

    def usage(self, volume: str) -> VolumeUsage:
        return self._file.usage(volume)

    def quota(self, volume: str) -> Quota:
        return self._file.quota(volume)

    def set_quota(self, volume: str, quota: Quota) -> None:
        self._file.set_quota(volume, quota)

    def info(self) -> dict[str, object]:
        return self._file.info()

    def checkpoint(self) -> None:
        self._file.checkpoint()

    def check(self, *, deep: bool = False, progress: Progress | None = None) -> list[Finding]:
        return self._server.upkeep.check(deep=deep, progress=progress)

    def scrub_start(self, rate: int = RATE_DEFAULT) -> ScrubStatus:
        return self._server.upkeep.scrub.start(rate)

    def scrub_stop(self) -> ScrubStatus:
        return self._server.upkeep.scrub.stop()

    def scrub_status(self) -> ScrubStatus:
        return self._server.upkeep.scrub.status()

    def image(self) -> ImageReader:
        return self._file.image()

    def unmount(self, where: str) -> None:
        end = self._server.end_mount(spellings(where))
        if end is not None:
            end()

    def on_unmount_request(self, callback: Callable[[], None]) -> None:
        self._server.on_unmount_request(callback)

    def close(self) -> None:
        # A forked child inherits this object, but neither the threads nor the locks.
        if self._process == os.getpid() and not self._closed:
            super().close()

    def _close(self) -> None:
        self._closed = True
        atexit.unregister(self.close)
        self._server.upkeep.stop()
        self._server.stop()
        self._file.close()
        self._server.end()
