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
        return self._changing(lambda: self._session.allocate(handle, mode, offset, length))

    @answers(Opcode.LSEEK)
    def lseek(self, request: Request) -> Reply:
        handle, offset, whence, _ = request.fields(LSEEK_IN)
        return LSEEK_OUT.pack(self._session.seek(handle, offset, whence))

    @answers(Opcode.COPY_FILE_RANGE)
    def copy_file_range(self, request: Request) -> Reply | Later:
        source, start, _, target, target_start, length, flags = request.fields(COPY_FILE_RANGE_IN)
        if flags:
            raise Fault(errno.EINVAL)
        size = min(length, COPY_BYTES_MAX)
        return self._changing(
            lambda: WRITE_OUT.pack(
                self._session.copy_range(source, start, target, target_start, size), 0
            )
        )
