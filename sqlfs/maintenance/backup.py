"""Online backup: an image of a volume file becomes a file of its own, whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sqlfs.errors import (
    AlreadyExists,
    Corrupt,
    InUse,
    Invalid,
    IsADirectory,
    NoSpace,
    SqlfsError,
    from_os,
)
from sqlfs.store import compact_into, log_path, open_descriptors
from sqlfs.volume import VolumeFile

_UNFINISHED: Final = re.compile(r"\.sqlfs-backup-(\d+)-[0-9a-f]{8}(-wal)?")

Progress = Callable[[int, int], None]
"""Called now and then with how much is done, and how much there is."""


class ImageReader(Protocol):
    """The bytes of a volume file as of one moment; see ``sqlfs.store.image``."""

    @property
    def size(self) -> int: ...

    def read(self) -> bytes:
        """The next piece; empty at the end."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Backup:
    """What was made: where, of what size in bytes, and when the last change in it was made, in ns
    since the epoch."""

    path: Path
    bytes: int
    state_ns: int


class BackupPlace:
    """Where a backup goes.  Nothing is there, or what was, until it is whole and durable."""

    def __init__(self, source: Path, destination: Path, *, overwrite: bool) -> None:
        """Raises AlreadyExists unless `overwrite`; IsADirectory, Invalid where no backup may be,
        and InUse for a volume file that some process has open."""
        self._source = source
        # A symlink stays, and what it leads to is replaced.
        self._path = Path(os.path.realpath(destination))
        self._overwrite = overwrite
        with _naming(self._path):
            self._check()

    def _check(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectory(f"{self._path} is a directory; name the backup's own file")
        for each in (self._source, log_path(self._source)):
            if each.exists() and each.samefile(self._path):
                raise Invalid(f"{self._path} is the volume file itself, or its log")
        if not self._overwrite:
            raise AlreadyExists(f"{self._path} exists already; --force replaces it")
        if not stat.S_ISREG(status.st_mode):
            raise Invalid(f"{self._path} is not a regular file; - writes to standard output")
        if _is_used(self._path, status):
            raise InUse(f"{self._path} is in use; it can't be replaced now")

    def fill(
        self,
        image: ImageReader,
        *,
        compact: bool = False,
        copied: Progress | None = None,
        compacted: Progress | None = None,
        verified: Progress | None = None,
    ) -> Backup:
        """Copy, verify, make durable, and put in place; `copied` and `compacted` follow the bytes,
        `verified` the rows.  With `compact`, without free pages: then the folder needs room for
        both meanwhile.

        Raises NoSpace, Corrupt where the file or its copy is not sound, AlreadyExists if somebody
        else was quicker, and what reading raises."""
        _sweep(self._path.parent)
        with self._unfinished() as copy:
            with _naming(self._path):
                _write(image, copy, copied)
            if not compact:
                return self._finish(copy, verified)
            with self._unfinished() as smaller:
                with self._speaking_of(copy), self._speaking_of(smaller):
                    compact_into(copy, smaller, compacted)
                copy.unlink()
                return self._finish(smaller, verified)

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """An empty file of the mode that cp(1) would give it, beside the destination; gone in the
        end, unless it was put in place."""
        name = f".sqlfs-backup-{os.getpid()}-{secrets.token_hex(4)}"
        path = self._path.with_name(name)
        with _naming(self._path):
            mode = stat.S_IMODE(self._source.stat().st_mode) & 0o777
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode))
        try:
            yield path
        finally:
            for each in (path, log_path(path)):
                each.unlink(missing_ok=True)

    def _finish(self, copy: Path, verified: Progress | None) -> Backup:
        """Opened as the copy that it is, it is verified, loses what was left of sessions, and
        becomes a file in its own right."""
        with (
            self._speaking_of(copy),
            VolumeFile.open(copy, background=False, progress=verified) as file,
        ):
            if file.db.torn is not None:
                raise Corrupt(
                    f"what was read of {self._source} is not sound; check it by: sqlfs"
                    f" check --deep {self._source}"
                )
            if file.read_only:
                raise NoSpace(f"no room left for {self._path} on its file system")
            state_ns = file.db.lineage.written_ns
        with _naming(self._path):
            size = copy.stat().st_size
            _sync(copy)
            self._put_in_place(copy)
            _sync(self._path.parent)
        return Backup(self._path, size, state_ns)

    def _put_in_place(self, copy: Path) -> None:
        if not self._overwrite:
            try:
                os.link(copy, self._path)
                copy.unlink()
                return
            except FileExistsError:
                raise AlreadyExists(f"{self._path} exists already; --force replaces it") from None
            except OSError:
                pass  # a file system without hard links
        self._check()
        copy.rename(self._path)

    @contextmanager
    def _speaking_of(self, copy: Path) -> Iterator[None]:
        """Errors name what the user knows."""
        try:
            yield
        except SqlfsError as error:
            message = error.message.replace(str(copy), str(self._path))
            raise type(error)(message, errno_=error.errno) from error


def _write(image: ImageReader, path: Path, copied: Progress | None) -> None:
    done = 0
    with path.open("r+b", buffering=0) as out:
        # Whoever can't see this process, from another container, sees that the file is used.
        fcntl.flock(out, fcntl.LOCK_EX)
        while piece := image.read():
            rest = memoryview(piece)
            while rest:
                rest = rest[out.write(rest) :]
            done += len(piece)
            if copied is not None:
                copied(done, image.size)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_used(path: Path, status: os.stat_result) -> bool:
    """Whether some process has the volume file at `path` open."""
    if open_descriptors(status):
        return True
    try:
        # Its owner may have those who open it wait.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except BlockingIOError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _sweep(folder: Path) -> None:
    """Remove what backups left that were killed."""
    with contextlib.suppress(OSError):
        for path in folder.glob(".sqlfs-backup-*"):
            found = _UNFINISHED.fullmatch(path.name)
            if found is None or Path(f"/proc/{found[1]}").exists():
                continue
            with contextlib.suppress(OSError):
                if not _is_used(path, path.lstat()):
                    path.unlink()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except SqlfsError:
        raise
    except OSError as error:
        raise from_os(error, str(path)) from error
