"""Requests on open files."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fuse_driver.handlers import Handlers
from fuse_driver.kernel.abi import (
    CREATE_IN,
    FOPEN_KEEP_CACHE,
    FOPEN_NOFLUSH,
    FSYNC_FDATASYNC,
    FSYNC_IN,
    OPEN_IN,
    OPEN_KILL_SUIDGID,
    OPEN_OUT,
    READ_IN,
    RELEASE_IN,
    WRITE_CACHE,
    WRITE_IN,
    WRITE_KILL_SUIDGID,
    WRITE_OUT,
    Opcode,
)
from fuse_driver.kernel.errors import Fault
from fuse_driver.kernel.requests import Later, Reply, Request, answers
from fuse_driver.view import View
from sqlfs.errors import AlreadyExists, DamagedRange
from sqlfs.types import Attributes, Caller
from sqlfs.volume.session import Session

log = logging.getLogger(__name__)

# Ranges that are told of one handle.
_DAMAGE_TOLD_MAX: Final = 64


@dataclass(slots=True)
class OpenFile:
    """What the driver knows of a handle.  Where the session's handle appends, `in_place` is
    another one for what must not be appended, once there was such a thing.  `damage`: what could
    not be read and was told already."""

    node: int
    durable_writes: bool
    appends: bool
    in_place: int | None = None
    damage: set[str] = field(default_factory=set)


class FileHandlers(Handlers):
    def __init__(
        self,
        session: Session,
        *,
        synchronous: bool = False,
        synchronous_names: bool = False,
        view: View | None = None,
        keeps_atime: bool = True,
    ) -> None:
        super().__init__(
            session,
            synchronous=synchronous,
            synchronous_names=synchronous_names,
            view=view,
            keeps_atime=keeps_atime,
        )
        self._open_files: dict[int, OpenFile] = {}
        self._opening = threading.Lock()  # guards `in_place` of each

    # --- opening ---

    @answers(Opcode.CREATE)
    def create(self, request: Request) -> Reply | Later:
        return self._make(request, self._create_or_open)

    @answers(Opcode.TMPFILE)
    def tmpfile(self, request: Request) -> Reply | Later:
        def make(
            parent: int, name: bytes, mode: int, flags: int, caller: Caller
        ) -> tuple[Attributes, int]:
            del name
            return self._session.tmpfile(parent, mode, flags, caller)

        return self._make(request, make)

    def _make(
        self,
        request: Request,
        verb: Callable[[int, bytes, int, int, Caller], tuple[Attributes, int]],
    ) -> Reply | Later:
        flags, mode, umask, _ = request.fields(CREATE_IN)
        flags = self._effective(flags)
        name, caller = request.name(CREATE_IN), self._maker(request, umask)
        parent = self.inodes.node(request.inode)

        def change() -> bytes:
            attributes, handle = verb(parent, name, mode, flags, caller)
            try:
                entry = self._looked_up(attributes)
            except BaseException:
                self._session.release(handle)
                raise
            return entry + self._opened(handle, attributes.node, flags)

        return self._changing_names(change)

    def _create_or_open(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller
    ) -> tuple[Attributes, int]:
        try:
            return self._session.create(parent, name, mode, flags, caller)
        except AlreadyExists:
            # Another door was faster than the kernel's request.
            if flags & os.O_EXCL:
                raise
        node = self._session.lookup(parent, name).node
        handle = self._session.open(node, flags)
        return self._session.getattr(node), handle

    @answers(Opcode.OPEN)
    def open(self, request: Request) -> Reply | Later:
        flags, open_flags = request.fields(OPEN_IN)
        flags = self._effective(flags)
        node = self.inodes.node(request.inode)
        if not flags & os.O_TRUNC:
            keeps_pages = flags & os.O_ACCMODE == os.O_WRONLY or not self._reading_tells(
                self._session.getattr(node), flags
            )
            handle = self._session.open(node, flags)
            return self._caught_up(self._opened(handle, node, flags, keeps_pages))

        def change() -> bytes:
            handle = self._session.open(node, flags)
            if open_flags & OPEN_KILL_SUIDGID:
                self._take_setid(node, request.caller())
            return self._opened(handle, node, flags)

        return self._changing(change)

    def _effective(self, flags: int) -> int:
        return flags | os.O_SYNC if self._synchronous else flags

    def _opened(self, handle: int, node: int, flags: int, keeps_pages: bool = True) -> bytes:
        durable_writes = bool(flags & (os.O_SYNC | os.O_DSYNC))
        self._open_files[handle] = OpenFile(node, durable_writes, bool(flags & os.O_APPEND))
        # Pages of an earlier open are right still: invalidation has seen to the others.
        reply_flags = FOPEN_KEEP_CACHE if keeps_pages else 0
        if flags & (os.O_ACCMODE | os.O_TRUNC) == os.O_RDONLY:
            reply_flags |= FOPEN_NOFLUSH  # closing has nothing to show, and nothing to tell
        return OPEN_OUT.pack(handle, reply_flags, 0)

    @answers(Opcode.RELEASE)
    def release(self, request: Request) -> Reply:
        handle, _, _, _ = request.fields(RELEASE_IN)
        in_place = self._open_files.pop(handle).in_place
        if in_place is not None:
            self._session.release(in_place)
        self._session.release(handle)
        return b""

    # --- content ---

    @answers(Opcode.READ)
    def read(self, request: Request) -> Reply:
        handle, offset, size, _ = request.fields(READ_IN)
        try:
            return self._session.read(handle, offset, size)
        except DamagedRange as error:
            self._tell_damage(self._open_files[handle], error.message)
            raise Fault(errno.EIO) from error

    def _tell_damage(self, open_file: OpenFile, message: str) -> None:
        """Once for each handle and range: the kernel asks for a page after the other."""
        if message not in open_file.damage and len(open_file.damage) < _DAMAGE_TOLD_MAX:
            open_file.damage.add(message)
            log.error("%s", message)

    @answers(Opcode.WRITE)
    def write(self, request: Request) -> Reply | Later:
        handle, offset, size, flags, _, open_flags, _ = request.fields(WRITE_IN)
        # Where the next request is read into: to be copied if the work is put off.
        data: bytes | memoryview = request.body[WRITE_IN.size : WRITE_IN.size + size]
        open_file = self._open_files[handle]

        def change() -> bytes:
            if flags & WRITE_KILL_SUIDGID:
                self._take_setid(open_file.node, request.caller())
            target = handle
            # Pages of a mapping have their place; fcntl(2) may have ended the appending.
            if open_file.appends and (flags & WRITE_CACHE or not open_flags & os.O_APPEND):
                target = self._in_place(open_file)
            return WRITE_OUT.pack(self._session.write(target, offset, data), 0)

        if not (open_file.durable_writes or self._synchronous or self._session.congested()):
            return change()
        data = bytes(data)
        if open_file.durable_writes:
            return Later(change, self._syncing)
        return self._change_at_leisure(change)

    def _in_place(self, open_file: OpenFile) -> int:
        with self._opening:
            if open_file.in_place is None:
                flags = os.O_WRONLY | (os.O_DSYNC if open_file.durable_writes else 0)
                open_file.in_place = self._session.open(open_file.node, flags)
            return open_file.in_place

    @answers(Opcode.IOCTL)
    def ioctl(self, request: Request) -> Reply:
        del request
        raise Fault(errno.ENOTTY)

    # --- closing and syncing ---

    @answers(Opcode.FLUSH)
    def flush(self, request: Request) -> Reply:
        handle, _, _, _ = request.fields(RELEASE_IN)
        self._session.flush(handle)
        return b""

    @answers(Opcode.FSYNC)
    def fsync(self, request: Request) -> Later:
        handle, flags, _ = request.fields(FSYNC_IN)
        data_only = bool(flags & FSYNC_FDATASYNC)
        return self._durably(lambda: self._session.fsync(handle, data_only))
