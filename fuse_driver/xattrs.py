"""Requests on extended attributes, ACLs among them.

Who may do what in which namespace is checked by the kernel.
"""

from __future__ import annotations

import errno
import stat

from fuse_driver.handlers import Handlers
from fuse_driver.kernel.abi import (
    GETXATTR_IN,
    GETXATTR_OUT,
    SETXATTR_ACL_KILL_SGID,
    SETXATTR_IN,
    Opcode,
)
from fuse_driver.kernel.errors import Fault
from fuse_driver.kernel.requests import Later, Reply, Request, answers
from sqlfs.namespace import ACL_NAMES
from sqlfs.types import AttributeChanges, XattrFlag


class XattrHandlers(Handlers):
    @answers(Opcode.GETXATTR)
    def getxattr(self, request: Request) -> Reply:
        room, _ = request.fields(GETXATTR_IN)
        name = request.name(GETXATTR_IN)
        if self._is_hidden(name):
            raise Fault(errno.ENODATA)
        return _sized(self._session.getxattr(self.inodes.node(request.inode), name), room)

    @answers(Opcode.LISTXATTR)
    def listxattr(self, request: Request) -> Reply:
        room, _ = request.fields(GETXATTR_IN)
        names = self._session.listxattr(self.inodes.node(request.inode))
        if request.uid != 0:
            names = [name for name in names if not name.startswith(b"trusted.")]
        names = [name for name in names if not self._is_hidden(name)]
        return _sized(b"".join(name + b"\0" for name in names), room)

    @answers(Opcode.SETXATTR)
    def setxattr(self, request: Request) -> Reply | Later:
        size, flags, extra, _ = request.fields(SETXATTR_IN)
        tail = bytes(request.body[SETXATTR_IN.size :])
        name, value = tail[: -size - 1], tail[len(tail) - size :]
        node = self.inodes.node(request.inode)
        if self._is_hidden(name):
            raise Fault(errno.EOPNOTSUPP)

        def change() -> bytes:
            self._session.setxattr(node, name, value, XattrFlag(flags))
            if extra & SETXATTR_ACL_KILL_SGID:
                self._take_sgid(node)
            return b""

        return self._changing(change)

    def _take_sgid(self, node: int) -> None:
        """As chmod by one who is not of the file's group."""
        mode = stat.S_IMODE(self._session.getattr(node).mode)
        if mode & stat.S_ISGID:
            self._session.setattr(node, AttributeChanges(mode=mode & ~stat.S_ISGID))

    @answers(Opcode.REMOVEXATTR)
    def removexattr(self, request: Request) -> Reply | Later:
        node, name = self.inodes.node(request.inode), request.name()
        if self._is_hidden(name):
            raise Fault(errno.ENODATA)
        return self._changing(lambda: self._session.removexattr(node, name))

    def _is_hidden(self, name: bytes) -> bool:
        """An ACL says nothing where the view has permissions of its own."""
        return self._view is not None and self._view.hides_acls and name in ACL_NAMES


def _sized(value: bytes, room: int) -> bytes:
    """`value`, or its length for one who has brought no `room`."""
    if room == 0:
        return GETXATTR_OUT.pack(len(value), 0)
    if len(value) > room:
        raise Fault(errno.ERANGE)
    return value
