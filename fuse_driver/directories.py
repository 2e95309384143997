# ruff: noqa: ARG002 -- the signatures are pyfuse3's
"""Requests on open directories.

A directory's handle is its node: where a listing goes on is in the cookie that the kernel gives
back.  Cookies 1 and 2 stand for `.` and `..`; the session's, which name edges, come after.
"""

from __future__ import annotations

from typing import Final

import pyfuse3
from pyfuse3 import FileHandleT, InodeT, ReaddirToken, RequestContext

from fuse_driver.errors import answering
from fuse_driver.handlers import Handlers
from fuse_driver.replies import entry
from sqlfs.errors import NotFound
from sqlfs.types import Attributes, DirectoryEntry

DOT: Final = 1
DOT_DOT: Final = 2

# About what fits in the page that most kernels ask for at a time.
ENTRIES_PER_PAGE: Final = 24


class DirectoryHandlers(Handlers):
    @answering
    async def opendir(
        self,
        inode: InodeT,
        ctx: RequestContext,
    ) -> FileHandleT:
        return FileHandleT(self.inodes.node(inode))

    @answering
    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        node = int(fh)
        if start_id < DOT and not self._list_dot(token, b".", self._session.getattr(node), DOT):
            return
        if start_id < DOT_DOT:
            parent = self._session.lookup(node, b"..")
            if not self._list_dot(token, b"..", parent, DOT_DOT):
                return
        cookie = max(start_id - DOT_DOT, 0)
        while page := self._session.readdir(node, cookie, ENTRIES_PER_PAGE):
            for placed in page:
                if not self._list(token, placed):
                    return
                cookie = placed.cookie
            if len(page) < ENTRIES_PER_PAGE:
                return

    def _list(self, token: ReaddirToken, placed: DirectoryEntry) -> bool:
        """Whether there was room for it.  The kernel takes each entry for a lookup."""
        node = placed.attributes.node
        try:
            reply = self._looked_up(placed.attributes)
        except NotFound:
            return True  # removed by another door since it was read: there is nothing to list
        if pyfuse3.readdir_reply(token, placed.name, reply, placed.cookie + DOT_DOT):
            return True
        self.inodes.forget(node, 1)
        return False

    def _list_dot(
        self, token: ReaddirToken, name: bytes, attributes: Attributes, cookie: int
    ) -> bool:
        # The kernel takes these two for names only and counts no lookup.
        inode = self.inodes.inode(attributes.node)
        return pyfuse3.readdir_reply(token, name, entry(inode, attributes), cookie)

    @answering
    async def releasedir(self, fh: FileHandleT) -> None:
        pass

    @answering
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        await self._durably(self._session.fsyncdir, int(fh))
