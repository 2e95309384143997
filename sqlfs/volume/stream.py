"""Open files of the API, with the semantics of :mod:`io`."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from sqlfs.errors import BadHandle, ConnectionLost, Invalid
from sqlfs.limits import IO_BYTES_MAX, KIB
from sqlfs.types import AllocateMode, AttributeChanges
from sqlfs.volume.session import Session

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

# Each fill or flush is one verb, perhaps in another process: larger than io's own.
BUFFER_BYTES: Final = 128 * KIB


@dataclass(frozen=True, slots=True)
class Mode:
    """What a mode string of :func:`open` asks for."""

    name: str  # without b and t
    text: bool
    flags: int  # of open(2), less those that make or empty the file

    @classmethod
    def parse(cls, mode: str) -> Mode:
        """Raises ValueError, as :func:`open` does."""
        letters = set(mode)
        if letters - set("rwxabt+") or len(mode) > len(letters):
            raise ValueError(f"invalid mode: {mode!r}")
        if "b" in letters and "t" in letters:
            raise ValueError("can't have text and binary mode at once")
        if len(letters & set("rwxa")) != 1:
            raise ValueError("must have exactly one of create/read/write/append mode")
        name = next(letter for letter in mode if letter in "rwxa") + ("+" if "+" in letters else "")
        updates = os.O_RDWR if "+" in letters else os.O_WRONLY
        flags = os.O_RDONLY if name == "r" else updates
        if "a" in letters:
            flags |= os.O_APPEND
        return cls(name, "b" not in letters, flags)

    @property
    def creates(self) -> bool:
        return self.name[0] in "wxa"

    @property
    def exclusive(self) -> bool:
        return self.name[0] == "x"

    @property
    def empties(self) -> bool:
        return self.name[0] == "w"

    @property
    def reads(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writes(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY


class FileStream(io.RawIOBase):
    """One handle of a session with a position.  Like :class:`io.FileIO`, not thread-safe, and
    without a descriptor: ``fileno`` raises."""

    def __init__(
        self, session: Session, node: int, handle: int, mode: Mode, name: str | bytes
    ) -> None:
        self.name = name
        # FileIO does not tell w+ from r+ either.
        self.mode = "rb+" if mode.name == "w+" else mode.name[0] + "b" + mode.name[1:]
        self.node = node
        self._session = session
        self._handle = handle
        self._mode = mode
        self._position = self._end() if mode.flags & os.O_APPEND else 0

    def _end(self) -> int:
        return self._session.getattr(self.node).size

    def readable(self) -> bool:
        self._checkClosed()
        return self._mode.reads

    def writable(self) -> bool:
        self._checkClosed()
        return self._mode.writes

    def seekable(self) -> bool:
        self._checkClosed()
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._check_reads()
        view = memoryview(buffer).cast("B")
        data = self._session.read(self._handle, self._position, min(len(view), IO_BYTES_MAX))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        self._check_reads()
        data = bytearray()
        while part := self._session.read(self._handle, self._position, IO_BYTES_MAX):
            data += part
            self._position += len(part)
        return bytes(data)

    def write(self, data: ReadableBuffer, /) -> int:
        self._checkClosed()
        if not self._mode.writes:
            raise io.UnsupportedOperation("not writable")
        view = memoryview(data).cast("B")
        for start in range(0, len(view), IO_BYTES_MAX):
            part = bytes(view[start : start + IO_BYTES_MAX])
            self._position += self._session.write(self._handle, self._position, part)
        if self._mode.flags & os.O_APPEND and len(view):
            self._position = self._end()
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """SEEK_DATA and SEEK_HOLE too; they raise NoSuchRange where there is none."""
        self._checkClosed()
        if whence == os.SEEK_SET:
            position = offset
        elif whence == os.SEEK_CUR:
            position = self._position + offset
        elif whence == os.SEEK_END:
            position = self._end() + offset
        elif whence in (os.SEEK_DATA, os.SEEK_HOLE):
            position = self._session.seek(self._handle, offset, whence)
        else:
            raise Invalid(f"{self.name!r}: seek knows no whence {whence}")
        if position < 0:
            raise Invalid(f"{self.name!r}: can't seek to {position}, before the start")
        self._position = position
        return position

    def tell(self) -> int:
        self._checkClosed()
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        self._checkClosed()
        if not self._mode.writes:
            raise io.UnsupportedOperation("truncate")
        size = self._position if size is None else size
        if size < 0:
            raise Invalid(f"{self.name!r}: can't truncate to {size} bytes")
        self._session.setattr(self.node, AttributeChanges(size=size))
        return size

    def allocate(self, offset: int, length: int) -> None:
        """As ``os.posix_fallocate``, but nothing is reserved: the file grows to the range's end,
        and what the range has not stored yet would find room now.  Raises NoSpace."""
        self._allocate(AllocateMode.GROW, offset, length)

    def punch_hole(self, offset: int, length: int) -> None:
        """Make a range zeros for which nothing is stored; the size stays."""
        self._allocate(AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE, offset, length)

    def _allocate(self, mode: AllocateMode, offset: int, length: int) -> None:
        self._checkClosed()
        if not self._mode.writes:
            raise io.UnsupportedOperation("not writable")
        self._session.allocate(self._handle, mode, offset, length)

    def sync(self, data_only: bool = False) -> None:
        """Make what was written here durable; what a buffer above still holds is not."""
        self._checkClosed()
        self._session.fsync(self._handle, data_only)

    def close(self) -> None:
        """What was written is visible to every door then.  Idempotent."""
        if self.closed:
            return
        try:
            try:
                self._session.flush(self._handle)
            finally:
                self._session.release(self._handle)
        except BadHandle:
            # The session was closed first: it released the handle and kept what was written.
            pass
        except ConnectionLost:
            if self._mode.writes:
                raise
        finally:
            super().close()

    def _check_reads(self) -> None:
        self._checkClosed()
        if not self._mode.reads:
            raise io.UnsupportedOperation("not readable")

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__} name={self.name!r} mode={self.mode!r}{state}>"


def check_arguments(
    mode: Mode, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> None:
    """Before a file is made or emptied.  Raises ValueError, as :func:`open` does."""
    if mode.text and buffering == 0:
        raise ValueError("can't have unbuffered text I/O")
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None and not mode.text:
            raise ValueError(f"binary mode doesn't take an {name!r} argument")
    if newline not in (None, "", "\n", "\r", "\r\n"):
        raise ValueError(f"illegal newline value: {newline!r}")


def wrap(
    raw: FileStream,
    mode: Mode,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> IO[Any]:
    """`raw` with the layers that :func:`open` puts on a file."""
    if buffering == 0:
        return raw  # type: ignore[return-value]
    size = buffering if buffering > 1 else BUFFER_BYTES
    buffer: io.BufferedReader | io.BufferedWriter | io.BufferedRandom
    if mode.reads and mode.writes:
        buffer = io.BufferedRandom(raw, size)
    elif mode.writes:
        buffer = io.BufferedWriter(raw, size)
    else:
        buffer = io.BufferedReader(raw, size)
    if not mode.text:
        return buffer
    text = io.TextIOWrapper(
        buffer, encoding or "utf-8", errors, newline, line_buffering=buffering == 1
    )
    text.mode = mode.name  # type: ignore[misc]
    return text
