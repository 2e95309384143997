"""Copying a part of one file to another one of the same volume, step by step."""

from __future__ import annotations

from typing import Final

from sqlfs.limits import INLINE_BYTES_MAX, KIB, MANIFEST_FANOUT, MANIFEST_LEVEL_MAX, MIB
from sqlfs.namespace import NodeRecord
from sqlfs.volume.opened import OpenVolume

# What is copied through memory at a time.
PIECE_BYTES: Final = MIB
# Subtrees (of the highest level at which the two files align) that are shared at a time.
_SHARED_MAX: Final = 4096
# Work, in bytes that could be copied meanwhile: of sharing one of them, of any other step.
_SHARE_EFFORT: Final = 8 * KIB
_STEP_EFFORT: Final = 64 * KIB


class RangeCopy:
    """One step of a copy, from its beginning: shares slots, keeps a hole, or copies bytes through
    memory.  Runs inside the store's transaction; `source` has all `length` bytes, and where both
    are one file, the ranges do not overlap."""

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
        """How many bytes are done, and how many could be copied with as much work.  Raises
        Corrupt."""
        slots = self._slots_to_share()
        data = self._source.find_data(self._from)
        hole_bytes = (self._source.record.size if data is None else data) - self._from
        if hole_bytes > slots * self._chunk_size:
            return self._keep_hole(min(self._length, hole_bytes)), _STEP_EFFORT
        if slots:
            return self._share(slots)
        size = min(self._length, PIECE_BYTES, self._source.find_hole(self._from) - self._from)
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
        if self._source.patched or self._target.patched:
            return 0  # written to since they were settled, or damaged
        # What is or stays as small as that lies in its node's row.
        if min(source.size, self._length) <= INLINE_BYTES_MAX:
            return 0
        slots, rest = divmod(self._length, self._chunk_size)
        # The last chunk is as long as the file is: it may be the last one of another file.
        ends = self._from + self._length == source.size and self._to + self._length >= target.size
        if rest and ends and source is not target:
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
