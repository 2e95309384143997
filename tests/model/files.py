"""The verbs on open files."""

from __future__ import annotations

import os
import stat

from sqlfs.errors import (
    BadHandle,
    FileTooBig,
    Invalid,
    IsADirectory,
    NotPermitted,
    ReadOnly,
    SymlinkLoop,
    WouldBlock,
)
from sqlfs.limits import FILE_BYTES_MAX
from sqlfs.types import Attributes, Caller, Change, ChangeKind
from tests.model.names import NameVerbs
from tests.model.volume import Handle


class FileVerbs(NameVerbs):
    def create(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller
    ) -> tuple[Attributes, int]:
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        with self._changing() as changes:
            node = self._new_child(changes, parent, name, mode, caller)
            return self._state.attributes(node), self._state.new_handle(node.id, self, flags)

    def tmpfile(self, parent: int, mode: int, flags: int, caller: Caller) -> tuple[Attributes, int]:
        with self._changing():
            directory = self._state.directory(parent)
            if not self._state.is_placed(directory):
                raise NotPermitted(f"directory {parent} was removed")
            node = self._new_node_in(directory, stat.S_IFREG | stat.S_IMODE(mode), caller)
            node.linkable = not flags & os.O_EXCL
            return self._state.attributes(node), self._state.new_handle(node.id, self, flags)

    def open(self, node: int, flags: int) -> int:
        with self._reading() as state:
            it = state.node(node)
            if it.is_dir:
                raise IsADirectory(f"node {node} is a directory")
            if it.is_symlink:
                raise SymlinkLoop(f"node {node} is a symlink")
            if not it.is_file:
                raise Invalid(f"node {node} is not a regular file")
            if self._read_only and (flags & (os.O_ACCMODE | os.O_TRUNC)) != os.O_RDONLY:
                raise ReadOnly(f"node {node} cannot be opened for writing: read-only")
            handle = state.new_handle(node, self, flags)
        if flags & os.O_TRUNC:
            with self._changing() as changes:
                it.content.truncate(0)
                state.touch(it)
                changes.append(Change(ChangeKind.CONTENT, node))
        return handle

    def read(self, handle: int, offset: int, size: int) -> bytes:
        with self._reading() as state:
            open_file = self._handle(handle)
            if open_file.flags & os.O_ACCMODE == os.O_WRONLY:
                raise BadHandle(f"handle {handle} is open for writing only")
            if offset < 0 or size < 0:
                raise Invalid(f"no {size} bytes can be read from {offset}")
            return state.node(open_file.node).content.read(offset, size)

    def write(self, handle: int, offset: int, data: bytes) -> int:
        with self._reading() as state:
            open_file = self._handle(handle)
            if open_file.flags & os.O_ACCMODE == os.O_RDONLY:
                raise BadHandle(f"handle {handle} is open for reading only")
        with self._changing() as changes:
            node = state.node(open_file.node)
            if open_file.flags & os.O_APPEND:
                offset = node.content.size
            if offset < 0:
                raise Invalid(f"nothing can be written at {offset}")
            if offset + len(data) > FILE_BYTES_MAX:
                raise FileTooBig(f"a write to {offset + len(data)} is over the limit of a file")
            if data:
                node.content.write(offset, data)
                state.touch(node)
                changes.append(Change(ChangeKind.CONTENT, node.id))
            return len(data)

    def flush(self, handle: int) -> None:
        with self._reading():
            self._handle(handle)

    def fsync(self, handle: int, data_only: bool = False) -> None:
        del data_only  # memory is as durable as it gets
        with self._reading():
            self._handle(handle)

    def release(self, handle: int) -> None:
        with self._reading() as state:
            open_file = self._handle(handle)
            del state.handles[handle]
            state.drop_if_unused(state.node(open_file.node))

    def lock(self, handle: int, exclusive: bool) -> None:
        with self._reading() as state:
            mine = self._handle(handle)
            for other in state.handles.values():
                if other is mine or other.node != mine.node or not other.lock:
                    continue
                if exclusive or other.lock == "exclusive":
                    raise WouldBlock(f"node {mine.node} is locked by somebody else")
            mine.lock = "exclusive" if exclusive else "shared"

    def _handle(self, handle: int) -> Handle:
        open_file = self._state.handles.get(handle)
        if open_file is None or open_file.session is not self:
            raise BadHandle(f"handle {handle} is not open")
        return open_file
