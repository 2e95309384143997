"""Answering requests, from the first, which settles how both sides speak, to the last."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from functools import partial
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

# Threads beside the first: as many requests that take longer need nobody else.
_MORE_THREADS: Final = 3

# Their answers tell the kernel of names.
_LOOKING: Final = frozenset({int(Opcode.LOOKUP), int(Opcode.READDIR), int(Opcode.READDIRPLUS)})
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

    Handlers run one after the other, on the thread that reads requests.  When one puts its answer
    off (:class:`Later`), that thread does the work, and reads on when it is done, unless a request
    came meanwhile: then one that stands by has been woken up by it, and reads on.  Where nobody
    stands by, the work goes to the threads that the answer names.
    """

    def __init__(self, device: Device, handlers: dict[int, Handler]) -> None:
        self._device = device
        # Plain numbers find their place in a dictionary sooner than opcodes do.
        self._handlers = {int(opcode): handler for opcode, handler in handlers.items()}
        self._handlers |= {int(Opcode.INIT): self._agree, int(Opcode.DESTROY): _say_nothing}
        self._default: Handler = _refuse_unknown
        # For the thread that reads.
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._asker = 0  # the process that sent the last request
        self._is_alone = False  # it sent the one before as well, and nobody is at work
        self._turn = threading.Lock()  # held while a request is being handled
        # Guarded by _turn: whether nobody reads, so that whoever comes first may, or the mount is
        # over; of the threads that run, those that stand by to read, and those that finish what
        # was put off.
        self._is_vacant = False
        self._is_over = False
        self._standing_by = 0
        self._working = 0
        self._worked = threading.Condition(self._turn)
        self.looks = Looks()

    def run(self) -> None:
        """Answer until the mount is over.  For a thread of its own, which starts some more."""
        others = [
            threading.Thread(target=self._stand_by, name="sqlfs-fuse", daemon=True)
            for _ in range(_MORE_THREADS)
        ]
        self._standing_by = len(others)
        for each in others:
            each.start()
        self._serve(is_reader=True)
        for each in others:
            each.join()

    def end(self) -> None:
        """Wait for what is being answered, and refuse every later request."""
        with self._turn:
            self._handlers, self._default = {}, _refuse_late
            self._worked.wait_for(lambda: self._working == 0)

    def _stand_by(self) -> None:
        try:
            self._serve(is_reader=False)
        except OSError as error:
            log.error("a thread that answers requests ends: %s", error)

    def _serve(self, *, is_reader: bool) -> None:
        try:
            while True:
                while not is_reader:
                    self._device.wait_watched()
                    with self._turn:
                        if self._is_over:
                            return
                        if is_reader := self._is_vacant:
                            self._is_vacant = False
                            self._standing_by -= 1
                work = self._read()
                if work is None:
                    return
                work()
                is_reader = self._reads_on()
        finally:
            with self._turn:
                self._is_over = True
                # One after the other hears of it.
                self._device.watch()

    def _reads_on(self) -> bool:
        """Whether the thread that has finished what was put off is the one to read again."""
        with self._turn:
            self._working -= 1
            self._worked.notify_all()
            if self._is_vacant:
                self._is_vacant = False
                self._device.unwatch()
                return True
            self._standing_by += 1
            return False

    def _read(self) -> Callable[[], None] | None:
        """Answer requests, up to one that takes longer: the work that is left to do on it, while
        nobody reads.  None when the mount is over."""
        while size := self._device.receive(self._buffer, looking=self._is_alone):
            request = Request(self._view[:size])
            # Where several are at work, their work needs the processor that looking takes.
            self._is_alone = request.pid == self._asker and not self._working
            self._asker = request.pid
            with self._turn:
                if request.opcode in _LOOKING:
                    self.looks.begun += 1
                    work = self._answer(request)
                    self.looks.answered += 1
                else:
                    work = self._answer(request)
                if work is not None:
                    self._working += 1
                    self._is_vacant = True
                    self._device.watch()
                    return work
        return None

    def _answer(self, request: Request) -> Callable[[], None] | None:
        """What is left to do on a request, if another thread reads on."""
        try:
            reply = self._handlers.get(request.opcode, self._default)(request)
            if isinstance(reply, Later):
                work = partial(self._finish, request.unique, request.opcode, reply)
                if self._standing_by:
                    return work
                reply.threads.submit(work)
            elif reply is not None:
                self._device.reply(request.unique, reply)
        except Exception as error:
            self._fail(request.unique, request.opcode, error)
        return None

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
