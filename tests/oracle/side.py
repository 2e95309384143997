"""What all calls of one side share."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class Side:
    """A directory, and what is open below it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.descriptors: dict[int, int] = {}
        self.flags_left_out = 0
        # Inode numbers of files whose times depend on when the kernel writes pages back.
        self.written_by_map: set[int] = set()

    def at(self, path: str) -> str:
        # Not by Path, which would drop a trailing slash or dot.
        return f"{self.root}/{path}"

    def descriptor(self, handle: int) -> int:
        """Raises EBADF for a handle that a remount has closed."""
        if handle not in self.descriptors:
            raise OSError(errno.EBADF, "closed meanwhile")
        return self.descriptors[handle]


def kind_of(mode: int) -> str:
    """The type in `mode`, as ``ls`` shows it."""
    return stat.filemode(mode)[0]


def is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
