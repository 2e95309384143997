"""Lineage records, logs, and the decision on opening, made from ``sql/FORMAT.md`` alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from blake3 import blake3

from tests.format.unsealing import Damaged, require

RECORD_BYTES = 136
PAGE = 3
HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
MAGICS = (0x377F0682, 0x377F0683)

Identity = tuple[int, int]  # inode, birth time in ns


@dataclass(frozen=True)
class Record:
    generation: int
    synced: int
    id: bytes
    base: bytes
    marked: int
    inode: int
    birth_ns: int
    written_ns: int
    digest: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Record:
        magic, *fields, check = struct.unpack("<8sQQ16s16sQQqq32s16s", raw)
        require(magic == b"sqlfsLin", "lineage record")
        require(check == check_of(raw[:120]), "check of the lineage record")
        record = cls(*fields)
        require(record.marked in (0, 1), "mark")
        require(record.synced <= record.generation, "synced")
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


def stride_of(log: bytes) -> int:
    (page_size,) = struct.unpack_from(">I", log, 8)
    return FRAME_HEADER_BYTES + int(page_size)


def frames(log: bytes) -> Iterator[bytes]:
    """Those from the start that carry the salts of the log's header and are of a page."""
    stride = stride_of(log)
    for at in range(HEADER_BYTES, len(log) - stride + 1, stride):
        if log[at + 8 : at + 16] != log[16:24] or log[at : at + 4] == bytes(4):
            return
        yield log[at : at + stride]


def in_log(log: bytes) -> dict[int, Record]:
    """The records of a log by their slots."""
    found = {}
    stride = stride_of(log)
    for slot, at in enumerate(range(HEADER_BYTES, len(log), stride)):
        each = log[at : at + stride]
        if each[8:16] != log[16:24]:
            continue
        page = int.from_bytes(each[:4], "big")
        raw = each[FRAME_HEADER_BYTES:][:RECORD_BYTES] if page == 0 else b""
        if page == PAGE and len(each) == stride:
            raw = each[-RECORD_BYTES:]
        try:
            require(len(raw) == RECORD_BYTES, "record of a slot")
            found[slot] = Record.parse(raw)
        except Damaged:
            continue
    return found


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


def committed(log: bytes) -> int:
    """How many frames there are up to the last commit, all of them with right checksums."""
    sums, found = checksum(log, log[:24]), 0
    for number, frame in enumerate(frames(log), 1):
        sums = checksum(log, frame[24:], checksum(log, frame[:8], sums))
        if sums != struct.unpack_from(">II", frame, 16):
            break
        if struct.unpack_from(">I", frame, 4)[0]:
            found = number
    return found


# --- the decision ---


class Log(Enum):
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    OWN = "its own"
    DAMAGED = "its own, damaged, and goes on from the file"
    DAMAGED_COPIED = "its own, damaged, and the file has at least a part of it"
    FOREIGN = "foreign"


class State(Enum):
    """What the table of the section on opening says that a file is."""

    WITH_LOG = "with its log"
    AS_IT_IS = "as it is"
    LOG_LOST = "its log is lost"
    LOG_DAMAGED = "its log is damaged"
    COPY = "a copy of a file in use"


def judge_log(file: bytes, log: bytes | None) -> Log:
    if log is None or len(log) < HEADER_BYTES:
        return Log.ABSENT
    if not header_is_sound(log, page_size_of(file)):
        return Log.UNREADABLE if len(log) > HEADER_BYTES else Log.ABSENT
    own, records = in_file(file), in_log(log)
    if not any(own.id in (record.id, record.base) for record in records.values()):
        return Log.FOREIGN if committed(log) else Log.EMPTY
    held = held_up_to(own, log)
    if held >= durable_up_to(own, log):
        return Log.OWN
    return Log.DAMAGED if held >= own.generation else Log.DAMAGED_COPIED


def held_up_to(own: Record, log: bytes) -> int:
    records, end = in_log(log), committed(log)
    held = [record.generation for slot, record in records.items() if slot < end]
    if held:
        return held[-1]
    return 0 if was_copied(own, log) else own.generation


def durable_up_to(own: Record, log: bytes) -> int:
    records = in_log(log).values()
    said = [record.synced for record in records if record.base == own.id]
    return max([own.generation * was_copied(own, log), *said])


def was_copied(own: Record, log: bytes) -> bool:
    """Whether the file's record ends a frame whose checksum goes on from that before it."""
    stride = stride_of(log)
    for slot, record in in_log(log).items():
        at = HEADER_BYTES + slot * stride
        frame = log[at : at + stride]
        before = log[at - stride + 16 : at - stride + 24] if slot else log[24:32]
        first, second = struct.unpack(">II", before)
        sums = checksum(log, frame[24:], checksum(log, frame[:8], (first, second)))
        if record.id == own.id and sums == struct.unpack_from(">II", frame, 16):
            return True
    return False


def judge(file: bytes, log: bytes | None, identity: Identity) -> State:
    """What a file with that log beside it is, on a file system that knows it as `identity`."""
    record, found = in_file(file), judge_log(file, log)
    if found is Log.OWN:
        return State.WITH_LOG
    if found is Log.DAMAGED or (
        found is Log.DAMAGED_COPIED and durable_up_to(record, log or b"") > record.generation
    ):
        return State.LOG_DAMAGED
    if record.marked and record.identity != identity:
        return State.COPY
    if record.marked and found not in (Log.EMPTY, Log.DAMAGED_COPIED):
        return State.LOG_LOST
    return State.AS_IT_IS
