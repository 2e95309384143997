"""The path-level methods on open files and whole contents."""

from __future__ import annotations

import os
import posixpath
import weakref
from typing import IO, TYPE_CHECKING, Any, Literal, overload

from sqlfs.errors import AlreadyExists, IsADirectory, NotFound, SymlinkLoop
from sqlfs.limits import SYMLINK_DEPTH_MAX
from sqlfs.types import AttributeChanges, Attributes
from sqlfs.volume.paths import AnyPath, encode, split
from sqlfs.volume.places import PathSession, Place, caller, naming
from sqlfs.volume.session import Session
from sqlfs.volume.stream import FileStream, Mode, check_arguments, wrap

if TYPE_CHECKING:
    from io import BufferedRandom, BufferedReader, BufferedWriter, TextIOWrapper

    from _typeshed import (
        OpenBinaryMode,
        OpenBinaryModeReading,
        OpenBinaryModeUpdating,
        OpenBinaryModeWriting,
        OpenTextMode,
        ReadableBuffer,
    )

_FILE_MODE = 0o666


class ContentMethods(PathSession):
    """Remembers the files that it opened, for as long as somebody else does."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._open_files: weakref.WeakSet[IO[Any]] = weakref.WeakSet()

    # fmt: off
    @overload
    def open(
        self, path: AnyPath, mode: OpenBinaryModeUpdating, buffering: Literal[-1, 1] = -1, *,
        lock: bool = False,
    ) -> BufferedRandom: ...
    @overload
    def open(
        self, path: AnyPath, mode: OpenBinaryModeWriting, buffering: Literal[-1, 1] = -1, *,
        lock: bool = False,
    ) -> BufferedWriter: ...
    @overload
    def open(
        self, path: AnyPath, mode: OpenBinaryModeReading = "rb",
        buffering: Literal[-1, 1] = -1, *, lock: bool = False,
    ) -> BufferedReader: ...
    @overload
    def open(
        self, path: AnyPath, mode: OpenBinaryMode, buffering: Literal[0], *, lock: bool = False
    ) -> FileStream: ...
    @overload
    def open(
        self, path: AnyPath, mode: OpenTextMode, buffering: int = -1, encoding: str | None = None,
        errors: str | None = None, newline: str | None = None, *, lock: bool = False,
    ) -> TextIOWrapper: ...
    @overload
    def open(
        self, path: AnyPath, mode: str = "rb", buffering: int = -1, encoding: str | None = None,
        errors: str | None = None, newline: str | None = None, *, lock: bool = False,
    ) -> Any: ...
    # fmt: on
    def open(
        self,
        path: AnyPath,
        mode: str = "rb",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        *,
        lock: bool = False,
    ) -> Any:
        """Open a regular file.  Modes and arguments are those of the built-in ``open``, but the
        default is ``rb``, and text is UTF-8 unless `encoding` says otherwise.

        With `lock`, take the file's advisory lock: exclusive to write, shared to read, until the
        file is closed.  Raises WouldBlock when somebody else holds it.
        """
        parsed = Mode.parse(mode)
        check_arguments(parsed, buffering, encoding, errors, newline)
        with naming(path):
            node, handle = self._open_node(path, parsed, lock)
        raw = FileStream(self._session, node, handle, parsed, os.fspath(path))
        try:
            file = wrap(raw, parsed, buffering, encoding, errors, newline)
        except BaseException:
            raw.close()
            raise
        self._open_files.add(file)
        return file

    def _open_node(self, path: AnyPath, mode: Mode, lock: bool) -> tuple[int, int]:
        """Node and handle.  A symlink that leads nowhere yet has its target made."""
        raw = encode(path)
        for _ in range(SYMLINK_DEPTH_MAX):
            if not mode.exclusive:
                try:
                    return self._with(raw, lambda found: self._open_found(found, mode, lock))
                except NotFound:
                    if not mode.creates:
                        raise
            place = self._place(raw)
            if place.slashed:
                raise IsADirectory("a path that ends with a slash names a directory")
            try:
                found, handle = self._session.create(
                    place.parent, place.name, _FILE_MODE, mode.flags, caller()
                )
            except AlreadyExists:
                if mode.exclusive:
                    raise
                raw = self._beyond_symlink(raw, place)
                continue
            self._lock_if(lock, handle, mode)
            return found.node, handle
        raise SymlinkLoop("too many symlinks")

    def _beyond_symlink(self, raw: bytes, place: Place) -> bytes:
        try:
            there = self._session.lookup(place.parent, place.name)
        except NotFound:
            return raw
        if not there.is_symlink:
            return raw
        return posixpath.join(split(raw)[0], self._session.readlink(there.node))

    def _open_found(self, found: Attributes, mode: Mode, lock: bool) -> tuple[int, int]:
        node = found.node
        # Nobody's content may go before its lock is ours.
        truncate_now = mode.empties and not lock
        handle = self._session.open(node, mode.flags | (os.O_TRUNC if truncate_now else 0))
        self._lock_if(lock, handle, mode)
        if mode.empties and lock:
            self._session.setattr(node, AttributeChanges(size=0))
        return node, handle

    def _lock_if(self, lock: bool, handle: int, mode: Mode) -> None:
        if lock:
            try:
                self._session.lock(handle, exclusive=mode.writes)
            except BaseException:
                self._session.release(handle)
                raise

    def read_bytes(self, path: AnyPath) -> bytes:
        with self.open(path, "rb", 0) as file:
            return file.readall()

    def write_bytes(self, path: AnyPath, data: ReadableBuffer) -> int:
        """Replace or make a file; returns the number of bytes."""
        with self.open(path, "wb", 0) as file:
            return file.write(data)

    def read_text(
        self, path: AnyPath, encoding: str | None = None, errors: str | None = None
    ) -> str:
        with self.open(path, "r", -1, encoding, errors) as file:
            return file.read()

    def write_text(
        self,
        path: AnyPath,
        text: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Replace or make a file; returns the number of characters."""
        with self.open(path, "w", -1, encoding, errors, newline) as file:
            return file.write(text)
