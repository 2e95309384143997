"""Ways into one volume: a mount, the API, commands.  Each does the same few things, durably or not.

Errors are ``OSError``: EIO where something was lost with an owner, and :class:`Gone` where the way
itself was killed, and whether the last thing was done is not known.
"""

from __future__ import annotations

import errno
import os
import subprocess
import time
from pathlib import Path
from typing import Final, Protocol

import sqlfs
from sqlfs.cli.exits import Exit
from tests.cli.running import COMMAND, DEADLINE_S, ENVIRONMENT

_DEAD: Final = (errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV)


class Gone(Exception):
    """The way was killed."""


class Way(Protocol):
    """Paths have no leading slash.  `settle` makes durable what was done in a directory, or to
    the files that were appended to; it raises EIO, once, if something of it is lost."""

    def names(self, directory: str) -> set[str]: ...

    def read(self, path: str) -> bytes: ...

    def put(self, path: str, data: bytes) -> None:
        """A new file, or all of an old one: durable, and never seen in part."""

    def rename(self, old: str, new: str) -> None: ...

    def settle(self, directory: str) -> None: ...

    def has_died(self, error: OSError | None = None) -> bool:
        """Whether it has since it came back last, perhaps with `error`: what was done before is
        forgotten, and nobody is told that it was lost."""

    def come_back(self) -> None:
        """Return when the way can be used again."""


class FullWay(Way, Protocol):
    def create(self, path: str) -> None:
        """An empty file; there must be none."""

    def link(self, old: str, new: str) -> None: ...

    def remove(self, path: str) -> None: ...

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Durable on return."""

    def append(self, path: str, parts: list[bytes]) -> None:
        """One after the other, and then durable."""

    def mark(self, path: str, name: str, value: bytes) -> None:
        """Set an extended attribute, durably."""

    def marked(self, path: str, name: str) -> bytes: ...


def deaths_of(top: Path) -> Path:
    """A plain file with a byte for each death of the mount at `top`, written while the dead one
    still is there."""
    return top.with_suffix(".deaths")


class MountWay:
    """A mountpoint, at which there is nothing while its mount is dead."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._deaths = deaths_of(top).stat().st_size

    def _at(self, path: str) -> Path:
        return self._top / path

    def has_died(self, error: OSError | None = None) -> bool:
        died = deaths_of(self._top).stat().st_size != self._deaths
        return died or (error is not None and error.errno in _DEAD)

    def come_back(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not self._is_back():
            assert time.monotonic() < deadline, "the mount does not come back"
            time.sleep(0.02)

    def _is_back(self) -> bool:
        self._deaths = deaths_of(self._top).stat().st_size
        try:
            # One descriptor for all looks: a dead mount may be gone between two of a path.
            top = os.open(self._top, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            is_mount = os.fstat(top).st_dev != self._top.parent.stat().st_dev
            # Unlike other looks, this one is answered by nothing but a mount that lives.
            return is_mount and os.statvfs(top).f_namemax > 0
        except OSError:
            return False
        finally:
            os.close(top)

    def names(self, directory: str) -> set[str]:
        return {path.name for path in self._at(directory).iterdir()}

    def read(self, path: str) -> bytes:
        return self._at(path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        aside = f"{path}.aside"
        with self._at(aside).open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        self.rename(aside, path)
        self.settle(str(Path(path).parent))

    def rename(self, old: str, new: str) -> None:
        self._at(old).rename(self._at(new))

    def settle(self, directory: str) -> None:
        descriptor = os.open(self._at(directory), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def create(self, path: str) -> None:
        os.close(os.open(self._at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def link(self, old: str, new: str) -> None:
        os.link(self._at(old), self._at(new))

    def remove(self, path: str) -> None:
        self._at(path).unlink()

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        with self._at(path).open("r+b", buffering=0) as stream:
            os.pwrite(stream.fileno(), data, offset)
            os.fsync(stream.fileno())

    def append(self, path: str, parts: list[bytes]) -> None:
        descriptor = os.open(self._at(path), os.O_WRONLY | os.O_APPEND)
        try:
            for part in parts:
                os.write(descriptor, part)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def mark(self, path: str, name: str, value: bytes) -> None:
        os.setxattr(self._at(path), name, value)
        with self._at(path).open("rb") as stream:
            os.fsync(stream.fileno())

    def marked(self, path: str, name: str) -> bytes:
        return os.getxattr(self._at(path), name)


class ApiWay:
    """This process, as an owner or a client: if it is killed, so is whoever uses the way."""

    def __init__(self, file: Path) -> None:
        self._store = sqlfs.open(file)
        self._files = self._store.mount()

    def close(self) -> None:
        self._store.close()

    def has_died(self, error: OSError | None = None) -> bool:
        del error
        return False

    def come_back(self) -> None:
        pass

    def names(self, directory: str) -> set[str]:
        return set(self._files.listdir(directory))

    def read(self, path: str) -> bytes:
        return self._files.read_bytes(path)

    def put(self, path: str, data: bytes) -> None:
        aside = f"{path}.aside"
        with self._files.open(aside, "wb", buffering=0) as stream:
            stream.write(data)
            stream.sync()
        self._files.replace(aside, path)
        self._files.sync()

    def rename(self, old: str, new: str) -> None:
        self._files.rename(old, new)

    def settle(self, directory: str) -> None:
        del directory
        self._files.sync()

    def create(self, path: str) -> None:
        self._files.open(path, "xb").close()

    def link(self, old: str, new: str) -> None:
        self._files.link(old, new)

    def remove(self, path: str) -> None:
        self._files.remove(path)

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        with self._files.open(path, "r+b", buffering=0) as stream:
            stream.seek(offset)
            stream.write(data)
            stream.sync()

    def append(self, path: str, parts: list[bytes]) -> None:
        with self._files.open(path, "ab", buffering=0) as stream:
            for part in parts:
                stream.write(part)
            stream.sync()

    def mark(self, path: str, name: str, value: bytes) -> None:
        self._files.setxattr(path, name, value)
        self._files.sync()

    def marked(self, path: str, name: str) -> bytes:
        return self._files.getxattr(path, name)


class CommandWay:
    """One command after the other; what one did is durable when it has ended."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def has_died(self, error: OSError | None = None) -> bool:
        del error
        return False

    def come_back(self) -> None:
        pass

    def _run(self, *words: str, given: bytes = b"") -> bytes:
        command, *arguments = words
        done = subprocess.run(
            [*COMMAND, command, str(self._file), *arguments],
            input=given, capture_output=True, env=ENVIRONMENT, timeout=DEADLINE_S,
        )  # fmt: skip
        if done.returncode < 0:
            raise Gone(command)
        said = done.stderr.decode()
        if done.returncode == Exit.NOT_FOUND:
            raise FileNotFoundError(errno.ENOENT, said)
        if "durable" in said:
            raise OSError(errno.EIO, said)
        if done.returncode or said:
            raise OSError(errno.EPROTO, f"{words}: exit code {done.returncode}: {said}")
        return done.stdout

    def names(self, directory: str) -> set[str]:
        return set(self._run("ls", f"/{directory}").decode().splitlines())

    def read(self, path: str) -> bytes:
        return self._run("cat", f"/{path}")

    def put(self, path: str, data: bytes) -> None:
        self._run("put", "-", f"/{path}.aside", given=data)
        self._run("mv", f"/{path}.aside", f"/{path}")

    def rename(self, old: str, new: str) -> None:
        self._run("mv", f"/{old}", f"/{new}")

    def settle(self, directory: str) -> None:
        pass
