"""From paths to nodes: what every path-level method stands on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotEmpty,
    NotFound,
    SqlfsError,
)
from sqlfs.types import Attributes, Caller
from sqlfs.volume.paths import AnyPath, encode, show, split
from sqlfs.volume.session import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is or will be; `slashed` when the path says that it is a directory."""

    parent: int
    name: bytes
    slashed: bool


class PathSession:
    """A session, and how its nodes are found by path."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def session(self) -> Session:
        """The verbs below: by node and handle."""
        return self._session

    def _resolve(self, path: AnyPath, follow: bool = True) -> Attributes:
        return self._session.resolve(encode(path), follow)

    def _with(self, path: AnyPath, use: Callable[[Attributes], T], *, follow: bool = True) -> T:
        """What `use` returns for what `path` leads to.  If that is replaced by something else
        between the two steps, `use` is called again: a path never leads to nothing meanwhile."""
        found = self._resolve(path, follow)
        while True:
            try:
                return use(found)
            except NotFound:
                now = self._resolve(path, follow)
                if now.node == found.node:
                    raise
                found = now

    def _place(self, path: AnyPath) -> Place:
        """Of an entry to make, replace or remove.  Raises Invalid for `.`, `..` and the root."""
        raw = encode(path)
        folder, name, slashed = split(raw)
        if name in (b"", b".", b".."):
            raise Invalid(f"{show(raw)} is no entry that can be made, moved or removed")
        return Place(self._session.resolve(folder).node, name, slashed)

    def _entry(self, path: AnyPath) -> tuple[Place, Attributes]:
        """Of an entry that is there, and what it leads to; a symlink is not followed."""
        place = self._place(path)
        there = self._session.lookup(place.parent, place.name)
        if place.slashed and not there.is_dir:
            raise NotADirectory("not a directory")
        return place, there

    def _new_file(self, path: AnyPath) -> Place:
        """Of an entry to make that will be no directory."""
        place = self._place(path)
        if place.slashed:
            raise NotADirectory("a path that ends with a slash names a directory")
        return place


_PLAIN = frozenset({AlreadyExists, IsADirectory, NotADirectory, NotEmpty, NotFound})


@contextmanager
def naming(path: AnyPath) -> Iterator[None]:
    """Errors from inside say which path they are about, in message and ``filename``."""
    try:
        yield
    except SqlfsError as error:
        if error.filename is not None:
            raise
        raw = os.fspath(path)
        # Below, things are called by node: what the errno says is what a path's user knows.
        plain = type(error) in _PLAIN
        message = os.strerror(error.errno or 0).lower() if plain else error.message
        named = type(error)(f"{raw!r}: {message}", errno_=error.errno)
        named.filename = raw
        raise named from error


def caller() -> Caller:
    """On whose behalf this process makes nodes."""
    return Caller(os.geteuid(), os.getegid(), _umask(), os.getpid())


def _umask() -> int:
    # os.umask can only be read by setting it, and another thread may make a file meanwhile.
    for line in Path("/proc/self/status").read_bytes().splitlines():
        if line.startswith(b"Umask:"):
            return int(line.split()[1], 8)
    return 0o022
