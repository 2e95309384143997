# ruff: noqa: ARG002 -- the signatures are pyfuse3's
"""Requests on names: lookup, making, linking, renaming, removing."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pyfuse3 import EntryAttributes, FileNameT, FlagT, InodeT, ModeT, RequestContext

from fuse_driver.errors import answering
from fuse_driver.handlers import Handlers, caller
from fuse_driver.replies import no_entry
from sqlfs.errors import NotFound
from sqlfs.types import RenameFlag

log = logging.getLogger(__name__)


class NameHandlers(Handlers):
    @answering
    async def lookup(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        ctx: RequestContext,
    ) -> EntryAttributes:
        parent = self.inodes.node(parent_inode)
        try:
            # A server that exports the mount asks for "." of anything to find it again.
            if name == b".":
                attributes = self._session.getattr(parent)
            else:
                attributes = self._session.lookup(parent, name)
        except NotFound:
            return no_entry()
        return self._looked_up(attributes)

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        # There is no answer to a forget, hence none that could carry an error.
        for inode, lookups in inode_list:
            try:
                self.inodes.forget(self.inodes.node(inode), lookups)
            except Exception:
                log.exception("cannot forget inode %d", inode)

    @answering
    async def mknod(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        mode: ModeT,
        rdev: int,
        ctx: RequestContext,
    ) -> EntryAttributes:
        await self._room_to_change()
        parent = self.inodes.node(parent_inode)
        attributes = self._session.mknod(parent, name, mode, rdev, caller(ctx))
        await self._changed()
        return self._looked_up(attributes)

    @answering
    async def mkdir(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext
    ) -> EntryAttributes:
        await self._room_to_change()
        parent = self.inodes.node(parent_inode)
        attributes = self._session.mkdir(parent, name, mode, caller(ctx))
        await self._changed()
        return self._looked_up(attributes)

    @answering
    async def symlink(
        self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        await self._room_to_change()
        parent = self.inodes.node(parent_inode)
        attributes = self._session.symlink(parent, name, target, caller(ctx))
        await self._changed()
        return self._looked_up(attributes)

    @answering
    async def link(
        self,
        inode: InodeT,
        new_parent_inode: InodeT,
        new_name: FileNameT,
        ctx: RequestContext,
    ) -> EntryAttributes:
        await self._room_to_change()
        node, parent = self.inodes.node(inode), self.inodes.node(new_parent_inode)
        attributes = self._session.link(node, parent, new_name)
        await self._changed()
        return self._looked_up(attributes)

    @answering
    async def unlink(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        ctx: RequestContext,
    ) -> None:
        await self._room_to_change()
        self._session.unlink(self.inodes.node(parent_inode), name)
        await self._changed()

    @answering
    async def rmdir(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        ctx: RequestContext,
    ) -> None:
        await self._room_to_change()
        self._session.rmdir(self.inodes.node(parent_inode), name)
        await self._changed()

    @answering
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        await self._room_to_change()
        source = self.inodes.node(parent_inode_old)
        destination = self.inodes.node(parent_inode_new)
        self._session.rename(source, name_old, destination, name_new, RenameFlag(flags))
        await self._changed()
