"""Reading from a disk that may have bad blocks."""

from __future__ import annotations

import os
from typing import Final

_BLOCK_BYTES: Final = 4096


def read_at(fd: int, length: int, offset: int) -> bytes:
    """Up to `length` bytes, fewer at the end of the file; a block that can't be read is zeros."""
    try:
        return os.pread(fd, length, offset)
    except OSError:
        if length <= _BLOCK_BYTES:
            return bytes(length)
        half = length // 2
        first = read_at(fd, half, offset).ljust(half, b"\0")
        return first + read_at(fd, length - half, offset + half)
