"""Who else has the volume file open, and whether it may be changed.

A copy that runs while a checkpoint rewrites the file would be torn, so a checkpoint waits until the
others have closed the file, within bounds.  While the file lags behind what was written, its owner
holds a write lease where that can be had: whoever opens the file then waits until the owner has
brought it up to date.  Where it can't be had, inotify tells of those who open it: their copies are
of the last checkpoint.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from sqlfs.store.lease import WriteLease, signal_descriptor

_IN_OPEN = 0x20
_IN_CLOSE = 0x08 | 0x10
_IN_ATTRIB = 0x04  # also when a name of the file goes away
_IN_SELF = 0x400 | 0x800  # deleted, moved
_IN_Q_OVERFLOW = 0x4000
_WATCHED = _IN_OPEN | _IN_CLOSE | _IN_ATTRIB | _IN_SELF
_EVENT = struct.Struct("iIII")


class OpenWatch:
    """Counts the others' opens and closes from the moment it is made, and holds the lease from
    :meth:`start` on.  Thread-safe; its lock is taken after the store's, never before it.  Where
    neither lease nor inotify are to be had, nobody is ever seen."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._open = 0  # seen to open it, and not to close it; guarded by _lock
        self._given_up = 0  # of those, the ones that are not waited for any more; guarded by _lock
        self._gave_up = False  # somebody is not waited for any more; guarded by _lock
        self._lease: WriteLease | None = None  # its state is guarded by _lock
        self._thread: threading.Thread | None = None
        self._ending = False
        self._poke = -1
        # Somebody waits to open the file, until the lease is given up.  Set by the thread.
        self.wanted = False
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if (
            self._inotify >= 0
            and libc.inotify_add_watch(self._inotify, os.fsencode(path), _WATCHED) < 0
        ):
            os.close(self._inotify)
            self._inotify = -1

    def start(self, fd: int, wake: Callable[[], None]) -> None:
        """Begin to use leases on `fd`, SQLite's own descriptor.  `wake` is called, on a thread of
        the watch and under no lock, whenever somebody opened or closed the file or wants to."""
        ready = threading.Event()
        self._poke = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(
            target=self._run, args=(fd, wake, ready), name="sqlfs-watch", daemon=True
        )
        self._thread.start()
        ready.wait()

    # --- what the owner asks ---

    @property
    def sees_openers(self) -> bool:
        """Whether those who open the file wait until it is up to date."""
        return self._lease is not None and self._lease.available

    def hold(self) -> bool:
        """The file is to lag behind, or does: have those who open it wait, if that can be had."""
        with self._lock:
            return self._take()

    def is_wanted(self) -> bool:
        """Whether somebody waits to open the file."""
        with self._lock:
            self.wanted = self._lease is not None and self._lease.is_wanted()
            return self.wanted

    def may_change(self) -> bool:
        """Whether the file may be rewritten: nobody reads it, but those who are not waited for any
        more."""
        with self._lock:
            self._drain()
            if self._take():
                return True
            somebody = self._lease is not None and self._lease.available
            return self._open == 0 and (self._gave_up or not somebody)

    def let_in(self) -> None:
        """The file is up to date: nobody need wait."""
        with self._lock:
            if self._lease is not None:
                self._lease.give_up()
            self.wanted = False

    def forget(self) -> None:
        """Stop waiting for those who are there: the bound on time or log size is reached."""
        with self._lock:
            self._drain()
            self._given_up += self._open
            self._open = 0
            self._gave_up = True

    def close(self) -> None:
        """The descriptor of the file is closed, and the lease gone with it."""
        if self._thread is not None:
            self._ending = True
            os.eventfd_write(self._poke, 1)
            self._thread.join()
            os.close(self._poke)
        if self._inotify >= 0:
            os.close(self._inotify)
            self._inotify = -1

    # --- inside ---

    def _take(self) -> bool:
        if self._lease is None:
            return False
        if not self._lease.held and self._lease.take():
            self._open = self._given_up = 0
            self._gave_up = False
        return self._lease.held

    def _drain(self) -> None:
        while self._inotify >= 0:
            try:
                events = os.read(self._inotify, 65536)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(events):
                _, mask, _, name_bytes = _EVENT.unpack_from(events, offset)
                offset += _EVENT.size + name_bytes
                self._count(mask)

    def _count(self, mask: int) -> None:
        if mask & _IN_Q_OVERFLOW:
            self._open = self._given_up = 0
        elif mask & _IN_OPEN:
            self._open += 1
        elif mask & _IN_CLOSE:
            # Of whom is not known: rather wait for one who is gone.
            if self._given_up:
                self._given_up -= 1
            else:
                self._open = max(0, self._open - 1)

    def _run(self, fd: int, wake: Callable[[], None], ready: threading.Event) -> None:
        try:
            signals = signal_descriptor()
            if signals >= 0:
                self._lease = WriteLease(fd)
        finally:
            ready.set()
        poller = select.poll()
        for descriptor in (signals, self._inotify, self._poke):
            if descriptor >= 0:
                poller.register(descriptor, select.POLLIN)
        while True:
            ready_now = [descriptor for descriptor, _ in poller.poll()]
            if self._ending:
                break
            if signals in ready_now:
                # Another thread of the process may have been handed the signal meanwhile.
                with contextlib.suppress(BlockingIOError):
                    os.read(signals, 65536)
                self.is_wanted()
            with self._lock:
                self._drain()
            wake()
        if signals >= 0:
            os.close(signals)
