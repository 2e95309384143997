"""Lineage records and the log's frames, read from ``sql/FORMAT.md`` alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from tests.format.unsealing import require

RECORD_BYTES = 128
PAGE = 3


@dataclass(frozen=True)
class Record:
    generation: int
    id: bytes
    base: bytes
    marked: int
    inode: int
    birth_ns: int
    written_ns: int

    @classmethod
    def parse(cls, raw: bytes) -> Record:
        magic, *fields, zeros, check = struct.unpack("<8sQ16s16sQQqq32s16s", raw)
        require(magic == b"sqlfsLin" and not any(zeros), "lineage record")
        require(check == check_of(raw[:112]), "check of the lineage record")
        return cls(*fields)


def check_of(fields: bytes) -> bytes:
    return blake3(fields, derive_key_context="sqlfs v1 lineage record").digest(16)


def in_file(raw: bytes) -> Record:
    """The record of a volume file, from the file's bytes."""
    (page_size,) = struct.unpack_from(">H", raw, 16)
    end = PAGE * (page_size if page_size > 1 else 65536)
    return Record.parse(raw[end - RECORD_BYTES : end])


def in_log(raw: bytes) -> Iterator[Record]:
    """The records of a log, from the log's bytes.  SQLite's numbers are big-endian."""
    page_size, salts = struct.unpack_from(">I", raw, 8)[0], raw[16:24]
    at = 32
    while at + 24 + page_size <= len(raw) and raw[at + 8 : at + 16] == salts:
        end = at + 24 + page_size
        if struct.unpack_from(">I", raw, at)[0] == PAGE:
            yield Record.parse(raw[end - RECORD_BYTES : end])
        at = end
