"""The verbs on ranges of open files."""

from __future__ import annotations

import os

from sqlfs.errors import BadHandle, FileTooBig, Invalid, NoSpace, NoSuchRange, NotSupported
from sqlfs.limits import FILE_BYTES_MAX
from sqlfs.types import Change, ChangeKind
from tests.model.files import FileVerbs

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
MODES = (0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE)

# What a volume in memory claims to have room for, less than any test's absurd size.
ROOM_BYTES = 1 << 50


class RangeVerbs(FileVerbs):
    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        with self._reading() as state:
            open_file = self._handle(handle)
            if offset < 0 or length <= 0:
                raise Invalid(f"no {length} bytes can be allocated at {offset}")
            if mode not in MODES:
                raise NotSupported(f"mode {mode} is not supported")
            if open_file.flags & os.O_ACCMODE == os.O_RDONLY:
                raise BadHandle(f"handle {handle} is open for reading only")
            if offset + length > FILE_BYTES_MAX:
                raise FileTooBig(f"a range up to {offset + length} is over the limit of a file")
            if not mode & PUNCH_HOLE and length > ROOM_BYTES:
                raise NoSpace(f"no room for {length} bytes")
        with self._changing() as changes:
            node = state.node(open_file.node)
            if mode & (PUNCH_HOLE | ZERO_RANGE):
                node.content.punch(offset, offset + length)
            if not mode & KEEP_SIZE and offset + length > node.content.size:
                node.content.truncate(offset + length)
            state.touch(node)
            changes.append(Change(ChangeKind.CONTENT, node.id))

    def seek(self, handle: int, offset: int, whence: int) -> int:
        with self._reading() as state:
            content = state.node(self._handle(handle).node).content
            if whence not in (os.SEEK_DATA, os.SEEK_HOLE):
                raise Invalid(f"no seeking with whence {whence}")
            if not 0 <= offset < content.size:
                raise NoSuchRange(f"{offset} is not within the file")
            found = (content.find_data if whence == os.SEEK_DATA else content.find_hole)(offset)
            if found is None:
                raise NoSuchRange(f"no data from {offset} on")
            return found

    def copy_range(
        self, handle_in: int, offset_in: int, handle_out: int, offset_out: int, length: int
    ) -> int:
        with self._reading() as state:
            source, target = self._handle(handle_in), self._handle(handle_out)
            if source.flags & os.O_ACCMODE == os.O_WRONLY:
                raise BadHandle(f"handle {handle_in} is open for writing only")
            if target.flags & os.O_ACCMODE == os.O_RDONLY or target.flags & os.O_APPEND:
                raise BadHandle(f"handle {handle_out} is open for reading or appending")
            if min(offset_in, offset_out, length) < 0:
                raise Invalid(f"no {length} bytes from {offset_in} to {offset_out}")
            if offset_out >= FILE_BYTES_MAX:
                raise FileTooBig(f"a copy to {offset_out} is over the limit of a file")
            content = state.node(source.node).content
            length = min(length, content.size - offset_in, FILE_BYTES_MAX - offset_out)
            if source.node == target.node and abs(offset_in - offset_out) < length:
                raise Invalid("the ranges overlap")
        if length <= 0:
            return 0
        with self._changing() as changes:
            node = state.node(target.node)
            node.content.copy_range(content, offset_in, offset_out, length)
            state.touch(node)
            changes.append(Change(ChangeKind.CONTENT, node.id))
            return length
