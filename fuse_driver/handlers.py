"""What all request handlers stand on.

Handlers run on the trio thread and call the session's verbs in place: a hop to another thread
costs several times what a small verb does.  Two kinds of call leave it, so that nobody's stat
waits for them: those that make something durable, and waiting for room to change anything.
Between these awaits a handler is atomic with respect to all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, RequestContext

from fuse_driver.inodes import Inodes
from fuse_driver.replies import entry
from fuse_driver.setid import has_setid
from sqlfs.types import Attributes, Caller
from sqlfs.volume.session import Session

R = TypeVar("R")

# Apart, so that writers that wait for room leave threads to the syncs that make it.
SYNCING_THREADS_MAX: Final = 32
WAITING_THREADS_MAX: Final = 32


class Handlers(pyfuse3.Operations):
    """State and steps common to every family of requests.

    `synchronous` (mount option sync) makes every change durable before it is answered.
    """

    def __init__(self, session: Session, *, synchronous: bool = False) -> None:
        super().__init__()
        self._session = session
        self.inodes = Inodes(session)
        self._synchronous = synchronous
        self._setid_nodes: set[int] = set()
        self._syncing = trio.CapacityLimiter(SYNCING_THREADS_MAX)
        self._waiting = trio.CapacityLimiter(WAITING_THREADS_MAX)

    async def _room_to_change(self) -> None:
        """Every mutating handler awaits this first."""
        if self._session.congested():
            await trio.to_thread.run_sync(self._session.wait_uncongested, limiter=self._waiting)

    async def _changed(self) -> None:
        """Every mutating handler awaits this last."""
        if self._synchronous:
            await self._durably(self._session.sync)

    async def _durably(self, verb: Callable[..., R], *args: object) -> R:
        """Run a verb that may wait for the disk."""
        return await trio.to_thread.run_sync(verb, *args, limiter=self._syncing)

    def _shown(self, attributes: Attributes) -> EntryAttributes:
        """The answer to a request for attributes."""
        if has_setid(attributes):
            self._setid_nodes.add(attributes.node)
        else:
            self._setid_nodes.discard(attributes.node)
        return entry(self.inodes.inode(attributes.node), attributes)

    def _looked_up(self, attributes: Attributes) -> EntryAttributes:
        """The answer to a request for a node: the kernel will remember it."""
        self.inodes.remember(attributes.node)
        return self._shown(attributes)


def caller(context: RequestContext) -> Caller:
    return Caller(uid=context.uid, gid=context.gid, umask=context.umask, pid=context.pid)
