"""Reading the write-ahead log without SQLite, to learn whose it is.

The layout is SQLite's: https://sqlite.org/fileformat2.html#the_write_ahead_log
Frames count as the log's while their salts are the header's.  A lineage record carries a check
of its own, so the checksums of frames matter only where there is no record: a log whose first
transaction was cut short holds nothing, whosever it is.

A log is a row of slots, of a frame each.  In the slot behind the last frame may stand its *tail*:
the head of a frame of page 0, which SQLite takes for the end, and a lineage record.  Records are
looked for in all slots, also behind what may be damaged.
"""

from __future__ import annotations

import array
import os
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sqlfs.store.io import Syncer
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage

HEADER = struct.Struct(">IIIIIIII")
FRAME = struct.Struct(">IIIIII")
MAGICS = (0x377F0682, 0x377F0683)
_TAIL_PAGE = 0
_SALTS = slice(16, 24)  # of the header
_TAIL_HEAD = struct.Struct(">II8s8x")


@dataclass(slots=True)
class LogState:
    """What lies beside the file: ``present`` (a sound header) or ``unreadable`` (something else),
    the frames that follow each other from the start, and the lineage records of all frames and
    tails by the number of their slot; ``was_copied``: the file's record is one of its frames', so
    it was, or was about to be, copied into the file up to there."""

    exists: bool = False
    present: bool = False
    unreadable: bool = False
    frames: int = 0
    records: dict[int, Lineage] = field(default_factory=dict)
    was_copied: bool = False

    @property
    def holds_something(self) -> bool:
        return self.frames > 0 or bool(self.records)

    def forget(self) -> None:
        """Nothing that stands in it counts."""
        self.frames = 0
        self.records.clear()

    def belongs_to(self, lineage: Lineage) -> bool:
        return any(lineage.id in (record.id, record.base) for record in self.records.values())

    def reaches(self, frames: int, lineage: Lineage) -> int:
        """The generation of the last record in so many frames; without one, that of the file's own
        record, `lineage`, unless the log goes before it."""
        before = 0 if self.was_copied else lineage.generation
        return max(
            (r.generation for slot, r in self.records.items() if slot < frames), default=before
        )

    def durable_up_to(self, lineage: Lineage) -> int:
        """The generation of the last record that, by what log and file say, was durable in it; the
        file's record is `lineage`."""
        held = lineage.generation if self.was_copied else 0
        said = (record.synced for record in self.records.values() if record.base == lineage.id)
        return max(held, *said, 0)


def log_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def read_log(path: Path, page_size: int, lineage: Lineage) -> LogState:
    """The state of the log of the volume file at `path`, whose own record is `lineage`."""
    try:
        fd = os.open(log_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return LogState()
    try:
        state = _scan(fd, page_size)
        # What stands under this log's salts may be left of one before, which was in its place: of
        # a frame that was about to be written only the head is, or its page comes from elsewhere.
        state.was_copied = any(
            record.id == lineage.id and _is_whole(fd, page_size, slot)
            for slot, record in state.records.items()
        )
        return state
    finally:
        os.close(fd)


def holds_transaction(path: Path, page_size: int) -> bool:
    """Whether SQLite would find anything to apply in the log: a first transaction that is whole,
    by its checksums, up to its commit."""
    with log_path(path).open("rb") as log:
        header = log.read(HEADER.size)
        if len(header) < HEADER.size:
            return False
        magic, _, _, _, salt1, salt2, *expected = HEADER.unpack(header)
        big = bool(magic & 1)
        sums = checksum(header[:24], (0, 0), big)
        if sums != tuple(expected):
            return False
        while len(frame := log.read(FRAME.size + page_size)) == FRAME.size + page_size:
            _, size_after, frame_salt1, frame_salt2, *expected = FRAME.unpack_from(frame)
            sums = checksum(frame[:8], sums, big)
            sums = checksum(frame[FRAME.size :], sums, big)
            if (frame_salt1, frame_salt2) != (salt1, salt2) or sums != tuple(expected):
                return False
            if size_after:
                return True
    return False


def frame_places(fd: int, page_size: int, frames: int) -> tuple[dict[int, int], int]:
    """Of the first `frames` frames of a log, the last of which is a commit: where the newest
    content of each page stands, and how many pages the file has then.  Raises OSError."""
    places: dict[int, int] = {}
    pages = 0
    for number in range(frames):
        at = HEADER.size + number * (FRAME.size + page_size)
        page, pages, *_ = FRAME.unpack(os.pread(fd, FRAME.size, at))
        places[page] = at + FRAME.size
    return places, pages


def write_tail(syncer: Syncer, fd: int, page_size: int, frames: int, record: Lineage) -> None:
    """Say behind the last of so many frames of the log what `record` does.  Raises OSError."""
    salts = os.pread(fd, HEADER.size, 0)[_SALTS]
    head = _TAIL_HEAD.pack(_TAIL_PAGE, 0, salts)
    offset = HEADER.size + frames * (FRAME.size + page_size)
    syncer.write(fd, offset, head + record.encode())


def checksum(data: bytes, sums: tuple[int, int], big: bool) -> tuple[int, int]:
    """https://sqlite.org/fileformat2.html#checksum_algorithm"""
    words = array.array("I", data)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    first, second = sums
    values = iter(words)
    for word in values:
        first = (first + word + second) & 0xFFFFFFFF
        second = (second + next(values) + first) & 0xFFFFFFFF
    return first, second


def _is_whole(fd: int, page_size: int, slot: int) -> bool:
    """Whether a frame's checksum goes on from that of the one before it."""
    stride = FRAME.size + page_size
    offset = HEADER.size + slot * stride
    magic, *_ = HEADER.unpack(os.pread(fd, HEADER.size, 0))
    before = os.pread(fd, 8, offset - stride + 16 if slot else HEADER.size - 8)
    frame = os.pread(fd, stride, offset)
    if len(frame) < stride:
        return False
    sums = struct.unpack(">II", before)
    for part in (frame[:8], frame[FRAME.size :]):
        sums = checksum(part, sums, bool(magic & 1))
    return frame[16:24] == struct.pack(">II", *sums)


def _scan(fd: int, page_size: int) -> LogState:
    state = LogState(exists=True)
    header = os.pread(fd, HEADER.size, 0)
    if len(header) < HEADER.size:
        return state
    state.unreadable = os.fstat(fd).st_size > HEADER.size
    magic, _, log_page_size, _, _, _, *sums = HEADER.unpack(header)
    if magic not in MAGICS or log_page_size != page_size:
        return state
    if checksum(header[:24], (0, 0), bool(magic & 1)) != tuple(sums):
        return state
    state.present, state.unreadable = True, False
    stride = FRAME.size + page_size
    is_first_part = True
    end = os.fstat(fd).st_size
    for slot, offset in enumerate(range(HEADER.size, end - FRAME.size + 1, stride)):
        head = os.pread(fd, FRAME.size + RECORD_BYTES, offset)
        page, *_ = FRAME.unpack_from(head)
        is_its_own = head[8:16] == header[_SALTS]
        is_whole = offset + stride <= end
        is_first_part = is_first_part and is_its_own and is_whole and page != _TAIL_PAGE
        state.frames += is_first_part
        if is_its_own and page in (LINEAGE_PAGE, _TAIL_PAGE):
            raw = head[FRAME.size :]
            if page == LINEAGE_PAGE:
                raw = os.pread(fd, RECORD_BYTES, offset + stride - RECORD_BYTES)
            record = Lineage.decode(raw)
            if record is not None:
                state.records[slot] = record
    return state
