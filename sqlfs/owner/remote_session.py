"""A session in the owner, as one of its clients uses it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Final

from sqlfs.errors import ConnectionLost
from sqlfs.limits import IO_BYTES_MAX
from sqlfs.owner.channel import Channel, Farewell, proxied
from sqlfs.owner.verbs import (
    CHANGES,
    CHANGING_VERBS,
    DURABLE_VERBS,
    READDIR_ENTRIES_MAX,
    Control,
    OpenedSession,
    SessionRequest,
)
from sqlfs.types import DirectoryEntry, VolumeInfo
from sqlfs.volume.session import Listener, Session

log = logging.getLogger(__name__)

_CHANGING: Final = "changing"
_DURABLE: Final = "durable"


class Opening:
    """The verbs with which a connection becomes one of a session."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def _channel_for(self, verb: str) -> Channel:
        del verb
        return self._channel

    open_session = proxied(Control.open_session)
    join = proxied(Control.join)
    listen = proxied(Control.listen)


class RemoteSession:
    """A session in the owner, spoken to on connections of its own: verbs that change something
    take turns on one, those that wait for the disk on another, so that the rest waits for neither.

    After a farewell everything is durable and released, so ending what is open is no error then.
    """

    def __init__(
        self,
        channel: Channel,
        request: SessionRequest,
        on_end_request: Callable[[], None],
        forget: Callable[[RemoteSession], None],
    ) -> None:
        """Speaks on `channel` from here on.  Raises what opening a session does."""
        self._channel = channel
        self._opened: OpenedSession = Opening(channel).open_session(request)
        self._on_end_request = on_end_request
        self._forget = forget
        self._closed = False
        self._lock = threading.Lock()
        self._others: dict[str, Channel] = {}  # by what they are for; guarded by _lock
        self._listening: list[Channel] = []

    def _channel_for(self, verb: str) -> Channel:
        if verb in CHANGING_VERBS:
            return self._other(_CHANGING)
        if verb in DURABLE_VERBS:
            return self._other(_DURABLE)
        return self._channel

    def _other(self, purpose: str) -> Channel:
        channel = self._others.get(purpose)
        if channel is not None:
            return channel
        with self._lock:
            if self._closed:
                return self._channel
            if purpose not in self._others:
                self._others[purpose] = self._joined(lambda opening: opening.join)
            return self._others[purpose]

    def _joined(self, how: Callable[[Opening], Callable[[bytes], None]]) -> Channel:
        channel = self._channel.another()
        try:
            how(Opening(channel))(self._opened.token)
        except BaseException:
            channel.close()
            raise
        return channel

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
        with self._lock:
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
            for channel in (*self._others.values(), *self._listening):
                channel.close()

    # --- caches above ---

    def congested(self) -> bool:
        """The owner's thread that serves a verb may wait in any that changes something."""
        return True

    def wait_uncongested(self) -> None:
        """The owner's thread that serves the verb waits instead."""

    def subscribe(self, listener: Listener) -> None:
        channel = self._joined(lambda opening: opening.listen)
        self._listening.append(channel)
        threading.Thread(
            target=self._listen, args=(channel, listener), name="sqlfs-changes", daemon=True
        ).start()

    def _listen(self, channel: Channel, listener: Listener) -> None:
        try:
            while True:
                changes, is_to_end = channel.hear()
                if changes:
                    listener(CHANGES.decode(changes))
                if is_to_end:
                    self._on_end_request()
                channel.say([])
        except ConnectionLost:
            pass
        except Exception:
            log.exception("a listener failed; its session ends")
        finally:
            channel.close()
            # What the listener keeps would be wrong from here on.
            self._channel.end()
