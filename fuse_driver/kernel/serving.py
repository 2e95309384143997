"""Answering requests, from the first, which settles how both sides speak, to the last."""

from __future__ import annotations

import errno
import logging
import threading
from typing import Final

from fuse_driver.kernel.abi import (
    INIT_IN,
    INIT_IN_FLAGS2,
    INIT_OUT,
    MAJOR,
    MINOR,
    MINOR_MIN,
    Feature,
    Opcode,
)
from fuse_driver.kernel.device import Device
from fuse_driver.kernel.errors import Fault, answer_for
from fuse_driver.kernel.looks import Looks
from fuse_driver.kernel.requests import Handler, Later, Reply, Request
from sqlfs.limits import KIB, MIB

log = logging.getLogger(__name__)

# The most that the kernel agrees to by default (fs.fuse.max_pages_limit).
WRITE_BYTES_MAX: Final = 1 * MIB
_PAGE_BYTES: Final = 4 * KIB
# The headers before what is written are far smaller.
_BUFFER_BYTES: Final = WRITE_BYTES_MAX + _PAGE_BYTES

# Requests that the kernel makes on its own account, read-ahead above all: at a time, and from
# how many on it takes the device for congested.
_BACKGROUND_MAX: Final = 64
_BACKGROUND_CONGESTED: Final = 48

# Their answers make nodes known to the kernel.
_LOOKING: Final = frozenset({int(Opcode.LOOKUP), int(Opcode.READDIRPLUS)})
# They ask for a node by its number alone.  Where that is gone, after the death of an owner that
# knew who used it, its name may lead elsewhere by now: told ESTALE, the kernel looks it up anew.
_OF_A_NODE: Final = frozenset(
    {
        Opcode.GETATTR,
        Opcode.SETATTR,
        Opcode.OPEN,
        Opcode.OPENDIR,
        Opcode.READLINK,
        Opcode.GETXATTR,
        Opcode.LISTXATTR,
    }
)

WANTED: Final = (
    Feature.ASYNC_READ
    | Feature.ATOMIC_O_TRUNC
    | Feature.EXPORT_SUPPORT
    | Feature.BIG_WRITES
    | Feature.DONT_MASK
    | Feature.DO_READDIRPLUS
    | Feature.READDIRPLUS_AUTO
    | Feature.PARALLEL_DIROPS
    | Feature.POSIX_ACL
    | Feature.MAX_PAGES
    | Feature.CACHE_SYMLINKS
    | Feature.EXPLICIT_INVAL_DATA
    | Feature.HANDLE_KILLPRIV_V2
    | Feature.SETXATTR_EXT
    | Feature.INIT_EXT
)
# Without these answers would be wrong, not just slow.
NEEDED: Final = (
    Feature.ATOMIC_O_TRUNC
    | Feature.BIG_WRITES
    | Feature.DONT_MASK
    | Feature.MAX_PAGES
    | Feature.EXPLICIT_INVAL_DATA
    | Feature.HANDLE_KILLPRIV_V2
    | Feature.SETXATTR_EXT
)


class Serving:
    """Requests of `device`, each to the handler of its opcode.

    :meth:`run` is for a thread of its own.  Handlers run on it one after the other; what they
    put off (:class:`Later`) runs beside them.
    """

    def __init__(self, device: Device, handlers: dict[int, Handler]) -> None:
        self._device = device
        # Plain numbers find their place in a dictionary sooner than opcodes do.
        self._handlers = {int(opcode): handler for opcode, handler in handlers.items()}
        self._handlers |= {int(Opcode.INIT): self._agree, int(Opcode.DESTROY): _say_nothing}
        self._default: Handler = _refuse_unknown
        self._turn = threading.Lock()  # held while a request is being handled
        self.looks = Looks()

    def run(self) -> None:
        """Answer until the mount is over."""
        buffer = bytearray(_BUFFER_BYTES)
        view = memoryview(buffer)
        while size := self._device.receive(buffer):
            request = Request(view[:size])
            with self._turn:
                if request.opcode in _LOOKING:
                    self.looks.begun += 1
                    self._answer(request)
                    self.looks.answered += 1
                else:
                    self._answer(request)

    def end(self) -> None:
        """Wait for the handler that runs, and refuse every later request."""
        with self._turn:
            self._handlers, self._default = {}, _refuse_late

    def _answer(self, request: Request) -> None:
        try:
            reply = self._handlers.get(request.opcode, self._default)(request)
            if isinstance(reply, Later):
                reply.threads.submit(self._finish, request.unique, request.opcode, reply)
            elif reply is not None:
                self._device.reply(request.unique, reply)
        except Exception as error:
            self._fail(request.unique, request.opcode, error)

    def _finish(self, unique: int, opcode: int, later: Later) -> None:
        try:
            reply = later.work()
            if reply is not None:
                self._device.reply(unique, reply)
        except Exception as error:
            self._fail(unique, opcode, error)

    def _fail(self, unique: int, opcode: int, error: Exception) -> None:
        code = answer_for(error)
        if code == errno.ENOENT and opcode in _OF_A_NODE:
            code = errno.ESTALE
        try:
            self._device.fail(unique, code)
        except OSError as lost:
            log.error("the kernel does not take an answer: %s", lost)

    def _agree(self, request: Request) -> bytes:
        major, minor, max_readahead, flags = request.fields(INIT_IN)
        offered = Feature(flags)
        if flags & Feature.INIT_EXT:
            offered |= Feature(request.fields(INIT_IN_FLAGS2)[0] << 32)
        if major != MAJOR or minor < MINOR_MIN or offered & NEEDED != NEEDED:
            log.error("the kernel is too old: it speaks FUSE %d.%d", major, minor)
            raise Fault(errno.EPROTO)
        agreed = int(WANTED & offered)
        return INIT_OUT.pack(
            MAJOR,
            min(minor, MINOR),
            max_readahead,
            agreed & 0xFFFF_FFFF,
            _BACKGROUND_MAX,
            _BACKGROUND_CONGESTED,
            WRITE_BYTES_MAX,
            1,  # times are kept to the ns
            WRITE_BYTES_MAX // _PAGE_BYTES,
            0,
            agreed >> 32,
            0,
            0,
        )


def _say_nothing(request: Request) -> bytes:
    del request
    return b""


def _refuse_unknown(request: Request) -> Reply:
    del request
    raise Fault(errno.ENOSYS)


def _refuse_late(request: Request) -> Reply:
    del request
    raise Fault(errno.ENOTCONN)
