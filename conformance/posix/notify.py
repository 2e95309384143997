"""inotify(7)."""

from __future__ import annotations

import ctypes
import os
import select
import struct
from dataclasses import dataclass
from pathlib import Path

ACCESS = 0x001
MODIFY = 0x002
ATTRIB = 0x004
CLOSE_WRITE = 0x008
CLOSE_NOWRITE = 0x010
OPEN = 0x020
MOVED_FROM = 0x040
MOVED_TO = 0x080
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
ALL = 0xFFF
IGNORED = 0x8000
ONLYDIR = 0x1000000
DONT_FOLLOW = 0x2000000
MASK_CREATE = 0x10000000
ONESHOT = 0x80000000
ISDIR = 0x40000000

_NAMES = {value: name for name, value in globals().items() if name.isupper()}
_HEADER = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Event:
    """`kinds` are names of flags, such as ``CREATE`` and ``ISDIR``."""

    watch: int
    kinds: frozenset[str]
    cookie: int
    name: str

    def __str__(self) -> str:
        return "|".join(sorted(self.kinds)) + (f" {self.name}" if self.name else "")


class Notifier:
    """An inotify instance.  Events arrive before the call that causes them returns."""

    def __init__(self) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def watch(self, path: Path, mask: int = ALL) -> int:
        add = _libc.inotify_add_watch
        return _checked(add(self._descriptor, os.fsencode(path), ctypes.c_uint32(mask)))

    def unwatch(self, watch: int) -> None:
        _checked(_libc.inotify_rm_watch(self._descriptor, watch))

    def events(self) -> list[Event]:
        """All that happened since the last call."""
        found = []
        while select.select([self._descriptor], [], [], 0)[0]:
            data = os.read(self._descriptor, 1 << 16)
            while data:
                watch, mask, cookie, length = _HEADER.unpack_from(data)
                name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0")
                kinds = frozenset(_NAMES[bit] for bit in _bits(mask))
                found.append(Event(watch, kinds, cookie, os.fsdecode(name)))
                data = data[_HEADER.size + length :]
        return found


def _bits(mask: int) -> list[int]:
    return [1 << bit for bit in range(32) if mask & 1 << bit]


def _checked(result: int) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
