"""What all request handlers stand on.

Handlers run one after the other on the thread that reads requests and call the session's verbs
in place: a hop to another thread costs several times what a small verb does.  Two kinds of call
are put off until another thread reads on, so that nobody's stat waits for them: those that make
something durable, and waiting for room to change anything.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from fuse_driver import replies
from fuse_driver.inodes import Inodes
from fuse_driver.kernel.requests import Later, Reply, Request
from fuse_driver.setid import has_setid, without_setid
from fuse_driver.view import View
from sqlfs.types import AttributeChanges, Attributes, Caller
from sqlfs.volume.session import Session

# Apart, so that writers that wait for room leave threads to the syncs that make it.
SYNCING_THREADS_MAX: Final = 32
WAITING_THREADS_MAX: Final = 32

# An access time of this age is renewed by any read (a day).
ATIME_NS_MAX: Final = 24 * 3600 * 1_000_000_000


class Handlers:
    """State and steps common to every family of requests.

    `synchronous` (mount option sync) makes every change durable before it is answered,
    `synchronous_names` (dirsync) those of directories.  Without a `view` all is shown as it is
    stored.
    """

    def __init__(
        self,
        session: Session,
        *,
        synchronous: bool = False,
        synchronous_names: bool = False,
        view: View | None = None,
        keeps_atime: bool = True,
    ) -> None:
        self._session = session
        self.inodes = Inodes(session)
        self._synchronous = synchronous
        self._synchronous_names = synchronous or synchronous_names
        self._view = view
        self._keeps_atime = keeps_atime
        self._chunk_size = session.volume.chunk_size
        self.name_s = replies.CACHE_S  # how long the kernel may believe a name
        # Nodes that the kernel was shown with set-id bits.  Any thread may add or discard one.
        self._setid_nodes: set[int] = set()
        self._syncing = ThreadPoolExecutor(SYNCING_THREADS_MAX, "sqlfs-sync")
        self._waiting = ThreadPoolExecutor(WAITING_THREADS_MAX, "sqlfs-wait")

    def _changing(self, work: Callable[[], bytes | None]) -> Reply | Later:
        """The way of everything that changes something: here and now, unless it might wait.

        `work` returns the answer, if there is more to say than that it is done.
        """
        return self._change(work, self._synchronous)

    def _changing_names(self, work: Callable[[], bytes | None]) -> Reply | Later:
        """As :meth:`_changing`, for what changes directories."""
        return self._change(work, self._synchronous_names)

    def _change(self, work: Callable[[], bytes | None], synchronous: bool) -> Reply | Later:
        if not synchronous and not self._session.congested():
            return work() or b""
        return self._change_at_leisure(work, synchronous)

    def _change_at_leisure(
        self, work: Callable[[], bytes | None], synchronous: bool = False
    ) -> Later:
        """The way of a change that takes its time."""
        synchronous = synchronous or self._synchronous

        def answer() -> bytes:
            self._session.wait_uncongested()
            reply = work() or b""
            if synchronous:
                self._session.sync()
            return reply

        return Later(answer, self._waiting)

    def _caught_up(self, opened: bytes) -> Reply | Later:
        """The answer to an open.  Whoever opens something finds what others closed, and not what
        the kernel knew under an owner that is gone, and is just made to forget."""
        if not self._session.catching_up():
            return opened

        def answer() -> bytes:
            self._session.wait_caught_up()
            return opened

        # The kernel may need answers from here before it can forget.
        return Later(answer, self._waiting)

    def _durably(self, work: Callable[[], None]) -> Later:
        """The way of a verb that waits for the disk."""

        def answer() -> bytes:
            work()
            return b""

        return Later(answer, self._syncing)

    def _shown(self, attributes: Attributes) -> bytes:
        """The answer to a request for attributes."""
        inode = self.inodes.inode(attributes.node)
        return replies.attributes(inode, self._viewed(attributes), self._chunk_size)

    def _looked_up(self, attributes: Attributes) -> bytes:
        """The answer to a request for a node: the kernel will remember it."""
        inode = self.inodes.remember(attributes.node)
        return replies.entry(inode, self._viewed(attributes), self._chunk_size, self.name_s)

    def _viewed(self, stored: Attributes) -> Attributes:
        """What the kernel is shown of `stored`; whether it has set-id bits is noted."""
        if has_setid(stored):
            self._setid_nodes.add(stored.node)
        elif self._setid_nodes:
            self._setid_nodes.discard(stored.node)
        return stored if self._view is None else self._view.shown(stored)

    def _reading_tells(self, attributes: Attributes, flags: int) -> bool:
        """Whether the access time, kept as relatime keeps it, is due: then the next read by one
        who opened with `flags` must not be answered from the kernel's pages."""
        if not self._keeps_atime or flags & os.O_NOATIME:
            return False
        atime_ns = attributes.atime_ns
        return (
            atime_ns <= max(attributes.mtime_ns, attributes.ctime_ns)
            or time.time_ns() - atime_ns >= ATIME_NS_MAX
        )

    def _maker(self, request: Request, umask: int = 0) -> Caller:
        """On whose behalf a request makes a node."""
        caller = request.caller(umask)
        return caller if self._view is None else self._view.maker(caller)

    def _take_setid(self, node: int, caller: Caller) -> None:
        """Before a change of content by one who may not leave set-id bits behind."""
        if node in self._setid_nodes:
            attributes = self._session.getattr(node)
            mode = without_setid(attributes, caller)
            if mode != stat.S_IMODE(attributes.mode):
                self._session.setattr(node, AttributeChanges(mode=mode))

    def close(self) -> None:
        """Wait for what was put off."""
        self._waiting.shutdown()
        self._syncing.shutdown()
