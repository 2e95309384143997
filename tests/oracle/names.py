"""Random steps on names and attributes."""

from __future__ import annotations

import os

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from conformance.posix import libc
from tests.oracle.machine import HANDLES, BesideMachine

# Few, so that steps often meet what others made; the odd ones less often.
_USUAL = ["a", "b", "c", "d", "l", "d/a", "d/b", "d/e", "d/e/a", "e", "e/a", "d/l"]
_ODD = [
    "a/", "d/", "d/.", "d/..", "d/../a", "l/", "l/a", "a/b", "nowhere/a", "e/a/b/c",
    "n" * 255, "n" * 256, "\xff", ".", "..",
]  # fmt: skip
THERE = st.integers(0, 31)  # one of those that are there, by number
PATHS = THERE | THERE | st.sampled_from(_USUAL * 3 + _ODD)
NEW_PATHS = THERE | st.sampled_from(_USUAL * 6 + _ODD)
Pick = str | int
NAMES = st.sampled_from(["a", "b", "c", "e", ".", "n" * 256])
TARGETS = st.sampled_from(["a", "d", "../a", "d/e", "l", "nowhere", "e/../b", "", "t" * 4095])

ACCESS = st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
OPEN_FLAGS = st.lists(
    st.sampled_from(
        [os.O_CREAT] * 4
        + [os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_DSYNC]
    ),
    max_size=3,
    unique=True,
).map(lambda flags: sum(flags))
MODES = st.sampled_from([0o644, 0o600, 0o777, 0, 0o4755, 0o2755, 0o2775, 0o1777, 0o6711])
IDS = st.sampled_from([0, 1000, 65534, -1])
RENAME_FLAGS = st.sampled_from([0, 0, 0, libc.RENAME_NOREPLACE, libc.RENAME_EXCHANGE, 3])
STAMPS = st.sampled_from(
    [
        (1, 1),
        (1_234_567_890, 123_456_789),
        (2**32 + 5, 0),
        (-5, 999_999_999),
        (0, libc.UTIME_NOW),
        (0, libc.UTIME_OMIT),
        (0, 10**9),
    ]
)
XATTR_NAMES = st.sampled_from(["user.a", "user.b", "trusted.a", "user.", "nothing.a"])
XATTR_VALUES = st.sampled_from([b"", b"value", b"v" * 1500])
XATTR_FLAGS = st.sampled_from([0, 0, os.XATTR_CREATE, os.XATTR_REPLACE])
FOLLOW = st.booleans()
WHENCES = st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])


