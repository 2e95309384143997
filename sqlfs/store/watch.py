"""Whether somebody else has the volume file open, by inotify.

A copy that runs while a checkpoint rewrites the file would be torn, so a checkpoint waits
until the others have closed the file, within bounds.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_IN_OPEN = 0x20
_IN_CLOSE = 0x08 | 0x10
_IN_Q_OVERFLOW = 0x4000
_IN_NONBLOCK = os.O_NONBLOCK
_IN_CLOEXEC = os.O_CLOEXEC
_EVENT = struct.Struct("iIII")


class OpenWatch:
    """Counts the others' opens and closes from the moment it is made.  Not thread-safe: the
    store's lock guards it.  Where inotify is not to be had, nobody is ever seen."""

    def __init__(self, path: Path) -> None:
        self._open = 0
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = int(libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))
        if (
            self._fd >= 0
            and libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_OPEN | _IN_CLOSE) < 0
        ):
            self.close()

    def busy(self) -> bool:
        """Whether somebody has the file open now."""
        self._drain()
        return self._open > 0

    def forget(self) -> None:
        """Stop waiting for those who are there: the bound on time or log size is reached."""
        self._drain()
        self._open = 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _drain(self) -> None:
        while self._fd >= 0:
            try:
                events = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(events):
                _, mask, _, name_bytes = _EVENT.unpack_from(events, offset)
                offset += _EVENT.size + name_bytes
                if mask & _IN_Q_OVERFLOW:
                    self._open = 0
                elif mask & _IN_OPEN:
                    self._open += 1
                elif mask & _IN_CLOSE:
                    self._open = max(0, self._open - 1)
