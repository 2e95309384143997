"""Requests on names: lookup, making, linking, renaming, removing."""

from __future__ import annotations

import errno
import logging
from typing import Final

from fuse_driver import replies
from fuse_driver.handlers import Handlers
from fuse_driver.kernel.abi import (
    BATCH_FORGET_IN,
    FORGET_IN,
    FORGET_ONE,
    LINK_IN,
    MKDIR_IN,
    MKNOD_IN,
    RENAME2_IN,
    RENAME_IN,
    Opcode,
)
from fuse_driver.kernel.errors import Fault
from fuse_driver.kernel.requests import Later, Reply, Request, answers
from sqlfs.errors import NotFound
from sqlfs.types import RenameFlag

# A name that is replaced again and again while it is looked up: then the kernel is to come back.
_LOOKS_MAX: Final = 10

log = logging.getLogger(__name__)


class NameHandlers(Handlers):
    @answers(Opcode.LOOKUP)
    def lookup(self, request: Request) -> Reply:
        parent, name = self.inodes.node(request.inode), request.name()
        for _ in range(_LOOKS_MAX):
            try:
                # A server that exports the mount asks for "." of anything to find it again.
                if name == b".":
                    attributes = self._session.getattr(parent)
                else:
                    attributes = self._session.lookup(parent, name)
            except NotFound:
                return replies.no_entry(self.name_s)
            try:
                return self._looked_up(attributes)
            except NotFound:
                pass  # another door has replaced it since: its name leads elsewhere now
        raise Fault(errno.ESTALE)

    @answers(Opcode.FORGET)
    def forget(self, request: Request) -> Reply:
        (lookups,) = request.fields(FORGET_IN)
        self._forget(request.inode, lookups)
        return None

    @answers(Opcode.BATCH_FORGET)
    def forget_many(self, request: Request) -> Reply:
        count, _ = request.fields(BATCH_FORGET_IN)
        start = BATCH_FORGET_IN.size
        for inode, lookups in FORGET_ONE.iter_unpack(
            request.body[start : start + count * FORGET_ONE.size]
        ):
            self._forget(inode, lookups)
        return None

    def _forget(self, inode: int, lookups: int) -> None:
        # There is no answer to a forget, hence none that could carry an error.
        try:
            self.inodes.forget(self.inodes.node(inode), lookups)
        except Exception:
            log.exception("cannot forget inode %d", inode)

    @answers(Opcode.INTERRUPT)
    def interrupt(self, request: Request) -> Reply:
        # Verbs end by themselves; the kernel keeps the one who asked waiting until then.
        del request
        return None

    @answers(Opcode.MKNOD)
    def mknod(self, request: Request) -> Reply | Later:
        mode, rdev, umask, _ = request.fields(MKNOD_IN)
        name, caller = request.name(MKNOD_IN), self._maker(request, umask)
        parent = self.inodes.node(request.inode)
        return self._changing_names(
            lambda: self._looked_up(self._session.mknod(parent, name, mode, rdev, caller))
        )

    @answers(Opcode.MKDIR)
    def mkdir(self, request: Request) -> Reply | Later:
        mode, umask = request.fields(MKDIR_IN)
        name, caller = request.name(MKDIR_IN), self._maker(request, umask)
        parent = self.inodes.node(request.inode)
        return self._changing_names(
            lambda: self._looked_up(self._session.mkdir(parent, name, mode, caller))
        )

    @answers(Opcode.SYMLINK)
    def symlink(self, request: Request) -> Reply | Later:
        name, target = request.names()
        parent, caller = self.inodes.node(request.inode), self._maker(request)
        return self._changing_names(
            lambda: self._looked_up(self._session.symlink(parent, name, target, caller))
        )

    @answers(Opcode.LINK)
    def link(self, request: Request) -> Reply | Later:
        (inode,) = request.fields(LINK_IN)
        name = request.name(LINK_IN)
        node, parent = self.inodes.node(inode), self.inodes.node(request.inode)
        return self._changing_names(lambda: self._looked_up(self._session.link(node, parent, name)))

    @answers(Opcode.UNLINK)
    def unlink(self, request: Request) -> Reply | Later:
        parent, name = self.inodes.node(request.inode), request.name()
        return self._changing_names(lambda: self._session.unlink(parent, name))

    @answers(Opcode.RMDIR)
    def rmdir(self, request: Request) -> Reply | Later:
        parent, name = self.inodes.node(request.inode), request.name()
        return self._changing_names(lambda: self._session.rmdir(parent, name))

    @answers(Opcode.RENAME)
    def rename(self, request: Request) -> Reply | Later:
        (directory,) = request.fields(RENAME_IN)
        return self._rename(request, directory, request.names(RENAME_IN), RenameFlag.NONE)

    @answers(Opcode.RENAME2)
    def rename2(self, request: Request) -> Reply | Later:
        directory, flags, _ = request.fields(RENAME2_IN)
        return self._rename(request, directory, request.names(RENAME2_IN), RenameFlag(flags))

    def _rename(
        self, request: Request, directory: int, names: tuple[bytes, bytes], flags: RenameFlag
    ) -> Reply | Later:
        old, new = names
        caller = self._maker(request)
        source, target = self.inodes.node(request.inode), self.inodes.node(directory)
        return self._changing_names(
            lambda: self._session.rename(source, old, target, new, flags, caller)
        )
