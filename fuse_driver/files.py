"""Requests on open files."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileInfo,
    FileNameT,
    FlagT,
    InodeT,
    ModeT,
    RequestContext,
)

from fuse_driver.errors import answering
from fuse_driver.handlers import Handlers, caller
from fuse_driver.setid import without_setid
from sqlfs.errors import AlreadyExists
from sqlfs.types import AttributeChanges, Attributes
from sqlfs.volume.session import Session


@dataclass(frozen=True, slots=True)
class OpenFile:
    """What the driver knows of a handle."""

    node: int
    durable_writes: bool
    privileged: bool  # opened by root, whose writes leave set-id bits alone


class FileHandlers(Handlers):
    def __init__(self, session: Session, *, synchronous: bool = False) -> None:
        super().__init__(session, synchronous=synchronous)
        self._open_files: dict[int, OpenFile] = {}

    @answering
    async def create(
        self,
        parent_inode: InodeT,
        name: FileNameT,
        mode: ModeT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> tuple[FileInfo, EntryAttributes]:
        await self._room_to_change()
        parent = self.inodes.node(parent_inode)
        flags = self._effective(flags)
        try:
            attributes, handle = self._session.create(parent, name, mode, flags, caller(ctx))
        except AlreadyExists:
            # Another door was faster than the kernel's request.
            if flags & os.O_EXCL:
                raise
            attributes, handle = self._open_existing(parent, name, flags)
        try:
            await self._changed()
            entry = self._looked_up(attributes)
        except BaseException:
            self._session.release(handle)
            raise
        return self._opened(handle, attributes.node, flags, ctx), entry

    def _open_existing(self, parent: int, name: bytes, flags: int) -> tuple[Attributes, int]:
        node = self._session.lookup(parent, name).node
        handle = self._session.open(node, flags)
        return self._session.getattr(node), handle

    @answering
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        flags = self._effective(flags)
        if flags & os.O_TRUNC:
            await self._room_to_change()
        node = self.inodes.node(inode)
        handle = self._session.open(node, flags)
        try:
            if flags & os.O_TRUNC:
                self._take_setid(node, ctx.uid == 0)
                await self._changed()
        except BaseException:
            self._session.release(handle)
            raise
        return self._opened(handle, node, flags, ctx)

    def _effective(self, flags: FlagT) -> FlagT:
        return FlagT(flags | os.O_SYNC) if self._synchronous else flags

    def _opened(self, handle: int, node: int, flags: int, ctx: RequestContext) -> FileInfo:
        durable_writes = bool(flags & (os.O_SYNC | os.O_DSYNC))
        self._open_files[handle] = OpenFile(node, durable_writes, privileged=ctx.uid == 0)
        # Pages of an earlier open are right still: invalidation has seen to the others.
        return FileInfo(fh=FileHandleT(handle), keep_cache=True)

    @answering
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return self._session.read(fh, off, size)

    @answering
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        await self._room_to_change()
        open_file = self._open_files[fh]
        self._take_setid(open_file.node, open_file.privileged)
        if open_file.durable_writes:
            return await self._durably(self._session.write, fh, off, buf)
        return self._session.write(fh, off, buf)

    def _take_setid(self, node: int, privileged: bool) -> None:
        if privileged or node not in self._setid_nodes:
            return
        mode = without_setid(self._session.getattr(node).mode)
        self._session.setattr(node, AttributeChanges(mode=mode))
        self._setid_nodes.discard(node)

    @answering
    async def flush(self, fh: FileHandleT) -> None:
        self._session.flush(fh)

    @answering
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        await self._durably(self._session.fsync, fh, datasync)

    @answering
    async def release(self, fh: FileHandleT) -> None:
        del self._open_files[fh]
        self._session.release(fh)
