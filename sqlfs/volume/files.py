"""A volume by path, in the manner of Python's own functions on files."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, overload

from sqlfs.errors import (
    AlreadyExists,
    Invalid,
    IsADirectory,
    NotADirectory,
    NotFound,
    SqlfsError,
)
from sqlfs.types import Attributes, RenameFlag, VolumeInfo
from sqlfs.volume.content_methods import ContentMethods
from sqlfs.volume.entries import Scan, read_pages
from sqlfs.volume.metadata_methods import MetadataMethods
from sqlfs.volume.paths import AnyPath, Text, decode_like, encode, show, split
from sqlfs.volume.places import Place, caller, naming
from sqlfs.volume.session import Session
from sqlfs.volume.trees import copy_tree, remove_tree
from sqlfs.volume.walking import walk

_DIRECTORY_MODE = 0o777


class FileSystem(ContentMethods, MetadataMethods):
    """One session on a volume, by path.  Closing it ends the session.

    Paths are text, bytes or path-like, and start at the volume's root whether or not they begin
    with a slash; results are text unless the argument was bytes.  New nodes belong to the
    process's user and group, less its umask.  Permissions are not checked.  Thread-safe, but an
    open file belongs to one thread at a time, as in :mod:`io`.

    Every method raises :class:`sqlfs.errors.SqlfsError`, which is an ``OSError``; a subclass is
    the built-in one of the same meaning, such as ``FileNotFoundError``, where there is one.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._closed = False

    @property
    def volume(self) -> VolumeInfo:
        return self._session.volume

    @property
    def read_only(self) -> bool:
        return self._session.read_only

    @property
    def closed(self) -> bool:
        return self._closed

    def sync(self) -> None:
        """Make everything that was written durable, less what open files still buffer."""
        self._session.sync()

    def close(self) -> None:
        """Flush and close open files, and end the session; all is durable then.  Idempotent.

        Raises the first error met, after all is closed.
        """
        if self._closed:
            return
        self._closed = True
        first: SqlfsError | None = None
        for close in (*(file.close for file in self._open_files), self._session.close):
            try:
                close()
            except SqlfsError as error:
                first = first or error
        if first is not None:
            raise first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- directories ---

    def mkdir(
        self,
        path: AnyPath,
        mode: int = _DIRECTORY_MODE,
        *,
        parents: bool = False,
        exist_ok: bool = False,
    ) -> None:
        """With `parents`, also what leads there; with `exist_ok`, a directory may be there."""
        with naming(path):
            raw = encode(path)
            try:
                if parents:
                    self._make_parents(raw)
                place = self._place(raw)
                self._session.mkdir(place.parent, place.name, mode, caller())
            except (AlreadyExists, Invalid):
                found = self._look(raw)
                if found is None:
                    raise
                if not (exist_ok and found.is_dir):
                    raise AlreadyExists("exists already") from None

    def makedirs(self, path: AnyPath, mode: int = _DIRECTORY_MODE, exist_ok: bool = False) -> None:
        self.mkdir(path, mode, parents=True, exist_ok=exist_ok)

    def _make_parents(self, raw: bytes) -> None:
        missing: list[bytes] = []
        folder, _, _ = split(raw)
        while (found := self._look(folder)) is None:
            folder, name, _ = split(folder)
            missing.append(name)
        node = found.node
        for name in reversed(missing):
            if name not in (b".", b".."):
                with suppress(AlreadyExists):
                    self._session.mkdir(node, name, _DIRECTORY_MODE, caller())
            node = self._session.lookup(node, name).node

    @overload
    def listdir(self, path: str | os.PathLike[str] = "/") -> list[str]: ...
    @overload
    def listdir(self, path: bytes | os.PathLike[bytes]) -> list[bytes]: ...
    def listdir(self, path: AnyPath = "/") -> Any:
        """The names in a directory, oldest placement first."""
        with naming(path):
            node = self._directory(path)
            pages = read_pages(self._session, node)
            return [decode_like(entry.name, path) for page in pages for entry in page]

    @overload
    def scandir(self, path: str | os.PathLike[str] = "/") -> Scan[str]: ...
    @overload
    def scandir(self, path: bytes | os.PathLike[bytes]) -> Scan[bytes]: ...
    def scandir(self, path: AnyPath = "/") -> Any:
        """The entries of a directory, a page in memory at a time."""
        with naming(path):
            return Scan(self._session, self._directory(path), os.fspath(path))

    def walk(
        self,
        top: Text,
        topdown: bool = True,
        onerror: Callable[[SqlfsError], object] | None = None,
        followlinks: bool = False,
    ) -> Iterator[tuple[Text, list[Text], list[Text]]]:
        """Directory, names of directories in it, names of the rest: as ``os.walk``."""
        return walk(self._session, top, topdown=topdown, onerror=onerror, followlinks=followlinks)

    def _directory(self, path: AnyPath) -> int:
        found = self._resolve(path)
        if not found.is_dir:
            raise NotADirectory("not a directory")
        return found.node

    # --- making ---

    def symlink(self, target: AnyPath, path: AnyPath) -> None:
        with naming(path):
            place = self._new_file(path)
            self._session.symlink(place.parent, place.name, encode(target), caller())

    @overload
    def readlink(self, path: str | os.PathLike[str]) -> str: ...
    @overload
    def readlink(self, path: bytes | os.PathLike[bytes]) -> bytes: ...
    def readlink(self, path: AnyPath) -> Any:
        with naming(path):
            target = self._with(
                path, lambda found: self._session.readlink(found.node), follow=False
            )
        return decode_like(target, path)

    def link(self, source: AnyPath, path: AnyPath) -> None:
        """Another name for `source`; of a symlink, for the symlink itself."""
        with naming(path):
            self._with(source, lambda found: self._link(found, path), follow=False)

    def _link(self, found: Attributes, path: AnyPath) -> None:
        place = self._new_file(path)
        self._session.link(found.node, place.parent, place.name)

    def mknod(self, path: AnyPath, mode: int = stat.S_IFREG | 0o600, device: int = 0) -> None:
        """A regular file, fifo, socket or device."""
        with naming(path):
            place = self._new_file(path)
            self._session.mknod(place.parent, place.name, mode, device, caller())

    # --- moving and copying ---

    def rename(self, source: AnyPath, destination: AnyPath, *, noreplace: bool = False) -> None:
        """Move an entry.  What is at `destination` goes, in the same instant, unless `noreplace`:
        then AlreadyExists is raised."""
        flags = RenameFlag.NOREPLACE if noreplace else RenameFlag.NONE
        with naming(source):
            old, there = self._entry(source)
        with naming(destination):
            new = self._place(destination) if there.is_dir else self._new_file(destination)
            self._session.rename(old.parent, old.name, new.parent, new.name, flags)

    def replace(self, source: AnyPath, destination: AnyPath) -> None:
        self.rename(source, destination)

    def copy(self, source: AnyPath, destination: AnyPath, *, follow_symlinks: bool = False) -> None:
        """Copy a file or a whole tree, with its attributes; content is shared, not copied.

        A file replaces what file is at `destination`, in one instant; a tree needs a place where
        nothing is.
        """
        with naming(source):
            self._with(source, lambda found: self._copy(found, destination), follow=follow_symlinks)

    def _copy(self, found: Attributes, destination: AnyPath) -> None:
        with naming(destination):
            place = self._place(destination) if found.is_dir else self._new_file(destination)
            try:
                there = self._session.lookup(place.parent, place.name)
            except NotFound:
                there = None
            if found.is_dir:
                if there is not None:
                    raise AlreadyExists("exists already; a tree is copied to a new place")
                copy_tree(self._session, found, place.parent, place.name, caller())
            elif there is None:
                self._session.clone(found.node, place.parent, place.name, caller())
            else:
                self._copy_over(found, place, there)

    def _copy_over(self, source: Attributes, place: Place, there: Attributes) -> None:
        if there.is_dir:
            raise IsADirectory("is a directory")
        if there.node == source.node:
            raise Invalid(f"{show(place.name)} is the source itself")
        aside = b".copy-" + secrets.token_hex(8).encode()
        self._session.clone(source.node, place.parent, aside, caller())
        try:
            self._session.rename(place.parent, aside, place.parent, place.name)
        except BaseException:
            self._session.unlink(place.parent, aside)
            raise

    # --- removing ---

    def remove(self, path: AnyPath) -> None:
        """Remove a name that is no directory's.  Raises NotFound, IsADirectory."""
        with naming(path):
            place, _ = self._entry(path)
            self._session.unlink(place.parent, place.name)

    unlink = remove

    def rmdir(self, path: AnyPath) -> None:
        """Raises NotFound, NotADirectory, NotEmpty."""
        with naming(path):
            place = self._place(path)
            self._session.rmdir(place.parent, place.name)

    def rmtree(self, path: AnyPath) -> None:
        """Remove a directory with all that is in it; symlinks are not followed."""
        with naming(path):
            place, there = self._entry(path)
            if not there.is_dir:
                raise NotADirectory("not a directory")
            remove_tree(self._session, place.parent, place.name, there.node)
