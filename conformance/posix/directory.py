"""opendir(3) and its kin, with their positions."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.opendir.restype = ctypes.c_void_p
_libc.readdir64.restype = ctypes.c_void_p
_libc.telldir.restype = ctypes.c_long

# struct dirent64: inode, offset, record length, type, name.
_NAME_OFFSET = 19


class Stream:
    """An open directory stream."""

    def __init__(self, path: Path) -> None:
        pointer = _libc.opendir(os.fsencode(path))
        if not pointer:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
        self._stream = ctypes.c_void_p(pointer)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        _libc.closedir(self._stream)

    def read(self) -> str | None:
        """The next name, `.` and `..` among them; None at the end."""
        entry = _libc.readdir64(self._stream)
        return os.fsdecode(ctypes.string_at(entry + _NAME_OFFSET)) if entry else None

    def rest(self) -> list[str]:
        """All names from here on."""
        names = []
        while (name := self.read()) is not None:
            names.append(name)
        return names

    def inodes(self) -> list[tuple[str, int]]:
        """All names from here on with the inode numbers that the listing says they have."""
        found = []
        while entry := _libc.readdir64(self._stream):
            inode = int.from_bytes(ctypes.string_at(entry, 8), sys.byteorder)
            found.append((os.fsdecode(ctypes.string_at(entry + _NAME_OFFSET)), inode))
        return found

    def tell(self) -> int:
        position: int = _libc.telldir(self._stream)
        return position

    def seek(self, position: int) -> None:
        _libc.seekdir(self._stream, ctypes.c_long(position))

    def rewind(self) -> None:
        _libc.rewinddir(self._stream)
