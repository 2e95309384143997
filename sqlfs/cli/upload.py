"""From local files into a volume."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from sqlfs.cli.descent import descend
from sqlfs.cli.local import VolumeFileGuard, naming_local, to_volume_text
from sqlfs.cli.problems import Problems
from sqlfs.cli.progress import TransferProgress
from sqlfs.errors import IsADirectory, NotFound
from sqlfs.limits import MIB
from sqlfs.types import AttributeChanges
from sqlfs.volume.files import FileSystem
from sqlfs.volume.stream import FileStream

PIECE_BYTES: Final = MIB

USER_XATTRS: Final = "user."


@dataclass(frozen=True, slots=True)
class _Item:
    local: Path
    target: str


class Upload:
    """Copies files and trees with their attributes, in pieces of 1 MiB.

    Mode, owner, times, user xattrs, hard links among what is copied, and holes are kept.  With
    `recursive`, directories are copied, and symlinks and special nodes as what they are; without,
    symlinks are followed, and devices and fifos read.
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
        self._linked: dict[tuple[int, int], str] = {}  # of nodes with several names

    def put(self, local: Path, target: str) -> None:
        """Copy `local` and, if recursive, what is below it.  Problems are noted."""
        descend(_Item(local, target), self._enter, self._leave)

    def put_stream(self, stream: BinaryIO, target: str) -> None:
        """Copy what `stream`, standard input, gives until it ends."""
        named = naming_local(Path("/dev/stdin"))
        with named, self._files.open(target, "wb", buffering=0) as out:
            while piece := stream.read(PIECE_BYTES):
                out.write(piece)
                self._progress.advance(len(piece))

    def _enter(self, item: _Item) -> Iterator[_Item] | None:
        with self._problems.noted(), naming_local(item.local):
            status = item.local.stat(follow_symlinks=not self._recursive)
            if stat.S_ISDIR(status.st_mode):
                if not self._recursive:
                    raise IsADirectory(f"{str(item.local)!r} is a directory; put it by put -r")
                self._files.mkdir(item.target, 0o700, exist_ok=True)
                return self._below(item)
            self._put_node(item, status)
        return None

    def _below(self, item: _Item) -> Iterator[_Item]:
        with self._problems.noted(), naming_local(item.local), os.scandir(item.local) as entries:
            for entry in entries:
                name = to_volume_text(entry.name)
                yield _Item(item.local / entry.name, posixpath.join(item.target, name))

    def _leave(self, item: _Item) -> None:
        # Only now: what was put below has changed the directory's times.
        with self._problems.noted(), naming_local(item.local):
            self._copy_attributes(item, item.local.stat())

    def _put_node(self, item: _Item, status: os.stat_result) -> None:
        identity = (status.st_dev, status.st_ino)
        is_file = stat.S_ISREG(status.st_mode)
        if self._recursive:
            self._make_way(item.target, keep_file=is_file and identity not in self._linked)
        if identity in self._linked:
            self._files.link(self._linked[identity], item.target)
            return
        if is_file or not self._recursive:
            self._put_content(item, status)
        elif stat.S_ISLNK(status.st_mode):
            self._files.symlink(to_volume_text(os.readlink(item.local)), item.target)  # noqa: PTH115
        else:
            self._files.mknod(item.target, status.st_mode, status.st_rdev)
        if is_file or self._recursive:
            self._copy_attributes(item, status)
        if status.st_nlink > 1 and self._recursive:
            self._linked[identity] = item.target

    def _make_way(self, target: str, *, keep_file: bool) -> None:
        """Remove what is at `target`, but for a file that may be written over: nothing else must
        change with it, as it would through a symlink or another name."""
        try:
            there = self._files.lstat(target)
        except NotFound:
            return
        if stat.S_ISREG(there.st_mode) and there.st_nlink == 1 and keep_file:
            return
        self._files.unlink(target)

    def _put_content(self, item: _Item, status: os.stat_result) -> None:
        self._guard.check(item.local)
        with (
            item.local.open("rb", buffering=0) as source,
            self._files.open(item.target, "wb", buffering=0) as out,
        ):
            if has_holes(status):
                for start, end in extents(partial(os.lseek, source.fileno())):
                    source.seek(start)
                    out.seek(start)
                    self._pump(source, out, end - start)
                out.truncate(os.fstat(source.fileno()).st_size)
            else:
                self._pump(source, out, None)

    def _pump(self, source: io.FileIO, out: FileStream, size: int | None) -> None:
        """`size` bytes, or all there are, from where both are."""
        left = size
        while left is None or left > 0:
            piece = source.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
            if not piece:
                return
            out.write(piece)
            self._progress.advance(len(piece))
            left = None if left is None else left - len(piece)

    def _copy_attributes(self, item: _Item, status: os.stat_result) -> None:
        """In one verb, and the last: others change times."""
        is_symlink = stat.S_ISLNK(status.st_mode)
        if not is_symlink:
            self._copy_xattrs(item)
        node = self._files.stat(item.target, follow_symlinks=not self._recursive).st_ino
        changes = AttributeChanges(
            mode=None if is_symlink else stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            atime_ns=status.st_atime_ns,
            mtime_ns=status.st_mtime_ns,
        )
        self._files.session.setattr(node, changes)

    def _copy_xattrs(self, item: _Item) -> None:
        try:
            names = os.listxattr(item.local)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return
            raise
        for name in names:
            if name.startswith(USER_XATTRS):
                self._files.setxattr(item.target, name, os.getxattr(item.local, name))


def has_holes(status: os.stat_result) -> bool:
    """Whether fewer blocks of 512 bytes exist than the size would take."""
    return stat.S_ISREG(status.st_mode) and status.st_blocks * 512 < status.st_size


def extents(seek: Callable[[int, int], int]) -> Iterator[tuple[int, int]]:
    """Start and end of each piece of a file that is no hole; `seek` is like ``lseek`` on it."""
    end = 0
    while True:
        try:
            start = seek(end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = seek(start, os.SEEK_HOLE)
        yield start, end


def local_bytes(local: Path, *, recursive: bool) -> int:
    """The sizes of the files that an upload of `local` copies, so far as they can be seen."""
    total = 0

    def enter(path: Path) -> Iterator[Path] | None:
        nonlocal total
        try:
            status = path.stat(follow_symlinks=not recursive)
        except OSError:
            return None
        if stat.S_ISREG(status.st_mode):
            total += status.st_size
        return _children(path) if recursive and stat.S_ISDIR(status.st_mode) else None

    descend(local, enter)
    return total


def _children(path: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            yield path / entry.name
