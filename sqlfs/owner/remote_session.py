"""A session in the owner, as one of its clients uses it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlfs.errors import ConnectionLost
from sqlfs.limits import IO_BYTES_MAX
from sqlfs.owner.backend import EndRequest
from sqlfs.owner.channel import Channel, proxied
from sqlfs.owner.verbs import (
    CHANGES,
    CHANGING_VERBS,
    DURABLE_VERBS,
    HANDLES_MAX,
    PINS_MAX,
    READDIR_ENTRIES_MAX,
    SESSION_VERBS,
    Control,
    OpenedSession,
    SessionRequest,
)
from sqlfs.types import DirectoryEntry, HeldHandle, VolumeInfo
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
    """

    def __init__(self, channel: Channel, request: SessionRequest, end_request: EndRequest) -> None:
        """Speaks on `channel` from here on.  Raises what opening a session does."""
        self._channel = channel
        self._opened: OpenedSession = Opening(channel).open_session(request)
        self.id = self._opened.id
        self.found_applied = self._opened.found_applied
        self._end_request = end_request
        self._closed = False
        self._lock = threading.Lock()
        self._others: dict[str, Channel] = {}  # by what they are for; guarded by _lock
        self._listening: list[Channel] = []
        self._is_dropped = False  # what listened can't any more; guarded by _lock
        self._on_drop: Callable[[], None] | None = None  # guarded by _lock

    def on_drop(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on a thread of its own, when what listens can't any more."""
        with self._lock:
            self._on_drop = callback
            is_late = self._is_dropped
        if is_late:
            threading.Thread(target=callback, name="sqlfs-changes", daemon=True).start()

    def _channel_for(self, verb: str) -> Channel:
        # Opening changes something with O_TRUNC only: that is numbered.
        if verb in CHANGING_VERBS and verb != "open":
            return self._other(_CHANGING)
        if verb in DURABLE_VERBS:
            return self._other(_DURABLE)
        return self._channel

    def change(self, number: int, verb: str, args: Sequence[object]) -> Any:
        """Perform a verb that changes something; `number` is greater than all before."""
        known = SESSION_VERBS[verb]
        channel = self._other(_CHANGING)
        return known.result.decode(channel.request(verb, known.encode(args, {}), number))

    @property
    def settled(self) -> int:
        channel = self._others.get(_CHANGING)
        return 0 if channel is None else channel.settled

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
    write = proxied(Session.write)
    flush = proxied(Session.flush)
    release = proxied(Session.release)
    _close = proxied(Session.close)
    _present = proxied(Control.present)

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

    def present(self, handles: Sequence[HeldHandle], pins: Sequence[int]) -> list[int]:
        again: list[int] = []
        for start in range(0, len(handles), HANDLES_MAX):
            again += self._present(list(handles[start : start + HANDLES_MAX]), [], False)
        for start in range(0, len(pins), PINS_MAX):
            self._present([], list(pins[start : start + PINS_MAX]), False)
        return again

    def presented(self) -> None:
        self._present([], [], True)

    # --- the end ---

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._close()
        finally:
            self._hang_up()

    def discard(self) -> None:
        """Hang up: another session goes on from this one."""
        with self._lock:
            self._closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        for channel in (self._channel, *self._others.values(), *self._listening):
            channel.close()

    # --- caches above ---

    def congested(self) -> bool:
        channel = self._others.get(_CHANGING)
        return channel is not None and (channel.is_busy or channel.is_congested)

    def wait_uncongested(self) -> None:
        """The owner's thread that serves the next verb waits instead."""

    def catching_up(self) -> bool:
        return False

    def wait_caught_up(self) -> None:
        """It has one owner only."""

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
                    self._end_request()
                channel.say([])
        except ConnectionLost:
            pass
        except Exception:
            log.exception("a listener failed; its session ends")
        finally:
            channel.close()
            # What the listener keeps would be wrong from here on.
            self._channel.end()
            with self._lock:
                self._is_dropped = not self._closed
                tell = self._on_drop if self._is_dropped else None
            if tell is not None:
                tell()
