"""Requests on attributes, and on the file system as a whole."""

from __future__ import annotations

import stat
import time
from typing import Final

from fuse_driver import replies
from fuse_driver.handlers import Handlers
from fuse_driver.kernel.abi import SETATTR_IN, Opcode, SetattrField
from fuse_driver.kernel.requests import Later, Reply, Request, answers
from fuse_driver.setid import without_setid
from sqlfs.types import AttributeChanges, Caller

NO_CHANGES: Final = AttributeChanges()

_NS: Final = 1_000_000_000
# The clock that the kernel stamps files with; Python has no name for it.
_CLOCK_REALTIME_COARSE: Final = 5


class AttributeHandlers(Handlers):
    @answers(Opcode.GETATTR)
    def getattr(self, request: Request) -> Reply:
        return self._shown(self._session.getattr(self.inodes.node(request.inode)))

    @answers(Opcode.STATX)
    def statx(self, request: Request) -> Reply:
        attributes = self._session.getattr(self.inodes.node(request.inode))
        return replies.extended_attributes(
            request.inode, self._viewed(attributes), self._chunk_size
        )

    @answers(Opcode.SETATTR)
    def setattr(self, request: Request) -> Reply | Later:
        node = self.inodes.node(request.inode)
        changes, kills_setid = requested(request)
        if self._view is not None:
            changes = self._view.stored(changes)

        def change() -> bytes:
            allowed = self._without_privilege(node, changes, kills_setid, request.caller())
            return self._shown(self._session.setattr(node, allowed))

        return self._changing(change)

    def _without_privilege(
        self, node: int, changes: AttributeChanges, kills_setid: bool, caller: Caller
    ) -> AttributeChanges:
        """`changes`, and those that set-id bits suffer by them."""
        # Nothing at all is what chown(2) to the same owner and group leaves of itself.
        moves = changes == NO_CHANGES or changes.uid is not None or changes.gid is not None
        if changes.mode is not None or not (moves or kills_setid):
            return changes
        attributes = self._session.getattr(node)
        if attributes.is_dir:
            return changes
        mode = without_setid(attributes, caller)
        return changes if mode == stat.S_IMODE(attributes.mode) else changes._replace(mode=mode)

    @answers(Opcode.READLINK)
    def readlink(self, request: Request) -> Reply:
        return self._session.readlink(self.inodes.node(request.inode))

    @answers(Opcode.STATFS)
    def statfs(self, request: Request) -> Reply:
        del request
        return replies.file_system(self._session.statfs())


def requested(request: Request) -> tuple[AttributeChanges, bool]:
    """What a SETATTR asks for, and whether set-id bits must go with it."""
    (
        valid, _, _, size, _, atime_s, mtime_s, ctime_s, atime_ns, mtime_ns, ctime_ns,
        mode, _, uid, gid, _,
    ) = request.fields(SETATTR_IN)  # fmt: skip
    field = SetattrField
    changes = AttributeChanges(
        mode=stat.S_IMODE(mode) if valid & field.MODE else None,
        uid=uid if valid & field.UID else None,
        gid=gid if valid & field.GID else None,
        size=size if valid & field.SIZE else None,
        atime_ns=_time(valid & field.ATIME, valid & field.ATIME_NOW, atime_s, atime_ns),
        mtime_ns=_time(valid & field.MTIME, valid & field.MTIME_NOW, mtime_s, mtime_ns),
        ctime_ns=_time(valid & field.CTIME, 0, ctime_s, ctime_ns),
    )
    return changes, bool(valid & field.KILL_SUIDGID)


def _time(is_given: int, is_now: int, seconds: int, nanoseconds: int) -> int | None:
    if is_now:
        return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
    return seconds * _NS + nanoseconds if is_given else None
