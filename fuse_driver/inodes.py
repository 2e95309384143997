"""Inode numbers, and which nodes the kernel remembers."""

from __future__ import annotations

import threading

from fuse_driver.kernel.abi import ROOT_INODE
from sqlfs.volume.counts import Counts
from sqlfs.volume.session import Session


class Inodes:
    """The mapping between nodes and the kernel's inode numbers, with its lookup counts.

    The two are equal but for the root, which the kernel calls 1: the session's root and 1
    change places, so that the mapping stays one to one.

    A node is pinned in the session from the kernel's first lookup of it until the kernel has
    forgotten each one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._root = session.root
        self._lock = threading.Lock()
        self._lookups = Counts()  # guarded by _lock

    def node(self, inode: int) -> int:
        if inode == ROOT_INODE:
            return self._root
        if inode == self._root:
            return ROOT_INODE
        return inode

    inode = node  # changing places is its own inverse

    def known(self) -> list[int]:
        """The nodes that the kernel remembers."""
        with self._lock:
            return [self._root, *self._lookups]

    def remember(self, node: int) -> int:
        """Count one more lookup of `node`; its inode number.  Raises NotFound when it is gone
        already."""
        with self._lock:
            if node not in self._lookups:
                self._session.pin(node)
            self._lookups.add(node)
        return self.inode(node)

    def forget(self, node: int, lookups: int) -> None:
        """Take back `lookups` of the counted ones."""
        with self._lock:
            if self._lookups.take(node, lookups):
                self._session.unpin(node)
