"""Steps that make, move and remove names."""

from __future__ import annotations

import os
import stat

from conformance.posix import libc
from tests.oracle.side import Side, kind_of


class NameCalls(Side):
    def look(self, path: str, follow: bool) -> str:
        """The type of what is there."""
        return kind_of(os.stat(self.at(path), follow_symlinks=follow).st_mode)

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self.at(path), mode)

    def mkfifo(self, path: str, mode: int) -> None:
        os.mkfifo(self.at(path), mode)

    def mksocket(self, path: str, mode: int) -> None:
        os.mknod(self.at(path), stat.S_IFSOCK | mode)

    def symlink(self, target: str, path: str) -> None:
        os.symlink(target, self.at(path))

    def readlink(self, path: str) -> str:
        return os.readlink(self.at(path))

    def link(self, old: str, new: str, follow: bool) -> None:
        libc.linkat(self.at(old), self.at(new), libc.AT_SYMLINK_FOLLOW if follow else 0)

    def rename(self, old: str, new: str, flags: int) -> None:
        libc.renameat2(self.at(old), self.at(new), flags)

    def unlink(self, path: str) -> None:
        os.unlink(self.at(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self.at(path))

    def list(self, path: str) -> list[str]:
        return sorted(os.listdir(self.at(path)))
