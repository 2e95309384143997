"""The verbs on ranges of open files: holes, and copies that share."""

from __future__ import annotations

import os
from typing import Final

from sqlfs.errors import (
    BadHandle,
    FileTooBig,
    Invalid,
    NoSpace,
    NoSuchRange,
    NotSupported,
    SqlfsError,
)
from sqlfs.limits import FILE_BYTES_MAX, MIB
from sqlfs.types import AllocateMode
from sqlfs.volume.file_verbs import FileVerbs
from sqlfs.volume.opened import OpenFile
from sqlfs.volume.range_copy import PIECE_BYTES, RangeCopy

_PUNCH: Final = AllocateMode.PUNCH_HOLE | AllocateMode.KEEP_SIZE
_MODES: Final = (
    AllocateMode.GROW,
    AllocateMode.KEEP_SIZE,
    _PUNCH,
    AllocateMode.ZERO_RANGE,
    AllocateMode.ZERO_RANGE | AllocateMode.KEEP_SIZE,
)

# Bytes that one call copies at most, or does other work worth as much.
_EFFORT_MAX: Final = 64 * MIB


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
        with self._changing(frees=mode == _PUNCH) as change:
            file = self._handle(handle)
            if not mode & AllocateMode.KEEP_SIZE:
                self._open_volume.check_quota(size=end - file.record.size)
            body = self._open_volume.body(file.record)
            if mode & (AllocateMode.PUNCH_HOLE | AllocateMode.ZERO_RANGE):
                body.punch(offset, length)
            before = file.record.size
            if end > before and not mode & AllocateMode.KEEP_SIZE:
                body.truncate(end)
                self._open_volume.count(size=end - before)
            self._written(file.record, change)
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
            raise NoSpace(
                f"{length} bytes of node {file.record.id} find no room on the file system of"
                f" {self._host.db.path}; delete something"
            )

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
        self._settle(source.record.id)
        self._settle(target.record.id)
        done = effort = 0
        while done < length and effort < _EFFORT_MAX:
            try:
                size, its_effort = self._copy_some(
                    handle_in, offset_in + done, handle_out, offset_out + done, length - done
                )
            except SqlfsError:
                if not done:
                    raise
                break  # the next call meets it
            if not size:
                break
            done += size
            effort += its_effort
        if done:
            self._durable_if_asked(target)
        return done

    def _copy_some(
        self, handle_in: int, offset_in: int, handle_out: int, offset_out: int, length: int
    ) -> tuple[int, int]:
        """Copy the beginning of a range: how many bytes, and how many it was as much work as."""
        with self._changing(min(length, PIECE_BYTES)) as change:
            volume = self._open_volume
            # Both may have been closed meanwhile, and the source cut.
            source, target = self._handle(handle_in).record, self._handle(handle_out).record
            length = min(length, source.size - offset_in)
            if length <= 0:
                return 0, 0
            before = target.size
            volume.check_quota(size=offset_out + length - before)
            try:
                step = RangeCopy(volume, source, offset_in, target, offset_out, length)
                done = step.run()
            finally:
                volume.count(size=target.size - before)
            self._written(target, change)
            return done


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
