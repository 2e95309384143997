"""What ``scandir`` gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Generic, Self

from sqlfs.errors import NotFound, SymlinkLoop
from sqlfs.types import Attributes, DirectoryEntry
from sqlfs.volume.paths import Text, decode_like
from sqlfs.volume.session import Session
from sqlfs.volume.status import stat_result

# Entries that are held in memory at a time.
PAGE_ENTRIES: Final = 256


def read_pages(session: Session, node: int) -> Iterator[list[DirectoryEntry]]:
    """The entries of the directory `node`, a page at a time; none is empty."""
    cookie = 0
    while page := session.readdir(node, cookie, PAGE_ENTRIES):
        yield page
        cookie = page[-1].cookie


class Entry(Generic[Text]):
    """An entry of a directory, like :class:`os.DirEntry`, as it was when it was read."""

    __slots__ = ("_parent", "_session", "attributes", "name", "path")

    def __init__(
        self, session: Session, parent: int, folder: Text, name: Text, attributes: Attributes
    ) -> None:
        self.name: Text = name
        self.path: Text = os.path.join(folder, name)  # noqa: PTH118 -- of the volume
        self.attributes = attributes
        self._session = session
        self._parent = parent

    def __fspath__(self) -> Text:
        return self.path

    def __repr__(self) -> str:
        return f"<Entry {self.name!r}>"

    def inode(self) -> int:
        return self.attributes.node

    def is_symlink(self) -> bool:
        return self.attributes.is_symlink

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """False for a symlink that leads nowhere."""
        found = self._look(follow_symlinks)
        return found is not None and found.is_dir

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """False for a symlink that leads nowhere."""
        found = self._look(follow_symlinks)
        return found is not None and found.is_file

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Raises NotFound, SymlinkLoop when a symlink leads nowhere."""
        found = self._target() if follow_symlinks else self.attributes
        return stat_result(found, self._session.volume.id)

    def _look(self, follow: bool) -> Attributes | None:
        if not follow:
            return self.attributes
        try:
            return self._target()
        except (NotFound, SymlinkLoop):
            return None

    def _target(self) -> Attributes:
        if not self.attributes.is_symlink:
            return self.attributes
        folder = self._session.path_of(self._parent)
        return self._session.resolve(folder + b"/" + os.fsencode(self.name))


class Scan(Iterator[Entry[Text]]):
    """The entries of one directory; a context manager, as ``os.scandir`` gives one."""

    def __init__(self, session: Session, node: int, folder: Text) -> None:
        self._entries: Iterator[Entry[Text]] = self._read(session, node, folder)

    @staticmethod
    def _read(session: Session, node: int, folder: Text) -> Iterator[Entry[Text]]:
        for page in read_pages(session, node):
            for each in page:
                name: Text = decode_like(each.name, folder)
                yield Entry(session, node, folder, name, each.attributes)

    def __next__(self) -> Entry[Text]:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())
