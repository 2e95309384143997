"""The store and the session in a process that is a client of the owner."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from sqlfs.crypto import KdfParameters, derive_kek
from sqlfs.errors import (
    ConnectionLost,
    Invalid,
    NoPassphraseNeeded,
    ReadOnly,
    SqlfsError,
    WrongPassphrase,
)
from sqlfs.limits import CHUNK_BYTES_DEFAULT, IO_BYTES_MAX
from sqlfs.maintenance import Finding
from sqlfs.owner.channel import Channel, Farewell, proxied
from sqlfs.owner.rendezvous import spellings
from sqlfs.owner.store import Passphrase, Store, as_bytes
from sqlfs.owner.verbs import CHANGES, READDIR_ENTRIES_MAX, Control, OpenedSession
from sqlfs.types import DirectoryEntry, MountInfo, VolumeInfo, VolumeUsage
from sqlfs.volume.paths import encode
from sqlfs.volume.session import Listener, Session

log = logging.getLogger(__name__)


class _Owner:
    """The verbs on the file as a whole, asked of the owner on one channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    volumes = proxied(Control.volumes)
    create_volume = proxied(Control.create_volume)
    slots = proxied(Control.slots)
    usage = proxied(Control.usage)
    mounts = proxied(Control.mounts)
    info = proxied(Control.info)
    checkpoint = proxied(Control.checkpoint)
    check = proxied(Control.check)
    unmount = proxied(Control.unmount)
    open_session = proxied(Control.open_session)
    listen = proxied(Control.listen)


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

        place = encode(subdir)

        def open_with(kek: bytes | None) -> RemoteSession:
            return self._open_session(
                lambda owner: owner.open_session(volume, kek, read_only, door, where, atime, place)
            )

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

    def _open_session(self, ask: Callable[[_Owner], OpenedSession]) -> RemoteSession:
        channel = self._channel.another()
        try:
            opened = ask(_Owner(channel))
        except BaseException:
            channel.close()
            raise
        session = RemoteSession(channel, opened, forget=self._sessions.discard)
        self._sessions.add(session)
        return session

    def mounts(self) -> list[MountInfo]:
        return self._owner.mounts()

    def usage(self, volume: str) -> VolumeUsage:
        return self._owner.usage(volume)

    def info(self) -> dict[str, object]:
        return self._owner.info()

    def checkpoint(self) -> None:
        self._owner.checkpoint()

    def check(self, *, deep: bool = False) -> list[Finding]:
        return self._owner.check(deep)

    def unmount(self, where: str) -> None:
        try:
            self._owner.unmount(spellings(where))
        except Farewell:
            return
        self._channel.wait_farewell()

    def on_unmount_request(self, callback: Callable[[], None]) -> None:
        del callback
        raise Invalid(f"{self._path} is owned by process {self.owner_pid}: only it can unmount")

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


class RemoteSession:
    """A session in the owner, spoken to on a connection of its own.  Its verbs take turns.

    After a farewell everything is durable and released, so ending what is open is no error then.
    """

    def __init__(
        self, channel: Channel, opened: OpenedSession, forget: Callable[[RemoteSession], None]
    ) -> None:
        self._channel = channel
        self._forget = forget
        self._opened = opened
        self._closed = False
        self._listening: list[Channel] = []

    @property
    def volume(self) -> VolumeInfo:
        return self._opened.volume

    @property
    def root(self) -> int:
        return self._opened.root

    @property
    def read_only(self) -> bool:
        return self._opened.read_only

    lookup = proxied(Session.lookup)
    resolve = proxied(Session.resolve)
    path_of = proxied(Session.path_of)
    mknod = proxied(Session.mknod)
    mkdir = proxied(Session.mkdir)
    symlink = proxied(Session.symlink)
    link = proxied(Session.link)
    unlink = proxied(Session.unlink)
    rmdir = proxied(Session.rmdir)
    rename = proxied(Session.rename)
    clone = proxied(Session.clone)
    getattr = proxied(Session.getattr)
    setattr = proxied(Session.setattr)
    readlink = proxied(Session.readlink)
    getxattr = proxied(Session.getxattr)
    setxattr = proxied(Session.setxattr)
    listxattr = proxied(Session.listxattr)
    removexattr = proxied(Session.removexattr)
    create = proxied(Session.create)
    tmpfile = proxied(Session.tmpfile)
    open = proxied(Session.open)
    allocate = proxied(Session.allocate)
    seek = proxied(Session.seek)
    copy_range = proxied(Session.copy_range)
    fsync = proxied(Session.fsync)
    lock = proxied(Session.lock)
    fsyncdir = proxied(Session.fsyncdir)
    sync = proxied(Session.sync)
    statfs = proxied(Session.statfs)
    pin = proxied(Session.pin)
    unpin = proxied(Session.unpin)
    _readdir = proxied(Session.readdir)
    _read = proxied(Session.read)
    _write = proxied(Session.write)
    _flush = proxied(Session.flush)
    _release = proxied(Session.release)
    _close = proxied(Session.close)

    # --- what does not fit into one message ---

    def readdir(self, node: int, cookie: int, limit: int) -> list[DirectoryEntry]:
        entries: list[DirectoryEntry] = []
        while True:
            asked = min(limit - len(entries), READDIR_ENTRIES_MAX)
            part = self._readdir(node, entries[-1].cookie if entries else cookie, asked)
            entries += part
            if len(part) < asked or len(entries) >= limit:
                return entries

    def read(self, handle: int, offset: int, size: int) -> bytes:
        if size <= IO_BYTES_MAX:
            return self._read(handle, offset, size)
        parts: list[bytes] = []
        for start in range(0, size, IO_BYTES_MAX):
            asked = min(size - start, IO_BYTES_MAX)
            parts.append(self._read(handle, offset + start, asked))
            if len(parts[-1]) < asked:
                break
        return b"".join(parts)

    def write(self, handle: int, offset: int, data: bytes) -> int:
        if len(data) <= IO_BYTES_MAX:
            return self._write(handle, offset, data)
        view = memoryview(data)
        for start in range(0, len(data), IO_BYTES_MAX):
            self._write(handle, offset + start, bytes(view[start : start + IO_BYTES_MAX]))
        return len(data)

    # --- the end ---

    def flush(self, handle: int) -> None:
        with contextlib.suppress(Farewell):
            self._flush(handle)

    def release(self, handle: int) -> None:
        with contextlib.suppress(Farewell):
            self._release(handle)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._forget(self)
        try:
            # Who met the loss of the owner in another verb need not be told again.
            if not self._channel.is_lost:
                with contextlib.suppress(Farewell):
                    self._close()
        finally:
            self._channel.close()
            for channel in self._listening:
                channel.close()

    # --- caches above ---

    def congested(self) -> bool:
        return False

    def wait_uncongested(self) -> None:
        """The owner's thread that serves this session waits instead."""

    def subscribe(self, listener: Listener) -> None:
        channel = self._channel.another()
        try:
            _Owner(channel).listen(self._opened.token)
        except BaseException:
            channel.close()
            raise
        self._listening.append(channel)
        threading.Thread(
            target=self._listen, args=(channel, listener), name="sqlfs-changes", daemon=True
        ).start()

    def _listen(self, channel: Channel, listener: Listener) -> None:
        try:
            while True:
                (changes,) = channel.hear()
                listener(CHANGES.decode(changes))
                channel.say([])
        except ConnectionLost:
            pass
        except Exception:
            log.exception("a listener failed; its session ends")
        finally:
            channel.close()
            # What the listener keeps would be wrong from here on.
            self._channel.end()
