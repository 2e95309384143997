"""The backend in the process that owns the file."""

from __future__ import annotations

import os
from pathlib import Path

from sqlfs.crypto import KdfParameters, KeySlot
from sqlfs.maintenance import Finding, ImageReader, Progress, ScrubStatus
from sqlfs.owner.backend import EndRequest
from sqlfs.owner.server import Server
from sqlfs.owner.verbs import SessionRequest
from sqlfs.types import MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume import VolumeFile
from sqlfs.volume.direct import DirectSession


class DirectBackend:
    """Owns `file`, and serves it to other processes until it is closed."""

    def __init__(self, file: VolumeFile) -> None:
        self._file = file
        self._server = Server(file)
        self._process = os.getpid()
        self._closed = False
        self.notices = list(file.notices)
        if not self._server.start():
            self.notices.append(
                f"no folder is fit for a socket: nobody else can use {file.path} meanwhile"
            )

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
    def identity(self) -> tuple[int, int]:
        return self._file.identity

    @property
    def read_only(self) -> bool:
        return self._file.read_only

    def volumes(self) -> list[VolumeInfo]:
        return self._file.volumes()

    def create_volume(
        self,
        name: str,
        passphrase: bytes | None,
        chunk_size: int,
        dedupe: bool,
        compression: int,
        kdf: KdfParameters | None,
    ) -> VolumeInfo:
        return self._file.create_volume(
            name, passphrase, chunk_size=chunk_size, dedupe=dedupe, compression=compression, kdf=kdf
        )

    def slots(self, volume: str) -> list[tuple[int, KeySlot]]:
        return self._file.slots(volume)

    def session(self, request: SessionRequest, end_request: EndRequest) -> DirectSession:
        del end_request  # the server has them
        return self._file.session(
            request.volume,
            kek=request.kek,
            read_only=request.read_only or self.read_only,
            door=request.door,
            where=request.where,
            atime=request.atime,
            subdir=request.subdir,
            claim=request.claim,
            root=request.root,
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

    def check(self, deep: bool, progress: Progress | None) -> list[Finding]:
        return self._server.upkeep.check(deep=deep, progress=progress)

    def scrub_start(self, rate: int) -> ScrubStatus:
        return self._server.upkeep.scrub.start(rate)

    def scrub_stop(self) -> ScrubStatus:
        return self._server.upkeep.scrub.stop()

    def scrub_status(self) -> ScrubStatus:
        return self._server.upkeep.scrub.status()

    def image(self) -> ImageReader:
        return self._file.image()

    def unmount(self, mountpoints: list[str]) -> bool:
        end = self._server.end_mount(mountpoints)
        if end is not None:
            end()
        return end is not None

    def on_unmount_request(self, callback: EndRequest) -> None:
        self._server.on_unmount_request(callback)

    def close(self) -> None:
        # A forked child inherits this object, but neither the threads nor the locks.
        if self._process != os.getpid() or self._closed:
            return
        self._closed = True
        self._server.upkeep.stop()
        self._server.stop()
        self._server.fall_silent()
        self._file.close()
        self._server.end()
