"""The open /dev/fuse of one mount: messages in, messages out."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import time
from typing import Final

from fuse_driver.kernel.abi import (
    INVAL_ENTRY_OUT,
    INVAL_INODE_OUT,
    NOTIFY_INC_EPOCH,
    NOTIFY_INVAL_ENTRY,
    NOTIFY_INVAL_INODE,
    OUT_HEADER,
)

_HEADER_BYTES: Final = OUT_HEADER.size
_pack_header: Final = OUT_HEADER.pack
# Up to here, joining header and answer costs less than telling the kernel of two pieces.
_JOINED_BYTES_MAX: Final = 4096

# The request was taken back before it could be read, or a signal came.
_AGAIN: Final = frozenset({errno.ENOENT, errno.EINTR, errno.EAGAIN})
# Looked for as long as this before it is slept for: a program mostly sends its next request sooner
# than two processors wake each other up.
_LOOKED_FOR_NS: Final = 100_000
# One look takes 1 or 2 us.  Where it took more than this, somebody else needed the processor, and
# is left alone with it for a while; an interrupt, or another thread of this process, takes less.
_HELD_UP_NS: Final = 500_000
_REST_NS: Final = 50_000_000

# The mount is over.
_OVER: Final = frozenset({errno.ENODEV, errno.ECONNABORTED, errno.EBADF})


def forgets_names() -> bool:
    """Whether the kernel can be made to forget all names at once: Linux 6.16 can."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= (6, 16)


class Device:
    """Owns `descriptor`.  Reading is for one thread at a time, the rest for any."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._arrival = select.poll()
        self._arrival.register(descriptor, select.POLLIN)
        # A single processor is needed by whoever is to ask.
        self._may_look = len(os.sched_getaffinity(0)) > 1
        # For the thread that reads: whether the last request came at once.
        self._is_busy = False
        self._rests_until_ns = 0
        # Holds the descriptor while it is watched only.  With no events asked for it would still
        # tell of errors: for these the kernel has a waiting thread look at each request.
        self._watch = select.epoll()
        self._is_watched = False

    def receive(self, buffer: bytearray, *, looking: bool) -> int:
        """Wait for a request and read it; its bytes, or 0 when the mount is over.

        With `looking`, where requests come fast, look for the next one for a moment before going
        to sleep.
        """
        begun_ns = time.monotonic_ns()
        looking = looking and self._may_look and self._is_busy
        if looking and begun_ns > self._rests_until_ns:
            self._look(begun_ns)
        while True:
            try:
                size = os.readv(self._descriptor, [buffer])
            except OSError as error:
                if error.errno in _OVER:
                    return 0
                if error.errno not in _AGAIN:
                    raise
            else:
                self._is_busy = time.monotonic_ns() - begun_ns < _LOOKED_FOR_NS
                return size

    def _look(self, begun_ns: int) -> None:
        before_ns = begun_ns
        while True:
            found = self._arrival.poll(0)
            now_ns = time.monotonic_ns()
            if now_ns - before_ns > _HELD_UP_NS:
                self._rests_until_ns = now_ns + _REST_NS
                return
            if found or now_ns - begun_ns > _LOOKED_FOR_NS:
                return
            before_ns = now_ns

    def watch(self) -> None:
        """Have one of those who :meth:`wait_watched` return when there is a request to read, or
        the mount is over.  This and :meth:`unwatch` are called under one lock."""
        events = select.EPOLLIN | select.EPOLLONESHOT
        if self._is_watched:
            self._watch.modify(self._descriptor, events)
        else:
            self._watch.register(self._descriptor, events)
            self._is_watched = True

    def unwatch(self) -> None:
        """Take :meth:`watch` back.  Somebody may be returning already."""
        self._watch.unregister(self._descriptor)
        self._is_watched = False

    def wait_watched(self) -> None:
        self._watch.poll()

    def reply(self, unique: int, payload: bytes) -> None:
        """Raises OSError; of ENOENT is nothing to be heard, for whoever asked is gone."""
        size = len(payload)
        header = _pack_header(_HEADER_BYTES + size, 0, unique)
        try:
            if size <= _JOINED_BYTES_MAX:
                os.write(self._descriptor, header + payload)
            else:
                os.writev(self._descriptor, (header, payload))
        except FileNotFoundError:
            pass

    def fail(self, unique: int, number: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.write(self._descriptor, _pack_header(_HEADER_BYTES, -number, unique))

    def forget_content(self, inode: int) -> None:
        """Have the kernel drop the attributes and pages of `inode`.

        Returns when it has.  Raises OSError, ENOENT where it knew nothing.  The kernel may wait
        meanwhile for an answer about the same inode: never to be called where those come from.
        """
        self._notify(NOTIFY_INVAL_INODE, INVAL_INODE_OUT.pack(inode, 0, 0))

    def forget_attributes(self, inode: int) -> None:
        """As :meth:`forget_content`, but pages stay."""
        self._notify(NOTIFY_INVAL_INODE, INVAL_INODE_OUT.pack(inode, -1, 0))

    def forget_entry(self, parent: int, name: bytes) -> None:
        """Have the kernel drop what it knows of `name` in the directory `parent`; otherwise as
        :meth:`forget_content`."""
        fields = INVAL_ENTRY_OUT.pack(parent, len(name), 0)
        self._notify(NOTIFY_INVAL_ENTRY, fields + name + b"\0")

    def forget_names(self) -> None:
        """Have the kernel drop all names that it knows, and what is not there.  It waits for
        nothing.  Raises OSError where :func:`forgets_names` is False."""
        self._notify(NOTIFY_INC_EPOCH, b"")

    def _notify(self, code: int, payload: bytes) -> None:
        header = _pack_header(_HEADER_BYTES + len(payload), code, 0)
        os.writev(self._descriptor, (header, payload))

    def close(self) -> None:
        self._watch.close()
        os.close(self._descriptor)
