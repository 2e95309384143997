"""The store in a process that is a client of the owner."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from sqlfs.crypto import KdfParameters, derive_kek
from sqlfs.errors import NoPassphraseNeeded, ReadOnly, SqlfsError, WrongPassphrase
from sqlfs.limits import CHUNK_BYTES_DEFAULT
from sqlfs.maintenance import RATE_DEFAULT, Finding, ImageReader, Progress, ScrubStatus
from sqlfs.owner.channel import Channel, Farewell, proxied
from sqlfs.owner.remote_image import RemoteImage
from sqlfs.owner.remote_session import RemoteSession
from sqlfs.owner.rendezvous import spellings
from sqlfs.owner.store import Passphrase, Store, as_bytes
from sqlfs.owner.verbs import Control, SessionRequest
from sqlfs.types import MountInfo, Quota, VolumeInfo, VolumeUsage
from sqlfs.volume.paths import encode
from sqlfs.volume.session import Session

# Between two looks whether a mount has ended.
_LOOK_S: Final = 0.02
# Between two looks how far a check is.
_PROGRESS_S: Final = 0.2


class _Owner:
    """The verbs on the file as a whole, asked of the owner on one channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    volumes = proxied(Control.volumes)
    create_volume = proxied(Control.create_volume)
    slots = proxied(Control.slots)
    usage = proxied(Control.usage)
    quota = proxied(Control.quota)
    set_quota = proxied(Control.set_quota)
    mounts = proxied(Control.mounts)
    info = proxied(Control.info)
    checkpoint = proxied(Control.checkpoint)
    check = proxied(Control.check)
    check_progress = proxied(Control.check_progress)
    scrub_start = proxied(Control.scrub_start)
    scrub_stop = proxied(Control.scrub_stop)
    scrub_status = proxied(Control.scrub_status)
    unmount = proxied(Control.unmount)

    def _channel_for(self, verb: str) -> Channel:
        del verb
        return self._channel


class RemoteStore(Store):
    """Speaks to the owner of the file at `path` over `channel`."""

    def __init__(self, path: Path, channel: Channel, *, read_only: bool) -> None:
        super().__init__()
        if channel.greeting.read_only and not read_only:
            raise ReadOnly(
                f"{path} was opened read-only by process {channel.owner.pid}; open it read-only,"
                " or end that one"
            )
        self._path = path
        self._channel = channel
        self._owner = _Owner(channel)
        self._read_only = read_only
        self._sessions: set[RemoteSession] = set()
        self._unmount_callbacks: list[Callable[[], None]] = []

    @property
    def path(self) -> Path:
        return self._path

    @property
    def is_owner(self) -> bool:
        return False

    @property
    def owner_pid(self) -> int:
        return self._channel.owner.pid

    @property
    def read_only(self) -> bool:
        return self._read_only

    @property
    def notices(self) -> list[str]:
        return []

    def volumes(self) -> list[VolumeInfo]:
        return self._owner.volumes()

    def create_volume(
        self,
        name: str,
        passphrase: Passphrase | None = None,
        *,
        chunk_size: int = CHUNK_BYTES_DEFAULT,
        dedupe: bool = True,
        kdf: KdfParameters | None = None,
    ) -> VolumeInfo:
        if self._read_only:
            raise ReadOnly(f"{self._path} was opened read-only; no volume can be created")
        return self._owner.create_volume(name, as_bytes(passphrase), chunk_size, dedupe, kdf)

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
        read_only = read_only or self._read_only

        def open_with(kek: bytes | None) -> RemoteSession:
            request = SessionRequest(volume, kek, read_only, door, where, atime, encode(subdir))
            return self._open_session(request)

        if passphrase is None:
            return open_with(None)
        # Deriving a key takes much memory: here, so that the owner's stays bounded.
        secret = as_bytes(passphrase) or b""
        wrong: WrongPassphrase | None = None
        for _, slot in self._owner.slots(volume):
            slot.kdf.check()
            kek = derive_kek(secret, slot.salt, slot.kdf)
            try:
                return open_with(kek)
            except WrongPassphrase as error:
                wrong = error
        raise wrong or NoPassphraseNeeded(
            f"volume {volume!r} of {self._path} is not encrypted; give no passphrase"
        )

    def _open_session(self, request: SessionRequest) -> RemoteSession:
        channel = self._channel.another()
        try:
            session = RemoteSession(channel, request, self._end_request, self._sessions.discard)
        except BaseException:
            channel.close()
            raise
        self._sessions.add(session)
        return session

    def mounts(self) -> list[MountInfo]:
        return self._owner.mounts()

    def usage(self, volume: str) -> VolumeUsage:
        return self._owner.usage(volume)

    def quota(self, volume: str) -> Quota:
        return self._owner.quota(volume)

    def set_quota(self, volume: str, quota: Quota) -> None:
        if self._read_only:
            raise ReadOnly(f"{self._path} was opened read-only; no quota can be set")
        self._owner.set_quota(volume, quota)

    def info(self) -> dict[str, object]:
        return self._owner.info()

    def checkpoint(self) -> None:
        self._owner.checkpoint()

    def check(self, *, deep: bool = False, progress: Progress | None = None) -> list[Finding]:
        if progress is None:
            return self._owner.check(deep)
        # The check keeps a connection waiting; how far it is comes on another one.
        channel = self._channel.another()
        try:
            with ThreadPoolExecutor(1) as thread:
                checking = thread.submit(_Owner(channel).check, deep)
                try:
                    while not wait([checking], _PROGRESS_S).done:
                        state = self._owner.check_progress()
                        progress(state.what, state.done, state.total)
                except BaseException:
                    channel.end()  # interrupted: the thread need not wait for the answer
                    raise
                return checking.result()
        finally:
            channel.close()

    def scrub_start(self, rate: int = RATE_DEFAULT) -> ScrubStatus:
        return self._owner.scrub_start(rate)

    def scrub_stop(self) -> ScrubStatus:
        return self._owner.scrub_stop()

    def scrub_status(self) -> ScrubStatus:
        return self._owner.scrub_status()

    def image(self) -> ImageReader:
        return RemoteImage(self._channel.another())

    def unmount(self, where: str) -> None:
        mountpoints = spellings(where)
        try:
            is_owners = self._owner.unmount(mountpoints)
        except Farewell:
            return
        if is_owners:
            self._channel.wait_farewell()
            return
        with contextlib.suppress(Farewell):
            while any(each.where in mountpoints for each in self._owner.mounts()):
                time.sleep(_LOOK_S)

    def on_unmount_request(self, callback: Callable[[], None]) -> None:
        self._unmount_callbacks.append(callback)

    def _end_request(self) -> None:
        for callback in self._unmount_callbacks:
            callback()

    def _close(self) -> None:
        first: SqlfsError | None = None
        for session in list(self._sessions):
            try:
                session.close()
            except SqlfsError as error:
                first = first or error
        self._channel.close()
        if first is not None:
            raise first
