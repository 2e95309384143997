"""The backend in a process that is a client of the owner."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from sqlfs.maintenance import Finding, ImageReader, Progress
from sqlfs.owner.backend import EndRequest
from sqlfs.owner.channel import Channel, Farewell, proxied
from sqlfs.owner.remote_image import RemoteImage
from sqlfs.owner.remote_session import RemoteSession
from sqlfs.owner.verbs import Control, SessionRequest

# Between two looks how far a check is (seconds).
_PROGRESS_S: Final = 0.2
_GONE: Final = select.POLLHUP | select.POLLRDHUP | select.POLLERR | select.POLLNVAL


class _Owner:
    """The verbs on the file as a whole, asked of the owner on one channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def _channel_for(self, verb: str) -> Channel:
        del verb
        return self._channel

    volumes = proxied(Control.volumes)
    create_volume = proxied(Control.create_volume)
    slots = proxied(Control.slots)
    usage = proxied(Control.usage)
    quota = proxied(Control.quota)
    set_quota = proxied(Control.set_quota)
    mounts = proxied(Control.mounts)
    info = proxied(Control.info)
    checkpoint = proxied(Control.checkpoint)
    _check = proxied(Control.check)
    check_progress = proxied(Control.check_progress)
    scrub_start = proxied(Control.scrub_start)
    scrub_stop = proxied(Control.scrub_stop)
    scrub_status = proxied(Control.scrub_status)
    _unmount = proxied(Control.unmount)


class RemoteBackend(_Owner):
    """Speaks to the owner of the file at `path` over `channel`."""

    def __init__(self, path: Path, channel: Channel, *, read_only: bool) -> None:
        super().__init__(channel)
        self._path = path
        self._read_only = read_only
        self.notices: list[str] = []

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
    def identity(self) -> tuple[int, int]:
        greeting = self._channel.greeting
        return greeting.device, greeting.inode

    @property
    def read_only(self) -> bool:
        return self._read_only

    def session(self, request: SessionRequest, end_request: EndRequest) -> RemoteSession:
        channel = self._channel.another()
        try:
            return RemoteSession(channel, request, end_request)
        except BaseException:
            channel.close()
            raise

    def check(self, deep: bool, progress: Progress | None) -> list[Finding]:
        if progress is None:
            return self._check(deep)
        # The check keeps a connection waiting; how far it is comes on another one.
        channel = self._channel.another()
        try:
            with ThreadPoolExecutor(1) as thread:
                checking = thread.submit(_Owner(channel)._check, deep)
                try:
                    while not wait([checking], _PROGRESS_S).done:
                        state = self.check_progress()
                        progress(state.what, state.done, state.total)
                except BaseException:
                    channel.end()  # interrupted: the thread need not wait for the answer
                    raise
                return checking.result()
        finally:
            channel.close()

    def image(self) -> ImageReader:
        return RemoteImage(self._channel.another())

    def unmount(self, mountpoints: list[str]) -> bool:
        try:
            is_owners = self._unmount(mountpoints)
            if is_owners:
                self._channel.wait_farewell()
        except Farewell:
            return True
        return is_owners

    def on_unmount_request(self, callback: EndRequest) -> None:
        """Such a request comes with the session whose mount it is."""

    def watch(self, lost: Callable[[], None]) -> None:
        """Have `lost` called, once and on a thread of its own, when the owner is gone or this
        was closed."""
        connection = self._channel.duplicate()
        threading.Thread(
            target=_wait_gone, args=(connection, lost), name="sqlfs-owner-watch", daemon=True
        ).start()

    def close(self) -> None:
        self._channel.close()


def _wait_gone(connection: socket.socket, lost: Callable[[], None]) -> None:
    with connection, contextlib.suppress(OSError):
        poll = select.poll()
        # Nothing to read: that is for whoever asked for it.
        poll.register(connection, select.POLLRDHUP)
        while not any(events & _GONE for _, events in poll.poll()):
            pass
    lost()
