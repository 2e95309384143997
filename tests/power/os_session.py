"""The verbs of a session, as far as power cuts need them, on a directory of the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from sqlfs.types import AttributeChanges, Attributes, Caller, RenameFlag, XattrFlag
from sqlfs.volume.session import Session


class OsSession:
    """Nodes are numbers given to paths, handles are file descriptors.

    Raises OSError as the kernel does.  Callers are ignored: nodes belong to this process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._paths: list[Path] = []

    def as_session(self) -> Session:
        """Itself, for those who know which verbs it lacks."""
        return cast(Session, self)

    # --- names ---

    def resolve(self, path: bytes, follow: bool = True) -> Attributes:
        del follow
        return self._named(self._directory / os.fsdecode(path.removeprefix(b"/")))

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Attributes:
        del caller
        self._below(parent, name).mkdir(mode)
        return self._named(self._below(parent, name))

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Attributes:
        del caller
        self._below(parent, name).symlink_to(os.fsdecode(target))
        return self._named(self._below(parent, name))

    def link(self, node: int, parent: int, name: bytes) -> Attributes:
        self._below(parent, name).hardlink_to(self._paths[node])
        return self._named(self._below(parent, name))

    def unlink(self, parent: int, name: bytes) -> None:
        self._below(parent, name).unlink()

    def rmdir(self, parent: int, name: bytes) -> None:
        self._below(parent, name).rmdir()

    def rename(
        self,
        parent: int,
        name: bytes,
        new_parent: int,
        new_name: bytes,
        flags: RenameFlag = RenameFlag.NONE,
    ) -> None:
        assert not flags
        self._below(parent, name).rename(self._below(new_parent, new_name))

    # --- attributes ---

    def setattr(self, node: int, changes: AttributeChanges) -> None:
        path = self._paths[node]
        if changes.size is not None:
            os.truncate(path, changes.size)
        if changes.mode is not None:
            path.chmod(changes.mode)

    def setxattr(self, node: int, name: bytes, value: bytes, flags: XattrFlag) -> None:
        os.setxattr(self._paths[node], name, value, flags)

    def removexattr(self, node: int, name: bytes) -> None:
        os.removexattr(self._paths[node], name)

    # --- open files ---

    def create(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller
    ) -> tuple[None, int]:
        del caller
        return None, os.open(self._below(parent, name), flags | os.O_CREAT | os.O_EXCL, mode)

    def open(self, node: int, flags: int) -> int:
        return os.open(self._paths[node], flags)

    def write(self, handle: int, offset: int, data: bytes) -> int:
        return os.pwrite(handle, data, offset)

    def fsync(self, handle: int, data_only: bool = False) -> None:
        (os.fdatasync if data_only else os.fsync)(handle)

    def release(self, handle: int) -> None:
        os.close(handle)

    def fsyncdir(self, node: int) -> None:
        fd = os.open(self._paths[node], os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    # --- nodes ---

    def _named(self, path: Path) -> Attributes:
        self._paths.append(path)
        return Attributes(len(self._paths) - 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def _below(self, parent: int, name: bytes) -> Path:
        return self._paths[parent] / os.fsdecode(name)
