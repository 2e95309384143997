"""A file that is replaced while it is being used by its path: it never is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import sqlfs
from sqlfs.errors import NotFound
from sqlfs.types import Attributes


class Replacing:
    """A session at which somebody replaces `/a`, as its name is found."""

    def __init__(self, fs: sqlfs.FileSystem, replace: Callable[[], None]) -> None:
        self._session = fs.session
        self._replace = replace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def resolve(self, path: bytes, follow: bool = True) -> Attributes:
        found = self._session.resolve(path, follow)
        if path == b"/a":
            self._replace()
        return found


USES: dict[str, Callable[[sqlfs.FileSystem], object]] = {
    "read": lambda fs: fs.read_bytes("/a") == b"",
    "write": lambda fs: fs.write_bytes("/a", b"written"),
    "chmod": lambda fs: fs.chmod("/a", 0o600),
    "chown": lambda fs: fs.chown("/a", 1, 1),
    "utime": lambda fs: fs.utime("/a"),
    "truncate": lambda fs: fs.truncate("/a", 10),
    "setxattr": lambda fs: fs.setxattr("/a", "user.x", b"x"),
    "getxattr": lambda fs: fs.getxattr("/a", "user.kept"),
    "listxattr": lambda fs: fs.listxattr("/a"),
    "removexattr": lambda fs: fs.removexattr("/a", "user.kept"),
    "link": lambda fs: fs.link("/a", "/b"),
    "copy": lambda fs: fs.copy("/a", "/b"),
}


def make(fs: sqlfs.FileSystem, name: str) -> None:
    fs.write_bytes(name, b"")
    fs.setxattr(name, "user.kept", b"")


@pytest.mark.parametrize("use", USES)
def test_is_found_all_the_same(fs: sqlfs.FileSystem, use: str) -> None:
    make(fs, "/a")
    with sqlfs.FileSystem(fs.session) as other:
        left = [1, 2, 3]

        def replace() -> None:
            if left:
                left.pop()
                make(other, "/new")
                other.replace("/new", "/a")

        fs._session = Replacing(fs, replace)  # type: ignore[assignment]
        USES[use](fs)
        assert left == []


def test_is_missing_where_it_was_removed(fs: sqlfs.FileSystem) -> None:
    make(fs, "/a")
    with sqlfs.FileSystem(fs.session) as other:
        fs._session = Replacing(fs, lambda: other.remove("/a"))  # type: ignore[assignment]
        with pytest.raises(NotFound, match="/a"):
            fs.read_bytes("/a")
