"""One owner after the other: what stands behind a store, and who follows on it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from sqlfs.errors import AlreadyExists, ConnectionLost, InUse, ReadOnly, SqlfsError
from sqlfs.limits import OWNER_AWAITED_S_MAX
from sqlfs.owner.direct import DirectBackend
from sqlfs.owner.remote import RemoteBackend

# Between two looks for a new owner.
_LOOK_S: Final = 0.02
# By so much a mount is ahead of others when a file needs a new owner.
_HEAD_START_S: Final = 0.1

Backend = RemoteBackend | DirectBackend
T = TypeVar("T")

log = logging.getLogger(__name__)


class Heir(Protocol):
    """A session that outlasts the owner it began under."""

    @property
    def is_mount(self) -> bool: ...

    def go_on(self, lost: Backend) -> None:
        """`lost` has gone: find the next one without being asked for anything."""


class Succession:
    """The backend of the moment.  The condition guards all of it; what may take long is done by
    one thread, without it, while the others wait."""

    def __init__(self, backend: Backend, again: Callable[[bool], Backend | None]) -> None:
        """`again` makes one attempt to get another backend; told False, it may not own the file,
        and returns None where nobody else does."""
        self._again = again
        self.path = backend.path
        self._identity = backend.identity
        self._process = os.getpid()
        self._state = threading.Condition()
        self._backend = backend
        self._is_renewing = False
        self._closed = False
        self._heirs: list[Heir] = []
        self._unmount_callbacks: list[Callable[[], None]] = []
        self._watch(backend)

    @property
    def backend(self) -> Backend:
        """The present one."""
        return self._backend

    @property
    def is_foreign(self) -> bool:
        """Whether this is a forked child, to which nothing here ever belonged."""
        return self._process != os.getpid()

    def ask(self, ask: Callable[[Backend], T]) -> T:
        """What `ask` returns for the present backend, or the next.  Raises ConnectionLost when
        there is none in time."""
        while True:
            backend = self._backend
            try:
                return ask(backend)
            except ConnectionLost as lost:
                self.renew(backend, lost)

    def renew(self, lost: Backend, why: ConnectionLost) -> None:
        """Return when another backend is there than `lost`.  Raises ConnectionLost."""
        if self.is_foreign:
            raise why
        deadline = time.monotonic() + OWNER_AWAITED_S_MAX
        with self._state:
            while self._is_renewing and self._backend is lost:
                if not self._state.wait(max(0.0, deadline - time.monotonic())):
                    raise why
            if self._backend is not lost:
                return
            if self._closed or lost.is_owner:
                raise why
            self._is_renewing = True
        found: Backend | None = None
        try:
            found = self._next(deadline, why)
        finally:
            with self._state:
                self._is_renewing = False
                is_late = self._closed
                if found is not None and not is_late:
                    self._install(found)
                self._state.notify_all()
            lost.close()
        if is_late:
            found.close()
            raise why

    def _next(self, deadline: float, why: ConnectionLost) -> Backend:
        begun = time.monotonic()
        is_ahead = any(heir.is_mount for heir in self._heirs)
        reason = why.message
        while not self._closed:
            now = time.monotonic()
            try:
                found = self._again(is_ahead or now - begun >= _HEAD_START_S)
                if found is not None:
                    return self._checked(found)
            except (InUse, AlreadyExists, ReadOnly) as error:
                reason = error.message  # somebody else was quicker, and is about to listen
            except ConnectionLost:
                raise
            except SqlfsError as error:
                raise ConnectionLost(f"nobody owns {self.path} any more: {error}") from error
            if now > deadline:
                raise ConnectionLost(f"{self.path} found no new owner in time: {reason}")
            time.sleep(_LOOK_S)
        raise why

    def _checked(self, found: Backend) -> Backend:
        if found.identity == self._identity:
            return found
        found.close()
        raise ConnectionLost(f"{self.path} is another file than it was; open it anew")

    def _install(self, backend: Backend) -> None:
        log.info("%s is owned by process %d now", self.path, backend.owner_pid)
        for callback in self._unmount_callbacks:
            backend.on_unmount_request(callback)
        self._backend = backend
        self._watch(backend)

    # --- those who go on ---

    def _watch(self, backend: Backend) -> None:
        if isinstance(backend, RemoteBackend):
            backend.watch(lambda: self._gone(backend))

    def _gone(self, backend: RemoteBackend) -> None:
        # At once: what a session holds is kept for a moment only.
        with self._state:
            heirs = [] if self._closed else list(self._heirs)
        for heir in heirs:
            heir.go_on(backend)

    def add(self, heir: Heir) -> None:
        with self._state:
            self._heirs.append(heir)

    def remove(self, heir: Heir) -> None:
        with self._state:
            self._heirs = [each for each in self._heirs if each is not heir]

    # --- the mount of this process ---

    def on_unmount_request(self, callback: Callable[[], None]) -> None:
        with self._state:
            self._unmount_callbacks.append(callback)
            self._backend.on_unmount_request(callback)

    def end_request(self) -> None:
        """Somebody asks for the end of this process's mount."""
        for callback in self._unmount_callbacks:
            callback()

    def close(self) -> None:
        """Nobody follows any more.  Idempotent."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        self._backend.close()
