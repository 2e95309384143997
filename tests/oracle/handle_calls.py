"""Steps that open, and those on what is open, whatever its type."""

from __future__ import annotations

import os

from tests.oracle.side import Side


class HandleCalls(Side):
    def open(self, handle: int, path: str, flags: int, mode: int) -> None:
        # Without O_NONBLOCK a fifo would wait for its other end for ever.
        flags = (flags | os.O_NONBLOCK) & ~self.flags_left_out
        self.descriptors[handle] = os.open(self.at(path), flags, mode)

    def open_at(self, handle: int, directory: int, name: str, flags: int, mode: int) -> None:
        """Below a directory that is open, and perhaps moved or removed since."""
        flags |= os.O_NONBLOCK
        self.descriptors[handle] = os.open(name, flags, mode, dir_fd=self.descriptor(directory))

    def mkdir_at(self, directory: int, name: str, mode: int) -> None:
        os.mkdir(name, mode, dir_fd=self.descriptor(directory))

    def unlink_at(self, directory: int, name: str) -> None:
        os.unlink(name, dir_fd=self.descriptor(directory))

    def list_open(self, directory: int) -> list[str]:
        return sorted(os.listdir(self.descriptor(directory)))

    def dup(self, handle: int, old: int) -> None:
        self.descriptors[handle] = os.dup(self.descriptor(old))

    def close(self, handle: int) -> None:
        os.close(self.descriptor(handle))
        del self.descriptors[handle]

    def fsync(self, handle: int, data_only: bool) -> None:
        (os.fdatasync if data_only else os.fsync)(self.descriptor(handle))
