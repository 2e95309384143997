"""The verbs on ranges of open files: holes, and copies that share."""

from __future__ import annotations

import os
from typing import Final

from sqlfs.errors import BadHandle, FileTooBig, Invalid, NoSpace, NoSuchRange, NotSupported
from sqlfs.limits import (
    FILE_BYTES_MAX,
    INLINE_BYTES_MAX,
    KIB,
    MANIFEST_FANOUT,
    MANIFEST_LEVEL_MAX,
    MIB,
)
from sqlfs.namespace import NodeRecord
from sqlfs.types import AllocateMode
from sqlfs.volume.file_verbs import FileVerbs
from sqlfs.volume.opened import OpenFile, OpenVolume

_PUNCH: Final = AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE
_MODES: Final = (
    AllocateMode.GROW,
    AllocateMode.KEEP_SIZE,
    _PUNCH,
    AllocateMode.ZERO_RANGE,
    AllocateMode.ZERO_RANGE | AllocateMode.KEEP_SIZE,
)

# What is copied through memory at a time, and in one call.
_PIECE_BYTES: Final = MIB
_COPY_BYTES_MAX: Final = 64 * MIB
# Subtrees (of the highest level at which the two files align) that are shared at a time.
_SHARED_MAX: Final = 4096
# Work in bytes that could be copied meanwhile: sharing one of them, any other step.
_SHARE_EFFORT: Final = 8 * KIB
_STEP_EFFORT: Final = 64 * KIB


class RangeVerbs(FileVerbs):
    # --- holes ---

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        with self._reading():
            file = self._handle(handle)
        if offset < 0 or length <= 0:
            raise Invalid(f"no {length} bytes can be allocated at {offset}")
        if mode not in _MODES:
            raise NotSupported(f"fallocate's mode {mode:#x} is not supported")
        if not file.writable:
            raise BadHandle(f"handle {handle} is open for reading only")
        end = offset + length
        if end > FILE_BYTES_MAX:
            raise FileTooBig(f"a range up to {end} is over the limit of a file")
        if mode != _PUNCH:
            self._find_room(file, offset, length)
        with self._changing(frees=mode == _PUNCH) as changes:
            body = self._open_volume.body(file.record)
            if mode & (AllocateMode.PUNCH_HOLE | AllocateMode.ZERO_RANGE):
                body.punch(offset, length)
            before = file.record.size
            if end > before and not mode & AllocateMode.KEEP_SIZE:
                body.truncate(end)
                self._open_volume.count(size=end - before)
            self._written(file.record, changes)
        self._durable_if_asked(file)

    def _find_room(self, file: OpenFile, offset: int, length: int) -> None:
        """Raises NoSpace if what a range has not stored yet clearly finds no room."""
        work = self._host.work
        with self._reading() as volume:
            needed = length - volume.body(file.record).data_within(offset, length)
        if needed <= work.capacity():
            return
        while work.reclaim(64):
            pass
        if needed > work.capacity():
            raise NoSpace(f"no room left for {length} bytes more of node {file.record.id}")

    def seek(self, handle: int, offset: int, whence: int) -> int:
        with self._reading() as volume:
            record = self._handle(handle).record
            if whence not in (os.SEEK_DATA, os.SEEK_HOLE):
                raise Invalid(f"a handle has no position: whence {whence} needs one")
            if not 0 <= offset < record.size:
                raise NoSuchRange(f"{offset} is not within node {record.id}")
            body = volume.body(record)
            if whence == os.SEEK_HOLE:
                return body.find_hole(offset)
            found = body.find_data(offset)
            if found is None:
                raise NoSuchRange(f"node {record.id} has no data from {offset} on")
            return found

    # --- copies ---

    def copy_range(
        self, handle_in: int, offset_in: int, handle_out: int, offset_out: int, length: int
    ) -> int:
        with self._reading():
            source, target = self._handle(handle_in), self._handle(handle_out)
            _check_copy(source, offset_in, target, offset_out, length)
            # Now: a copy within one file may move its end.
            length = min(length, source.record.size - offset_in, FILE_BYTES_MAX - offset_out)
            if source.record is target.record and abs(offset_in - offset_out) < length:
                raise Invalid(f"the ranges at {offset_in} and {offset_out} overlap")
            self._accessed(source.record)
        done = copied = 0
        while done < length and copied < _COPY_BYTES_MAX:
            try:
                piece, effort = self._copy_piece(
                    source, offset_in + done, target, offset_out + done, length - done
                )
            except NoSpace:
                if not done:
                    raise
                break
            if not piece:
                break
            done += piece
            copied += effort
        if done:
            self._durable_if_asked(target)
        return done

    def _copy_piece(
        self, source: OpenFile, offset_in: int, target: OpenFile, offset_out: int, length: int
    ) -> tuple[int, int]:
        """Copy the beginning of a range: how many bytes, and how many it was as much work as."""
        with self._changing(min(length, _PIECE_BYTES)) as changes:
            volume = self._open_volume
            length = min(length, source.record.size - offset_in)
            if length <= 0:
                return 0, 0
            copy = _Copy(volume, source.record, offset_in, target.record, offset_out, length)
            before = target.record.size
            try:
                return copy.run()
            finally:
                volume.count(size=target.record.size - before)
                self._written(target.record, changes)