class NamesMachine(BesideMachine):
    @initialize()
    def populate(self) -> None:
        for path in ("d", "d/e"):
            self.both("mkdir", path, 0o755)
        for path in ("a", "d/a"):
            handle = self.opened("open", path, os.O_CREAT | os.O_RDWR, 0o644)
            self.both("write", handle, path.encode() * 400)
            self.both("close", handle)
        self.both("link", "a", "d/b", False)
        self.both("symlink", "d", "l")

    @rule(path=PATHS, access=ACCESS, flags=OPEN_FLAGS, mode=MODES)
    def open(self, path: Pick, access: int, flags: int, mode: int) -> None:
        self.opened("open", self.path(path), access | flags, mode)

    @rule(path=PATHS)
    def open_directory(self, path: Pick) -> None:
        self.opened("open", self.path(path), os.O_RDONLY | os.O_DIRECTORY, 0)

    @rule(
        directory=HANDLES,
        name=NAMES,
        flags=OPEN_FLAGS,
        mode=MODES,
    )
    def open_at(self, directory: int, name: str, flags: int, mode: int) -> None:
        self.opened("open_at", self.open_handle(directory), name, os.O_RDWR | flags, mode)

    @rule(directory=HANDLES, name=NAMES, make=st.booleans())
    def change_at(self, directory: int, name: str, make: bool) -> None:
        if make:
            self.both("mkdir_at", self.open_handle(directory), name, 0o755)
        else:
            self.both("unlink_at", self.open_handle(directory), name)
        self.both("list_open", self.open_handle(directory))

    @rule(handle=HANDLES, size=st.sampled_from([1, 300, 513]))
    def write(self, handle: int, size: int) -> None:
        self.both("write", self.open_handle(handle), b"w" * size)

    @rule(handle=HANDLES, size=st.sampled_from([0, 1, 1000]))
    def read(self, handle: int, size: int) -> None:
        self.both("read", self.open_handle(handle), size)

    @rule(handle=HANDLES, offset=st.integers(-3, 700), whence=WHENCES)
    def seek(self, handle: int, offset: int, whence: int) -> None:
        self.both("seek", self.open_handle(handle), offset, whence)

    @rule(path=PATHS, size=st.sampled_from([0, 1, 511, 5000, -1]))
    def truncate(self, path: Pick, size: int) -> None:
        self.both("truncate", self.path(path), size)

    @rule(path=PATHS, follow=FOLLOW)
    def look(self, path: Pick, follow: bool) -> None:
        self.both("look", self.path(path), follow)

    @rule(path=NEW_PATHS, mode=MODES)
    def mkdir(self, path: Pick, mode: int) -> None:
        self.both("mkdir", self.path(path), mode)

    @rule(path=NEW_PATHS, kind=st.sampled_from(["mkfifo", "mksocket"]), mode=MODES)
    def mknod(self, path: Pick, kind: str, mode: int) -> None:
        self.both(kind, self.path(path), mode)

    @rule(aim=TARGETS, path=NEW_PATHS)
    def symlink(self, aim: str, path: Pick) -> None:
        self.both("symlink", aim, self.path(path))

    @rule(old=PATHS, new=NEW_PATHS, follow=FOLLOW)
    def link(self, old: Pick, new: Pick, follow: bool) -> None:
        self.both("link", self.path(old), self.path(new), follow)

    @rule(old=PATHS, new=NEW_PATHS, flags=RENAME_FLAGS)
    def rename(self, old: Pick, new: Pick, flags: int) -> None:
        self.both("rename", self.path(old), self.path(new), flags)

    @rule(path=PATHS)
    def unlink(self, path: Pick) -> None:
        self.both("unlink", self.path(path))

    @rule(path=PATHS)
    def rmdir(self, path: Pick) -> None:
        self.both("rmdir", self.path(path))

    @rule(path=PATHS)
    def readlink(self, path: Pick) -> None:
        self.both("readlink", self.path(path))

    @rule(path=PATHS)
    def list(self, path: Pick) -> None:
        self.both("list", self.path(path))

    @rule(path=PATHS, mode=MODES)
    def chmod(self, path: Pick, mode: int) -> None:
        self.both("chmod", self.path(path), mode)

    @rule(handle=HANDLES, mode=MODES, uid=IDS)
    def change_open(self, handle: int, mode: int, uid: int) -> None:
        self.both("fchmod", self.open_handle(handle), mode)
        self.both("fchown", self.open_handle(handle), uid, -1)

    @rule(path=PATHS, uid=IDS, gid=IDS, follow=FOLLOW)
    def chown(self, path: Pick, uid: int, gid: int, follow: bool) -> None:
        self.both("chown", self.path(path), uid, gid, follow)

    @rule(path=PATHS, atime=STAMPS, mtime=STAMPS, follow=FOLLOW)
    def utimens(
        self, path: Pick, atime: tuple[int, int], mtime: tuple[int, int], follow: bool
    ) -> None:
        self.both("utimens", self.path(path), atime, mtime, follow)

    @rule(path=PATHS, name=XATTR_NAMES, value=XATTR_VALUES, flags=XATTR_FLAGS, follow=FOLLOW)
    def setxattr(self, path: Pick, name: str, value: bytes, flags: int, follow: bool) -> None:
        self.both("setxattr", self.path(path), name, value, flags, follow)

    @rule(path=PATHS, name=XATTR_NAMES, follow=FOLLOW)
    def getxattr(self, path: Pick, name: str, follow: bool) -> None:
        self.both("getxattr", self.path(path), name, follow)

    @rule(path=PATHS, name=XATTR_NAMES, follow=FOLLOW)
    def removexattr(self, path: Pick, name: str, follow: bool) -> None:
        self.both("removexattr", self.path(path), name, follow)
