"""Steps that change or show attributes."""

from __future__ import annotations

import os

from conformance.posix import libc
from tests.oracle.side import Side

Stamp = tuple[int, int]  # seconds, and nanoseconds or UTIME_NOW or UTIME_OMIT


class AttributeCalls(Side):
    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self.at(path), mode)

    def fchmod(self, handle: int, mode: int) -> None:
        os.fchmod(self.descriptor(handle), mode)

    def chown(self, path: str, uid: int, gid: int, follow: bool) -> None:
        os.chown(self.at(path), uid, gid, follow_symlinks=follow)

    def fchown(self, handle: int, uid: int, gid: int) -> None:
        os.fchown(self.descriptor(handle), uid, gid)

    def utimens(self, path: str, atime: Stamp, mtime: Stamp, follow: bool) -> None:
        libc.utimensat(self.at(path), atime, mtime, 0 if follow else libc.AT_SYMLINK_NOFOLLOW)

    def setxattr(self, path: str, name: str, value: bytes, flags: int, follow: bool) -> None:
        os.setxattr(self.at(path), name, value, flags, follow_symlinks=follow)

    def getxattr(self, path: str, name: str, follow: bool) -> bytes:
        return os.getxattr(self.at(path), name, follow_symlinks=follow)

    def removexattr(self, path: str, name: str, follow: bool) -> None:
        os.removexattr(self.at(path), name, follow_symlinks=follow)
