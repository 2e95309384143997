# ruff: noqa: ARG002 -- the signatures are pyfuse3's
"""Requests on attributes, and on the file system as a whole."""

from __future__ import annotations

import stat
from dataclasses import replace

from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileNameT,
    InodeT,
    ModeT,
    RequestContext,
    SetattrFields,
    StatvfsData,
)

from fuse_driver.errors import answering
from fuse_driver.handlers import Handlers
from fuse_driver.replies import file_system
from fuse_driver.setid import without_setid
from sqlfs.types import AttributeChanges

NO_CHANGES = AttributeChanges()


class AttributeHandlers(Handlers):
    @answering
    async def getattr(
        self,
        inode: InodeT,
        ctx: RequestContext,
    ) -> EntryAttributes:
        return self._shown(self._session.getattr(self.inodes.node(inode)))

    @answering
    async def setattr(
        self,
        inode: InodeT,
        attr: EntryAttributes,
        fields: SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        await self._room_to_change()
        node = self.inodes.node(inode)
        changes = requested(attr, fields)
        if changes == NO_CHANGES:
            return self._shown(self._session.getattr(node))
        if changes.mode is None:
            changes = self._without_privilege(node, changes, ctx)
        reply = self._shown(self._session.setattr(node, changes))
        await self._changed()
        return reply

    def _without_privilege(
        self, node: int, changes: AttributeChanges, ctx: RequestContext
    ) -> AttributeChanges:
        """`changes`, and those that set-id bits suffer by them."""
        moves = changes.uid is not None or changes.gid is not None
        truncates = changes.size is not None and ctx.uid != 0
        if not (moves or truncates):
            return changes
        attributes = self._session.getattr(node)
        if attributes.is_dir:
            return changes
        mode = without_setid(attributes.mode)
        return changes if mode == stat.S_IMODE(attributes.mode) else replace(changes, mode=mode)

    @answering
    async def readlink(
        self,
        inode: InodeT,
        ctx: RequestContext,
    ) -> FileNameT:
        return FileNameT(self._session.readlink(self.inodes.node(inode)))

    @answering
    async def access(
        self,
        inode: InodeT,
        mode: ModeT,
        ctx: RequestContext,
    ) -> bool:
        return True  # the kernel has checked permissions (default_permissions)

    @answering
    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        return file_system(self._session.statfs())


def requested(attr: EntryAttributes, fields: SetattrFields) -> AttributeChanges:
    """What the kernel asks for; "now" is in `attr` as a time already."""
    return AttributeChanges(
        mode=stat.S_IMODE(attr.st_mode) if fields.update_mode else None,
        uid=attr.st_uid if fields.update_uid else None,
        gid=attr.st_gid if fields.update_gid else None,
        size=attr.st_size if fields.update_size else None,
        atime_ns=attr.st_atime_ns if fields.update_atime else None,
        mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
        ctime_ns=attr.st_ctime_ns if fields.update_ctime else None,
    )
