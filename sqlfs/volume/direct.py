"""A session in the process that owns the file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from sqlfs.errors import Corrupt, NotFound, WouldBlock
from sqlfs.limits import NAME_BYTES_MAX, NODE_ID_MAX
from sqlfs.types import FileSystemStatus, HeldHandle, VolumeInfo
from sqlfs.volume.anchor import Anchor
from sqlfs.volume.attribute_verbs import AttributeVerbs
from sqlfs.volume.opened import Subscription
from sqlfs.volume.range_verbs import RangeVerbs
from sqlfs.volume.session import Listener

_BLOCK_BYTES = 4096


class DirectSession(RangeVerbs, AttributeVerbs):
    """:class:`sqlfs.volume.session.Session`; made by ``VolumeFile.session``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def volume(self) -> VolumeInfo:
        return self._open_volume.info

    @property
    def root(self) -> int:
        return self._anchor.node

    def descend(self, path: bytes) -> bytes:
        """Have the directory at `path` stand for the root; returns its path in the volume.

        Raises NotFound, NotADirectory, NameTooLong, SymlinkLoop."""
        with self._reading() as volume:
            node = volume.tree.directory(self._anchor.resolve(path, follow=True).id).id
            place = volume.tree.path_of(node)
            if node != volume.info.root:
                volume.users.pin(self, node)
                self._anchor = Anchor(volume.tree, volume.info.root, node)
            return place

    @property
    def read_only(self) -> bool:
        return self._read_only

    def fsyncdir(self, node: int) -> None:
        with self._reading() as volume:
            volume.tree.directory(node)
        self._host.durable()

    def sync(self) -> None:
        with self._reading():
            pass
        self._host.durable()

    def statfs(self) -> FileSystemStatus:
        with self._reading() as volume:
            volume.drop_given_up()
            pages, free_pages = self._host.db.page_counts()
            page_size = self._host.db.page_size
            room = outside = self._host.work.capacity()
            used = (pages - free_pages) * page_size
            nodes, quota = volume.usage.nodes, volume.quota
            if quota.bytes:
                used = volume.usage.bytes
                room = max(0, min(room, quota.bytes - used))
        # The file system below bounds the ids too: no node without room for its row.
        nodes_free = min(NODE_ID_MAX - nodes, outside // 512)
        if quota.nodes:
            nodes_free = max(0, min(nodes_free, quota.nodes - nodes))
        return FileSystemStatus(
            block_size=_BLOCK_BYTES,
            blocks=(used + room) // _BLOCK_BYTES,
            blocks_free=room // _BLOCK_BYTES,
            nodes=nodes + nodes_free,
            nodes_free=nodes_free,
            name_max=NAME_BYTES_MAX,
        )

    def pin(self, node: int) -> None:
        with self._reading() as volume:
            try:  # noqa: SIM105 -- once for each lookup: suppress() takes longer than the rest
                volume.nodes.get(node)
            except Corrupt:
                pass  # what is remembered need not be readable
            volume.users.pin(self, node)

    def unpin(self, node: int) -> None:
        with self._lock:
            if not self._closed:
                self._open_volume.unpin(self, node)
                self._let_go()

    def subscribe(
        self, listener: Listener, own_telling: Callable[[bool], None] | None = None
    ) -> None:
        with self._reading() as volume:
            volume.subscriptions.append(Subscription(self, listener, own_telling))

    def anchor(self, node: int) -> None:
        """Have the directory `node` stand for the root, wherever it is now."""
        with self._reading() as volume:
            if node != volume.info.root:
                volume.users.pin(self, node)
            self._anchor = Anchor(volume.tree, volume.info.root, node)

    def present(self, handles: Sequence[HeldHandle], pins: Sequence[int]) -> list[int]:
        """Open, lock and pin again what a session held under an earlier owner.  Returns a new
        handle for each; 0 where the node, or the lock, is gone."""
        with self._reading() as volume:
            for node in pins:
                volume.users.pin(self, node)
            return [self._open_again(held) for held in handles]

    def _open_again(self, held: HeldHandle) -> int:
        volume = self._open_volume
        try:
            record = volume.nodes.get(held.node)
        except (NotFound, Corrupt):
            return 0
        if not stat.S_ISREG(record.mode) or (self._read_only and held.flags & os.O_ACCMODE):
            return 0
        handle = self._new_handle(record, held.flags & ~os.O_TRUNC)
        if held.lock:
            try:
                self._take_lock(self._handle(handle), held.lock)
            except WouldBlock:
                self.release(handle)
                return 0
        if held.linkable:
            volume.orphans.make_linkable(held.node)
        return handle

    def presented(self) -> None:
        """All that the session held was presented."""
        with self._reading():
            self._host.session_arrived(self)

    def give_up(self) -> None:
        """End without letting go of anything: a later owner's session goes on from this one."""
        with self._lock:
            self._closed = True

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._open_volume.leave(self)
        self._host.session_closed(self)
