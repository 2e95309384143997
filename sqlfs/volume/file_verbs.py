"""The verbs on open files."""

from __future__ import annotations

import os
import stat

from sqlfs.errors import (
    BadHandle,
    DamagedRange,
    Invalid,
    IsADirectory,
    ReadOnly,
    SymlinkLoop,
    WouldBlock,
)
from sqlfs.namespace import NodeRecord, clock
from sqlfs.types import Attributes, Caller
from sqlfs.volume.base import Changing
from sqlfs.volume.name_verbs import NameVerbs
from sqlfs.volume.opened import OpenFile


class FileVerbs(NameVerbs):
    def create(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller
    ) -> tuple[Attributes, int]:
        with self._changing() as change:
            volume = self._open_volume
            volume.check_quota(nodes=1)
            mode = stat.S_IFREG | stat.S_IMODE(mode)
            record = volume.tree.make(parent, name, mode, caller)
            volume.count(nodes=1)
            change.entry(parent, name)
            return volume.attributes(record), self._new_handle(record, flags)

    def tmpfile(self, parent: int, mode: int, flags: int, caller: Caller) -> tuple[Attributes, int]:
        with self._changing():
            volume = self._open_volume
            volume.check_quota(nodes=1)
            record = volume.tree.make_nameless(parent, mode, caller)
            volume.count(nodes=1)
            handle = self._new_handle(record, flags)
            volume.orphans.keep(record, linkable=not flags & os.O_EXCL)
            return volume.attributes(record), handle

    def open(self, node: int, flags: int) -> int:
        with self._reading() as volume:
            record = volume.nodes.get(node)
            if stat.S_ISDIR(record.mode):
                raise IsADirectory(f"node {node} is a directory")
            if stat.S_ISLNK(record.mode):
                raise SymlinkLoop(f"node {node} is a symlink")
            if not stat.S_ISREG(record.mode):
                raise Invalid(f"node {node} is not a regular file")
            if self._read_only and (flags & (os.O_ACCMODE | os.O_TRUNC)) != os.O_RDONLY:
                raise ReadOnly(f"node {node} can't be opened for writing: read-only")
            handle = self._new_handle(record, flags)
        if flags & os.O_TRUNC:
            try:
                self._empty(record)
            except BaseException:
                self.release(handle)
                raise
        return handle

    def _empty(self, record: NodeRecord) -> None:
        with self._changing(frees=True) as change:
            volume = self._open_volume
            volume.count(size=-record.size)
            volume.truncate(record, 0)
            self._written(record, change)

    def read(self, handle: int, offset: int, size: int) -> bytes:
        with self._reading() as volume:
            file = self._handle(handle)
            if not file.readable:
                raise BadHandle(f"handle {handle} is open for writing only")
            if offset < 0 or size < 0:
                raise Invalid(f"no {size} bytes can be read from {offset}")
            if not file.flags & os.O_NOATIME:
                self._accessed(file.record)
            try:
                return volume.read(file.record, offset, size)
            except DamagedRange as error:
                called = volume.called(file.record.id)
                raise DamagedRange(f"{called}, {error.message}") from error

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        with self._changing(len(data)) as change:
            file = self._handle(handle)
            if not file.writable:
                raise BadHandle(f"handle {handle} is open for reading only")
            record = file.record
            if file.flags & os.O_APPEND:
                offset = record.size
            if offset < 0:
                raise Invalid(f"nothing can be written at {offset}")
            if data:
                before = record.size
                self._open_volume.check_quota(size=offset + len(data) - before)
                self._open_volume.write(record, offset, data)
                self._open_volume.count(size=record.size - before)
                self._written(record, change)
        self._durable_if_asked(file)
        return len(data)

    def flush(self, handle: int) -> None:
        with self._reading():
            self._handle(handle)

    def fsync(self, handle: int, data_only: bool = False) -> None:
        del data_only  # one commit holds both
        with self._reading():
            node = self._handle(handle).record.id
        self._host.durable()
        volume = self._open_volume
        if volume.lost:
            with self._reading():
                lost = volume.lost.pop(node, None)
            if lost is not None:
                raise lost

    def release(self, handle: int) -> None:
        with self._reading() as volume:
            file = self._handle(handle)
            del volume.shared.handles[handle]
            volume.closed(file.record.id)
            self._let_go()

    def lock(self, handle: int, exclusive: bool) -> None:
        with self._reading() as volume:
            file = self._handle(handle)
            if volume.awaits_clients:
                raise WouldBlock(f"who had node {file.record.id} locked may be about to come back")
            self._take_lock(file, "exclusive" if exclusive else "shared")

    def _take_lock(self, file: OpenFile, kind: str) -> None:
        """Under the store's lock.  Raises WouldBlock."""
        for other in self._open_volume.shared.handles.values():
            if other is file or other.record is not file.record or not other.lock:
                continue
            if "exclusive" in (kind, other.lock):
                raise WouldBlock(f"node {file.record.id} is locked by somebody else")
        file.lock = kind

    def _new_handle(self, record: NodeRecord, flags: int) -> int:
        volume = self._open_volume
        shared = volume.shared
        shared.last_handle += 1
        shared.handles[shared.last_handle] = OpenFile(record, self, flags)
        volume.users.opened(record.id)
        return shared.last_handle

    def _durable_if_asked(self, file: OpenFile) -> None:
        """Under no lock."""
        if file.flags & os.O_DSYNC:  # a part of O_SYNC
            self._host.durable()

    def _written(self, record: NodeRecord, change: Changing) -> None:
        record.mtime_ns = record.ctime_ns = clock.now_ns()
        self._open_volume.nodes.touch(record)
        change.content(record.id)
