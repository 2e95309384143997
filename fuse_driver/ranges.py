"""Requests on ranges of open files: room, holes, copies within the volume."""

from __future__ import annotations

import errno
from typing import Final

from fuse_driver.handlers import Handlers
from fuse_driver.kernel.abi import (
    COPY_FILE_RANGE_IN,
    FALLOCATE_IN,
    LSEEK_IN,
    LSEEK_OUT,
    WRITE_OUT,
    Opcode,
)
from fuse_driver.kernel.errors import Fault
from fuse_driver.kernel.requests import Later, Reply, Request, answers
from sqlfs.limits import MIB

# The answer to a copy counts in 32 bits; the rest is asked for again.
COPY_BYTES_MAX: Final = 4095 * MIB


class RangeHandlers(Handlers):
    @answers(Opcode.FALLOCATE)
    def fallocate(self, request: Request) -> Reply | Later:
        handle, offset, length, mode, _ = request.fields(FALLOCATE_IN)

        def change() -> None:
            self._session.allocate(handle, mode, offset, length)
            self._touched(request.inode, request)

        return self._change_at_leisure(change)

    @answers(Opcode.LSEEK)
    def lseek(self, request: Request) -> Reply:
        handle, offset, whence, _ = request.fields(LSEEK_IN)
        return LSEEK_OUT.pack(self._session.seek(handle, offset, whence))

    @answers(Opcode.COPY_FILE_RANGE)
    def copy_file_range(self, request: Request) -> Reply | Later:
        source, start, inode, target, target_start, length, flags = request.fields(
            COPY_FILE_RANGE_IN
        )
        if flags:
            raise Fault(errno.EINVAL)
        size = min(length, COPY_BYTES_MAX)

        def change() -> bytes:
            copied = self._session.copy_range(source, start, target, target_start, size)
            self._touched(inode, request)
            return WRITE_OUT.pack(copied, 0)

        return self._change_at_leisure(change)

    def _touched(self, inode: int, request: Request) -> None:
        # These requests do not say whether set-id bits must go.
        if request.uid != 0:
            self._take_setid(self.inodes.node(inode), request.caller())
