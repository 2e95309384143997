"""Lineage records, logs, and the decision on opening, made from ``sql/FORMAT.md`` alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from blake3 import blake3

from tests.format.unsealing import Damaged, require

RECORD_BYTES = 128
PAGE = 3
HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
MAGICS = (0x377F0682, 0x377F0683)

Identity = tuple[int, int]  # inode, birth time in ns


@dataclass(frozen=True)
class Record:
    generation: int
    id: bytes
    base: bytes
    marked: int
    inode: int
    birth_ns: int
    written_ns: int
    digest: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Record:
        magic, *fields, check = struct.unpack("<8sQ16s16sQQqq32s16s", raw)
        require(magic == b"sqlfsLin", "lineage record")
        require(check == check_of(raw[:112]), "check of the lineage record")
        record = cls(*fields)
        require(record.marked in (0, 1), "mark")
        require(record.marked == 0 or record.inode != 0, "mark without an identity")
        return record

    @property
    def identity(self) -> Identity:
        return self.inode, self.birth_ns


def check_of(fields: bytes) -> bytes:
    return blake3(fields, derive_key_context="sqlfs v1 lineage record").digest(16)


def page_size_of(file: bytes) -> int:
    (size,) = struct.unpack_from(">H", file, 16)
    return size if size > 1 else 65536


def in_file(file: bytes) -> Record:
    """The record of a volume file, from the file's bytes."""
    end = PAGE * page_size_of(file)
    return Record.parse(file[end - RECORD_BYTES : end])


# --- logs: SQLite's numbers are big-endian ---


def frames(log: bytes) -> Iterator[bytes]:
    """Those from the start that carry the salts of the log's header."""
    stride = FRAME_HEADER_BYTES + struct.unpack_from(">I", log, 8)[0]
    for at in range(HEADER_BYTES, len(log) - stride + 1, stride):
        if log[at + 8 : at + 16] != log[16:24]:
            return
        yield log[at : at + stride]


def in_log(log: bytes) -> Iterator[Record]:
    """The sound records of a log, from the log's bytes."""
    for frame in frames(log):
        if struct.unpack_from(">I", frame)[0] == PAGE:
            try:
                yield Record.parse(frame[-RECORD_BYTES:])
            except Damaged:
                continue


def checksum(log: bytes, data: bytes, sums: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """SQLite's, in the byte order that the log's magic names, going on from `sums`."""
    order = ">" if log[3] & 1 else "<"
    first, second = sums
    for one, two in struct.iter_unpack(order + "II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second


def header_is_sound(log: bytes, page_size: int) -> bool:
    magic, _, its_page_size, _, _, _, *sums = struct.unpack_from(">8I", log)
    return magic in MAGICS and its_page_size == page_size and checksum(log, log[:24]) == tuple(sums)


def first_transaction_is_whole(log: bytes) -> bool:
    sums = checksum(log, log[:24])
    for frame in frames(log):
        sums = checksum(log, frame[24:], checksum(log, frame[:8], sums))
        if sums != struct.unpack_from(">II", frame, 16):
            return False
        if struct.unpack_from(">I", frame, 4)[0]:
            return True
    return False


# --- the decision ---


class Log(Enum):
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    OWN = "its own"
    FOREIGN = "foreign"


class State(Enum):
    """What the table of the section on opening says that a file is."""

    WITH_LOG = "with its log"
    AS_IT_IS = "as it is"
    LOG_LOST = "its log is lost"
    COPY = "a copy of a file in use"


def judge_log(file: bytes, log: bytes | None) -> Log:
    if log is None or len(log) < HEADER_BYTES:
        return Log.ABSENT
    if not header_is_sound(log, page_size_of(file)):
        return Log.UNREADABLE if len(log) > HEADER_BYTES else Log.ABSENT
    if next(frames(log), None) is None:
        return Log.EMPTY
    current = in_file(file).id
    if any(current in (record.id, record.base) for record in in_log(log)):
        return Log.OWN
    return Log.FOREIGN if first_transaction_is_whole(log) else Log.EMPTY


def judge(file: bytes, log: bytes | None, identity: Identity) -> State:
    """What a file with that log beside it is, on a file system that knows it as `identity`."""
    record, found = in_file(file), judge_log(file, log)
    if found is Log.OWN:
        return State.WITH_LOG
    if record.marked and record.identity != identity:
        return State.COPY
    if record.marked and found is not Log.EMPTY:
        return State.LOG_LOST
    return State.AS_IT_IS
