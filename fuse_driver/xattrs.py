# ruff: noqa: ARG002 -- the signatures are pyfuse3's
"""Requests on extended attributes.

Who may do what in which namespace is checked by the kernel.  Before each write(2) it asks for
security.capability: on a node without attributes the session answers that from memory.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from pyfuse3 import FUSEError, InodeT, RequestContext, XAttrNameT

from fuse_driver.errors import answering
from fuse_driver.handlers import Handlers


class XattrHandlers(Handlers):
    @answering
    async def getxattr(
        self,
        inode: InodeT,
        name: XAttrNameT,
        ctx: RequestContext,
    ) -> bytes:
        _check_namespace(name)
        return self._session.getxattr(self.inodes.node(inode), name)

    @answering
    async def setxattr(
        self,
        inode: InodeT,
        name: XAttrNameT,
        value: bytes,
        ctx: RequestContext,
    ) -> None:
        # pyfuse3 has tried XATTR_CREATE and XATTR_REPLACE itself, by getxattr.
        _check_namespace(name)
        await self._room_to_change()
        self._session.setxattr(self.inodes.node(inode), name, value)
        await self._changed()

    @answering
    async def listxattr(
        self,
        inode: InodeT,
        ctx: RequestContext,
    ) -> Sequence[XAttrNameT]:
        names = self._session.listxattr(self.inodes.node(inode))
        if ctx.uid != 0:
            names = [name for name in names if not name.startswith(b"trusted.")]
        return [XAttrNameT(name) for name in names]

    @answering
    async def removexattr(
        self,
        inode: InodeT,
        name: XAttrNameT,
        ctx: RequestContext,
    ) -> None:
        _check_namespace(name)
        await self._room_to_change()
        self._session.removexattr(self.inodes.node(inode), name)
        await self._changed()


def _check_namespace(name: bytes) -> None:
    # ACLs are kept as attributes of the system namespace: not here.
    if name.startswith(b"system."):
        raise FUSEError(errno.EOPNOTSUPP)
