"""The verbs on names."""

from __future__ import annotations

import logging
import stat

from sqlfs.errors import Corrupt, Invalid, IsADirectory
from sqlfs.limits import DAMAGED_ENTRY
from sqlfs.namespace import Edge, check_target
from sqlfs.types import (
    Attributes,
    Caller,
    DirectoryEntry,
    RenameFlag,
)
from sqlfs.volume.base import SessionBase
from sqlfs.volume.opened import OpenVolume

log = logging.getLogger("sqlfs")

_ROOT = Caller(0, 0)
_NODE_TYPES = (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK)


class NameVerbs(SessionBase):
    # --- finding ---

    def lookup(self, parent: int, name: bytes) -> Attributes:
        with self._reading() as volume:
            try:
                return volume.attributes(self._anchor.lookup(parent, name))
            except Corrupt as error:
                return _unreadable(volume, parent, name, error)

    def resolve(self, path: bytes, follow: bool = True) -> Attributes:
        with self._reading() as volume:
            return volume.attributes(self._anchor.resolve(path, follow))

    def path_of(self, node: int) -> bytes:
        with self._reading():
            return self._anchor.path_of(node)

    def readdir(self, node: int, cookie: int, limit: int) -> list[DirectoryEntry]:
        with self._reading() as volume:
            if cookie == 0:
                self._accessed(volume.tree.directory(node))
            edges = volume.tree.page(node, cookie, limit)
            return [DirectoryEntry(each.id, each.name, _listed(volume, each)) for each in edges]

    # --- making ---

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Attributes:
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        if kind not in _NODE_TYPES:
            raise Invalid(f"mknod does not make nodes of type {kind:#o}")
        is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        mode = kind | stat.S_IMODE(mode)
        return self._make(parent, name, mode, caller, rdev if is_device else 0)

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Attributes:
        return self._make(parent, name, stat.S_IFDIR | stat.S_IMODE(mode), caller)

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Attributes:
        check_target(target)
        return self._make(parent, name, stat.S_IFLNK | 0o777, caller, target=target)

    def _make(
        self,
        parent: int,
        name: bytes,
        mode: int,
        caller: Caller,
        rdev: int = 0,
        target: bytes = b"",
    ) -> Attributes:
        with self._changing() as change:
            volume = self._open_volume
            volume.check_quota(nodes=1)
            record = volume.tree.make(parent, name, mode, caller, rdev=rdev)
            if target:
                record.inline = target
                record.size = len(target)
            volume.count(nodes=1)
            change.entry(parent, name)
            return volume.attributes(record)

    def link(self, node: int, parent: int, name: bytes) -> Attributes:
        with self._changing() as change:
            volume = self._open_volume
            is_first = volume.orphans.is_linkable(node)
            record = volume.tree.link(node, parent, name, gives_first_name=is_first)
            if is_first:
                volume.orphans.named(node)
            change.entry(parent, name)
            change.attributes(node)
            return volume.attributes(record)

    def clone(self, source: int, parent: int, name: bytes, caller: Caller) -> Attributes:
        del caller  # the attributes are the source's
        self._settle(source)
        with self._changing() as change:
            volume = self._open_volume
            original = volume.nodes.get(source)
            if stat.S_ISDIR(original.mode):
                raise IsADirectory(f"node {source} is a directory: clone its entries instead")
            size = original.size if stat.S_ISREG(original.mode) else 0
            volume.check_quota(nodes=1, size=size)
            volume.settle(original)
            twin = volume.tree.twin(original, parent, name)
            twin.size = original.size
            twin.inline = original.inline
            twin.root = volume.pool.hold(original.root) if original.root is not None else None
            volume.xattrs.copy(original, twin)
            volume.count(nodes=1, size=size)
            change.entry(parent, name)
            return volume.attributes(twin)

    # --- taking away ---

    def unlink(self, parent: int, name: bytes) -> None:
        with self._changing(frees=True) as change:
            child = self._open_volume.tree.unlink(parent, name)
            change.entry(parent, name)
            if child is not None:
                change.attributes(child.id)

    def rmdir(self, parent: int, name: bytes) -> None:
        with self._changing(frees=True) as change:
            child = self._open_volume.tree.rmdir(parent, name)
            change.entry(parent, name)
            change.attributes(child.id)

    # --- moving ---

    def rename(
        self,
        parent: int,
        name: bytes,
        new_parent: int,
        new_name: bytes,
        flags: RenameFlag = RenameFlag.NONE,
        caller: Caller | None = None,
    ) -> None:
        caller = caller or _ROOT
        leaves_whiteout = flags and flags & RenameFlag.WHITEOUT
        with self._changing() as change:
            volume = self._open_volume
            if leaves_whiteout:
                volume.check_quota(nodes=1)
            done = volume.tree.rename(parent, name, new_parent, new_name, int(flags), caller)
            if done is None:
                return
            if leaves_whiteout:
                volume.count(nodes=1)
            change.entry(parent, name)
            change.entry(new_parent, new_name)
            change.attributes(done.moved.id)
            if done.replaced is not None:
                change.attributes(done.replaced.id)


def _listed(volume: OpenVolume, edge: Edge) -> Attributes:
    try:
        found = volume.attributes(volume.tree.child(edge))
    except Corrupt as error:
        # The others must stay reachable; whoever opens this one is told.
        log.error("%s: %s", volume.called(edge.parent, edge.name), error)
        return _stand_in(edge)
    if edge.damage is not None:
        log.error(
            "%s stands for a name that is lost: %s",
            volume.called(edge.parent, edge.name),
            edge.damage,
        )
    return found


def _unreadable(volume: OpenVolume, parent: int, name: bytes, why: Corrupt) -> Attributes:
    """What stands for a child that can't be read, so that it can be removed.  Raises Corrupt where
    not even its entry can be."""
    volume.tree.directory(parent)
    edge = volume.edges.find(parent, name)
    if edge is None:
        raise why
    log.error("%s: %s", volume.called(parent, name), why)
    return _stand_in(edge)


def _stand_in(edge: Edge) -> Attributes:
    node = DAMAGED_ENTRY + edge.id
    return Attributes(node, stat.S_IFREG, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, is_damaged=True)
