"""Requests on open directories.

A directory's handle is its node: where a listing goes on is in the cookie that the kernel gives
back.  Cookies 1 and 2 stand for `.` and `..`; the session's, which name edges, come after.

The kernel keeps listings.  It takes one for outdated when the directory has another time of
change than when the listing began, when a name was changed by way of the mount, and when it is told
to forget the directory's content.  An old answer that arrives after it was told is known by that
time alone, and times are coarse: so only listings of directories that nobody changed for a while
are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from fuse_driver import replies
from fuse_driver.handlers import Handlers
from fuse_driver.kernel.abi import (
    DIRENT,
    ENTRY_BYTES,
    FOPEN_CACHE_DIR,
    FOPEN_KEEP_CACHE,
    FSYNC_IN,
    OPEN_IN,
    OPEN_OUT,
    READ_IN,
    Opcode,
)
from fuse_driver.kernel.requests import Later, Reply, Request, answers
from sqlfs.errors import NotFound
from sqlfs.limits import KIB
from sqlfs.types import Attributes

DOT: Final = 1
DOT_DOT: Final = 2

# A usual name's place in a listing, to guess how many fit an answer.
NAME_BYTES_USUAL: Final = DIRENT.size + 24
# An answer has no more, whatever there is room for: everybody else waits for it.
LISTING_BYTES_MAX: Final = 32 * KIB
# A directory that was not changed for so long will have another time when it is: far more than the
# steps of the clock.
SETTLED_NS: Final = 1_000_000_000

Show = Callable[[bytes, Attributes, int], bytes]


class DirectoryHandlers(Handlers):
    @answers(Opcode.OPENDIR)
    def opendir(self, request: Request) -> Reply | Later:
        flags, _ = request.fields(OPEN_IN)
        node = self.inodes.node(request.inode)
        attributes = self._session.getattr(node)
        reply_flags = 0
        if time.time_ns() - attributes.ctime_ns >= SETTLED_NS:
            reply_flags = FOPEN_CACHE_DIR
            if not self._reading_tells(attributes, flags):
                reply_flags |= FOPEN_KEEP_CACHE
        return self._caught_up(OPEN_OUT.pack(node, reply_flags, 0))

    @answers(Opcode.RELEASEDIR)
    def releasedir(self, request: Request) -> Reply:
        del request
        return b""

    @answers(Opcode.READDIR)
    def readdir(self, request: Request) -> Reply:
        node, cookie, size, _ = request.fields(READ_IN)
        room = min(size, LISTING_BYTES_MAX)
        parts: list[bytes] = []
        limit = room // NAME_BYTES_USUAL
        for name, attributes, next_cookie in self._entries(node, cookie, limit):
            inode = self.inodes.inode(attributes.node)
            part = replies.directory_entry(inode, attributes.mode, name, next_cookie)
            room -= len(part)
            if room < 0:
                break
            parts.append(part)
        return b"".join(parts)

    @answers(Opcode.READDIRPLUS)
    def readdirplus(self, request: Request) -> Reply:
        node, cookie, size, _ = request.fields(READ_IN)
        room = min(size, LISTING_BYTES_MAX)
        parts: list[bytes] = []
        limit = room // (ENTRY_BYTES + NAME_BYTES_USUAL)
        for name, attributes, next_cookie in self._entries(node, cookie, limit):
            inode = self.inodes.inode(attributes.node)
            part = replies.directory_entry(inode, attributes.mode, name, next_cookie)
            room -= ENTRY_BYTES + len(part)
            if room < 0:
                break
            if next_cookie <= DOT_DOT:
                # The kernel takes these two for names only and counts no lookup.
                parts.append(
                    replies.entry(inode, self._viewed(attributes), self._chunk_size, self.name_s)
                )
            else:
                try:
                    parts.append(self._looked_up(attributes))
                except NotFound:
                    # Removed or replaced by another door since it was read: the name alone.
                    parts.append(bytes(ENTRY_BYTES))
            parts.append(part)
        return b"".join(parts)

    def _entries(
        self, node: int, after: int, limit: int
    ) -> Iterator[tuple[bytes, Attributes, int]]:
        """Name, attributes and cookie of what follows cookie `after`: no more than `limit` beside
        `.` and `..`, but one at least, for nothing is the end.  Where more fit an answer, it is
        shorter than it could be, and the kernel goes on behind it."""
        if after < DOT:
            yield b".", self._session.getattr(node), DOT
        if after < DOT_DOT:
            yield b"..", self._parent(node), DOT_DOT
        for placed in self._session.readdir(node, max(after - DOT_DOT, 0), max(limit, 1)):
            yield placed.name, placed.attributes, placed.cookie + DOT_DOT

    def _parent(self, node: int) -> Attributes:
        return self._session.lookup(node, b"..")

    @answers(Opcode.FSYNCDIR)
    def fsyncdir(self, request: Request) -> Later:
        node, _, _ = request.fields(FSYNC_IN)
        return self._durably(lambda: self._session.fsyncdir(node))
