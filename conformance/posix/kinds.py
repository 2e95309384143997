"""Things of every type that a directory can hold."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

NULL = os.makedev(1, 3)
LOOP0 = os.makedev(7, 0)


def _regular(path: Path) -> None:
    path.write_bytes(b"content")


def _full_directory(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"")


def _symlink(path: Path) -> None:
    path.symlink_to("nowhere")


def bind(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket at `path`, which may be longer than the address of a socket."""
    bound = socket.socket(socket.AF_UNIX, kind)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        bound.bind(f"/proc/self/fd/{directory}/{path.name}")
    except BaseException:
        bound.close()
        raise
    finally:
        os.close(directory)
    return bound


def _socket(path: Path) -> None:
    bind(path).close()


MAKERS: dict[str, Callable[[Path], None]] = {
    "file": _regular,
    "directory": lambda path: path.mkdir(),
    "full directory": _full_directory,
    "symlink": _symlink,
    "fifo": os.mkfifo,
    "socket": _socket,
    "character device": lambda path: os.mknod(path, stat.S_IFCHR | 0o600, NULL),
    "block device": lambda path: os.mknod(path, stat.S_IFBLK | 0o600, LOOP0),
}
TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "full directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "fifo": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
    "character device": stat.S_IFCHR,
    "block device": stat.S_IFBLK,
}
DEVICES = ("character device", "block device")
UNPRIVILEGED = tuple(it for it in MAKERS if it not in DEVICES)
KINDS = [
    pytest.param(kind, marks=pytest.mark.needs("mknod")) if kind in DEVICES else pytest.param(kind)
    for kind in MAKERS
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(path: Path, kind: str) -> Path:
    MAKERS[kind](path)
    return path
