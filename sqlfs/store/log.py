"""Reading the write-ahead log without SQLite, to learn whose it is.

The layout is SQLite's: https://sqlite.org/fileformat2.html#the_write_ahead_log
Frames count as the log's while their salts are the header's.  A lineage record carries a check
of its own, so the checksums of frames matter only where no record matches: a log whose first
transaction was cut short holds nothing, whosever it is.
"""

from __future__ import annotations

import array
import os
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage

HEADER = struct.Struct(">IIIIIIII")
FRAME = struct.Struct(">IIIIII")
MAGICS = (0x377F0682, 0x377F0683)


@dataclass(slots=True)
class LogState:
    """What lies beside the file: ``present`` (a sound header) or ``unreadable`` (something else),
    frames, and lineage records."""

    exists: bool = False
    present: bool = False
    unreadable: bool = False
    frames: int = 0
    records: list[Lineage] = field(default_factory=list)

    def belongs_to(self, lineage: Lineage) -> bool:
        return any(lineage.id in (record.id, record.base) for record in self.records)


def log_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def read_log(path: Path, page_size: int) -> LogState:
    """The state of the log of the volume file at `path`."""
    try:
        fd = os.open(log_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return LogState()
    try:
        return _scan(fd, page_size)
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


def _scan(fd: int, page_size: int) -> LogState:
    state = LogState(exists=True)
    header = os.pread(fd, HEADER.size, 0)
    if len(header) < HEADER.size:
        return state
    state.unreadable = os.fstat(fd).st_size > HEADER.size
    magic, _, log_page_size, _, salt1, salt2, *sums = HEADER.unpack(header)
    if magic not in MAGICS or log_page_size != page_size:
        return state
    if checksum(header[:24], (0, 0), bool(magic & 1)) != tuple(sums):
        return state
    state.present, state.unreadable = True, False
    offset = HEADER.size
    stride = FRAME.size + page_size
    end = os.fstat(fd).st_size
    while offset + stride <= end:
        page, _, frame_salt1, frame_salt2, _, _ = FRAME.unpack(os.pread(fd, FRAME.size, offset))
        if (frame_salt1, frame_salt2) != (salt1, salt2):
            break
        state.frames += 1
        if page == LINEAGE_PAGE:
            record = Lineage.decode(os.pread(fd, RECORD_BYTES, offset + stride - RECORD_BYTES))
            if record is not None:
                state.records.append(record)
        offset += stride
    return state
