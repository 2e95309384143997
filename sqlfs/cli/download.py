"""From a volume into local files."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from sqlfs.cli.descent import descend
from sqlfs.cli.local import VolumeFileGuard, naming_local, to_local_text
from sqlfs.cli.problems import Problems
from sqlfs.cli.progress import TransferProgress
from sqlfs.cli.upload import PIECE_BYTES, USER_XATTRS, extents, has_holes
from sqlfs.errors import Corrupt, IsADirectory, SqlfsError
from sqlfs.limits import KIB
from sqlfs.volume.files import FileSystem
from sqlfs.volume.stream import FileStream

# Zeros are made holes in units of this.
_HOLE_BYTES: Final = 64 * KIB


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    local: Path
    status: os.stat_result
    chosen: bool  # its place, by the user


class Download:
    """Copies files and trees with their attributes, in pieces of 1 MiB.

    Mode, times, user xattrs, hard links among what is copied, and holes are kept; owners if
    this is root.  With `recursive`, directories are copied, and symlinks and special nodes as
    what they are; without, symlinks are followed.
    """

    def __init__(
        self,
        files: FileSystem,
        guard: VolumeFileGuard,
        problems: Problems,
        progress: TransferProgress,
        *,
        recursive: bool,
    ) -> None:
        self._files = files
        self._guard = guard
        self._problems = problems
        self._progress = progress
        self._recursive = recursive
        self._linked: dict[int, Path] = {}  # of nodes with several names

    def get(self, path: str, local: Path) -> None:
        """Copy what is at `path` and, if recursive, what is below it.  Problems are noted."""
        with self._problems.noted():
            status = self._files.stat(path, follow_symlinks=not self._recursive)
            # The user's own symlinks are followed, those found further down are not.
            place = local.resolve() if local.is_dir() else local
            descend(_Item(path, place, status, chosen=True), self._enter, self._leave)

    def _enter(self, item: _Item) -> Iterator[_Item] | None:
        with self._problems.noted(), naming_local(item.local):
            if stat.S_ISDIR(item.status.st_mode):
                if not self._recursive:
                    raise IsADirectory(f"{item.path!r} is a directory; get it by get -r")
                _make_directory(item.local)
                return self._below(item)
            self._get_node(item)
        return None

    def _below(self, item: _Item) -> Iterator[_Item]:
        with self._problems.noted(), self._files.scandir(item.path) as entries:
            for entry in entries:
                # sqlfs makes no such name; whoever made the file may have.
                if "/" in entry.name or entry.name in (".", ".."):
                    raise Corrupt(f"{item.path!r} holds an entry with the name {entry.name!r}")
                local = item.local / to_local_text(entry.name)
                status = entry.stat(follow_symlinks=False)
                yield _Item(entry.path, local, status, chosen=False)

    def _leave(self, item: _Item) -> None:
        # Only now: what was made below has changed the directory's times.
        with self._problems.noted(), naming_local(item.local):
            self._copy_attributes(item, item.local)

    def _get_node(self, item: _Item) -> None:
        status = item.status
        is_file = stat.S_ISREG(status.st_mode)
        first = self._linked.get(status.st_ino) if self._recursive else None
        if not item.chosen:
            _make_way(item.local, keep_file=is_file and first is None)
        if first is not None:
            item.local.hardlink_to(first)
            return
        if is_file or not self._recursive:
            self._get_content(item)
        elif stat.S_ISLNK(status.st_mode):
            item.local.symlink_to(to_local_text(self._files.readlink(item.path)))
            self._copy_attributes(item, item.local)
        else:
            os.mknod(item.local, status.st_mode, status.st_rdev)
            self._copy_attributes(item, item.local)
        if status.st_nlink > 1:
            self._linked[status.st_ino] = item.local

    def _get_content(self, item: _Item) -> None:
        self._guard.check(item.local)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        if not item.chosen:
            flags |= os.O_NOFOLLOW
        with self._files.open(item.path, "rb", buffering=0) as source:
            descriptor = os.open(item.local, flags, 0o600)
            with open(descriptor, "wb") as out:
                is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
                if is_file and has_holes(item.status):
                    self._pump_around_holes(source, out)
                else:
                    self._pump(source, out)
                if is_file:
                    out.truncate(source.tell())
                    self._copy_attributes(item, descriptor)

    def _pump(self, source: FileStream, out: BinaryIO) -> None:
        while piece := source.read(PIECE_BYTES):
            out.write(piece)
            self._progress.advance(len(piece))

    def _pump_around_holes(self, source: FileStream, out: BinaryIO) -> None:
        for start, end in extents(source.seek):
            source.seek(start)
            out.seek(start)
            while piece := source.read(min(PIECE_BYTES, end - source.tell())):
                _write_around_zeros(out, piece)
                self._progress.advance(len(piece))
        source.seek(0, os.SEEK_END)

    def _copy_attributes(self, item: _Item, place: int | Path) -> None:
        """To a path that is not followed, or to an open file."""
        status = item.status
        is_symlink = stat.S_ISLNK(status.st_mode)
        follow = isinstance(place, int)
        mode = stat.S_IMODE(status.st_mode)
        if os.geteuid() == 0:
            os.chown(place, status.st_uid, status.st_gid, follow_symlinks=follow)
        elif (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            # It would run as somebody else than it was meant to.
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        if not is_symlink:
            os.chmod(place, mode)  # noqa: PTH101 -- or a descriptor
            self._copy_xattrs(item.path, place)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(place, ns=times, follow_symlinks=follow)

    def _copy_xattrs(self, path: str, place: int | Path) -> None:
        for name in self._files.listxattr(path):
            if name.startswith(USER_XATTRS):
                value = self._files.getxattr(path, name)
                with self._problems.noted():
                    _set_xattr(path, name, value, place)


def _set_xattr(path: str, name: str, value: bytes, place: int | Path) -> None:
    try:
        os.setxattr(place, name, value)
    except OSError as error:
        # Also ENOSPC, where it is larger than the file system keeps them.
        raise SqlfsError(
            f"{path!r} comes without its attribute {name!r}: {error.strerror}", errno_=error.errno
        ) from error


def _make_directory(local: Path) -> None:
    try:
        local.mkdir(0o700)
    except FileExistsError:
        # Through a symlink, what is below would land anywhere.
        if not stat.S_ISDIR(local.lstat().st_mode):
            raise


def _make_way(local: Path, *, keep_file: bool) -> None:
    """Remove what is at `local`, but for a file that may be written over: nothing else must
    change with it, as it would through a symlink or another name."""
    try:
        there = local.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISREG(there.st_mode) and there.st_nlink == 1 and keep_file:
        return
    local.unlink()


def _write_around_zeros(out: BinaryIO, piece: bytes) -> None:
    """Leave holes where there are but zeros."""
    for start in range(0, len(piece), _HOLE_BYTES):
        block = piece[start : start + _HOLE_BYTES]
        if block.count(0) == len(block):
            out.seek(len(block), os.SEEK_CUR)
        else:
            out.write(block)


def volume_bytes(files: FileSystem, path: str, *, recursive: bool) -> int:
    """The sizes of the files that a download of `path` copies, so far as they can be seen."""
    total = 0

    def enter(node: tuple[str, os.stat_result]) -> Iterator[tuple[str, os.stat_result]] | None:
        nonlocal total
        at, status = node
        if stat.S_ISREG(status.st_mode):
            total += status.st_size
        return _children(files, at) if recursive and stat.S_ISDIR(status.st_mode) else None

    with contextlib.suppress(SqlfsError):
        descend((path, files.stat(path, follow_symlinks=not recursive)), enter)
    return total


def _children(files: FileSystem, path: str) -> Iterator[tuple[str, os.stat_result]]:
    with contextlib.suppress(SqlfsError), files.scandir(path) as entries:
        for entry in entries:
            yield entry.path, entry.stat(follow_symlinks=False)