def _check_copy(
    source: OpenFile, offset_in: int, target: OpenFile, offset_out: int, length: int
) -> None:
    if not source.readable:
        raise BadHandle("what is to be copied is open for writing only")
    if not target.writable or target.flags & os.O_APPEND:
        raise BadHandle("what is to be copied to is open for reading or appending only")
    if offset_in < 0 or offset_out < 0 or length < 0:
        raise Invalid(f"no {length} bytes can be copied from {offset_in} to {offset_out}")
    if offset_out >= FILE_BYTES_MAX:
        raise FileTooBig(f"a copy to {offset_out} is over the limit of a file")


class _Copy:
    """One step of a copy: shares slots, keeps a hole, or copies bytes through memory."""

    def __init__(
        self,
        volume: OpenVolume,
        source: NodeRecord,
        offset_in: int,
        target: NodeRecord,
        offset_out: int,
        length: int,
    ) -> None:
        self._volume = volume
        self._source = volume.body(source)
        self._target = volume.body(target)
        self._chunk_size = volume.info.chunk_size
        self._from = offset_in
        self._to = offset_out
        self._length = length

    def run(self) -> tuple[int, int]:
        """Bytes that were done, and to how many copied ones that is equal in work."""
        slots = self._slots_to_share()
        data = self._source.find_data(self._from)
        hole_bytes = (self._source.record.size if data is None else data) - self._from
        if hole_bytes > slots * self._chunk_size:
            return self._keep_hole(min(self._length, hole_bytes)), _STEP_EFFORT
        if slots:
            return self._share(slots)
        size = min(self._length, _PIECE_BYTES, self._source.find_hole(self._from) - self._from)
        if self._aligns:
            # From the next slot on there may be something to share.
            size = min(size, self._chunk_size - self._from % self._chunk_size)
        self._target.write(self._to, self._source.read(self._from, size))
        return size, size

    @property
    def _aligns(self) -> bool:
        return (self._from - self._to) % self._chunk_size == 0

    def _slots_to_share(self) -> int:
        source, target = self._source.record, self._target.record
        if not self._aligns or self._from % self._chunk_size:
            return 0
        # What is or stays as small as that lies in its node's row.
        if min(source.size, self._length) <= INLINE_BYTES_MAX:
            return 0
        slots, rest = divmod(self._length, self._chunk_size)
        ends = self._from + self._length == source.size and self._to + self._length >= target.size
        if rest and ends:
            slots += 1
        return min(slots, self._slots_max())

    def _slots_max(self) -> int:
        """Where the trees align, whole subtrees are shared at once."""
        shift = abs(self._from - self._to) // self._chunk_size
        limit = _SHARED_MAX
        for _ in range(MANIFEST_LEVEL_MAX):
            if shift % MANIFEST_FANOUT:
                break
            shift //= MANIFEST_FANOUT
            limit *= MANIFEST_FANOUT
        return limit

    def _share(self, slots: int) -> tuple[int, int]:
        source, target, chunk_size = self._source, self._target, self._chunk_size
        if self._to > target.record.size:
            target.truncate(self._to)
        for body in (source, target):
            body.flush()
            self._volume.nodes.touch(body.record)
        target.share(self._to // chunk_size, source, self._from // chunk_size, slots)
        effort = _SHARE_EFFORT * (1 + slots * _SHARED_MAX // self._slots_max())
        return min(self._length, slots * chunk_size), effort

    def _keep_hole(self, size: int) -> int:
        end = self._to + size
        self._target.punch(self._to, size)
        if end > self._target.record.size:
            self._target.truncate(end)
        return size
