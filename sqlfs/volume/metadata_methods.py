"""The path-level methods on attributes."""

from __future__ import annotations

import os
import stat
from typing import Any, overload

from sqlfs.errors import (
    Invalid,
    NameTooLong,
    NotADirectory,
    NotFound,
    SymlinkLoop,
)
from sqlfs.namespace import clock
from sqlfs.types import AttributeChanges, Attributes, XattrFlag
from sqlfs.volume.paths import AnyPath, decode, decode_like
from sqlfs.volume.places import PathSession, naming
from sqlfs.volume.status import stat_result, statvfs_result

_NS = 1_000_000_000


class MetadataMethods(PathSession):
    # --- looking ---

    def attributes(self, path: AnyPath, *, follow_symlinks: bool = True) -> Attributes:
        """What the session knows of a node; its birth time is only here.  Raises NotFound."""
        with naming(path):
            return self._resolve(path, follow_symlinks)

    def stat(self, path: AnyPath, *, follow_symlinks: bool = True) -> os.stat_result:
        """``st_dev`` is the volume's id in its file.  Raises NotFound, NotADirectory,
        SymlinkLoop."""
        return self._stat_result(self.attributes(path, follow_symlinks=follow_symlinks))

    def lstat(self, path: AnyPath) -> os.stat_result:
        return self.stat(path, follow_symlinks=False)

    def stat_node(self, node: int) -> os.stat_result:
        """By node id, the ``st_ino`` of others.  Raises NotFound."""
        return self._stat_result(self._session.getattr(node))

    def path_of(self, node: int) -> str:
        """An absolute path of `node`; of several, the oldest.  Raises NotFound."""
        return decode(self._session.path_of(node))

    def exists(self, path: AnyPath, *, follow_symlinks: bool = True) -> bool:
        return self._look(path, follow_symlinks) is not None

    def is_dir(self, path: AnyPath) -> bool:
        found = self._look(path)
        return found is not None and found.is_dir

    def is_file(self, path: AnyPath) -> bool:
        found = self._look(path)
        return found is not None and found.is_file

    def is_symlink(self, path: AnyPath) -> bool:
        found = self._look(path, follow=False)
        return found is not None and found.is_symlink

    def statvfs(self) -> os.statvfs_result:
        """Room and nodes of the volume."""
        return statvfs_result(self._session.statfs(), read_only=self._session.read_only)

    def _look(self, path: AnyPath, follow: bool = True) -> Attributes | None:
        # Only what says that nothing is there: a lost connection must not.
        try:
            return self._resolve(path, follow)
        except (NotFound, NotADirectory, SymlinkLoop, NameTooLong):
            return None

    def _stat_result(self, attributes: Attributes) -> os.stat_result:
        return stat_result(attributes, self._session.volume.id)

    # --- changing ---

    def chmod(self, path: AnyPath, mode: int, *, follow_symlinks: bool = True) -> None:
        with naming(path):
            self._set(path, AttributeChanges(mode=stat.S_IMODE(mode)), follow=follow_symlinks)

    def chown(self, path: AnyPath, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        """-1 leaves an id alone.  A file that runs as its owner does so no longer."""

        def change(found: Attributes) -> None:
            mode = None
            if found.is_file and found.mode & (stat.S_ISUID | stat.S_ISGID):
                mode = stat.S_IMODE(found.mode) & ~(stat.S_ISUID | stat.S_ISGID)
            self._session.setattr(
                found.node,
                AttributeChanges(
                    mode=mode,
                    uid=None if uid == -1 else uid,
                    gid=None if gid == -1 else gid,
                ),
            )

        with naming(path):
            self._with(path, change, follow=follow_symlinks)

    def utime(
        self,
        path: AnyPath,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """Access and modification time, in s (`times`) or ns; without either, now."""
        if times is not None and ns is not None:
            raise Invalid("give times or ns, not both")
        if times is not None:
            atime_ns, mtime_ns = (_as_ns(seconds) for seconds in times)
        else:
            atime_ns, mtime_ns = ns or (clock.now_ns(),) * 2
        with naming(path):
            changes = AttributeChanges(atime_ns=atime_ns, mtime_ns=mtime_ns)
            self._set(path, changes, follow=follow_symlinks)

    def truncate(self, path: AnyPath, size: int) -> None:
        """Cut a file, or extend it by a hole, to `size` bytes."""
        with naming(path):
            self._set(path, AttributeChanges(size=size))

    def _set(self, path: AnyPath, changes: AttributeChanges, *, follow: bool = True) -> None:
        self._with(path, lambda found: self._session.setattr(found.node, changes), follow=follow)

    # --- extended attributes ---

    def getxattr(self, path: AnyPath, name: str | bytes, *, follow_symlinks: bool = True) -> bytes:
        """Raises NoAttribute."""
        with naming(path):
            return self._with(
                path,
                lambda found: self._session.getxattr(found.node, os.fsencode(name)),
                follow=follow_symlinks,
            )

    def setxattr(
        self,
        path: AnyPath,
        name: str | bytes,
        value: bytes,
        flags: int = 0,
        *,
        follow_symlinks: bool = True,
    ) -> None:
        """`name` is of a namespace that is kept (``user.``, ``trusted.``, ``security.``, ACLs);
        `flags` as for ``os.setxattr``.  Raises NoAttribute, AlreadyExists as they demand, TooBig,
        NotSupported."""
        with naming(path):
            raw, data, how = os.fsencode(name), bytes(value), XattrFlag(flags)
            self._with(
                path,
                lambda found: self._session.setxattr(found.node, raw, data, how),
                follow=follow_symlinks,
            )

    @overload
    def listxattr(
        self, path: str | os.PathLike[str], *, follow_symlinks: bool = True
    ) -> list[str]: ...
    @overload
    def listxattr(
        self, path: bytes | os.PathLike[bytes], *, follow_symlinks: bool = True
    ) -> list[bytes]: ...
    def listxattr(self, path: AnyPath, *, follow_symlinks: bool = True) -> Any:
        with naming(path):
            names = self._with(
                path,
                lambda found: self._session.listxattr(found.node),
                follow=follow_symlinks,
            )
        return [decode_like(name, path) for name in names]

    def removexattr(
        self, path: AnyPath, name: str | bytes, *, follow_symlinks: bool = True
    ) -> None:
        """Raises NoAttribute."""
        with naming(path):
            self._with(
                path,
                lambda found: self._session.removexattr(found.node, os.fsencode(name)),
                follow=follow_symlinks,
            )


def _as_ns(seconds: float) -> int:
    whole = int(seconds // 1)
    return whole * _NS + int((seconds - whole) * _NS)
