"""The first page and the lineage record of a volume file, read without SQLite."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from sqlfs.errors import Corrupt, NotAVolumeFile, UnsupportedFormat
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage

APPLICATION_ID = 0x73716C66  # "sqlf"
FORMAT_VERSION = 1

_SQLITE_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100


@dataclass(frozen=True, slots=True)
class Header:
    """Fields of https://sqlite.org/fileformat2.html#the_database_header."""

    page_size: int
    page_count: int
    format_version: int


def read_header(fd: int, path: Path) -> Header:
    """Raises NotAVolumeFile or UnsupportedFormat, with one line that says which and why."""
    raw = os.pread(fd, _HEADER_BYTES, 0)
    if len(raw) == 0:
        raise NotAVolumeFile(f"{path} is empty, not a sqlfs volume file")
    if len(raw) < _HEADER_BYTES or raw[:16] != _SQLITE_MAGIC:
        raise NotAVolumeFile(f"{path} is not a sqlfs volume file (not SQLite at all)")
    (page_size,) = struct.unpack_from(">H", raw, 16)
    (page_count,) = struct.unpack_from(">I", raw, 28)
    (version,) = struct.unpack_from(">I", raw, 60)
    (application,) = struct.unpack_from(">I", raw, 68)
    if application != APPLICATION_ID:
        raise NotAVolumeFile(
            f"{path} is another program's SQLite database, not a sqlfs volume file"
        )
    if version > FORMAT_VERSION:
        raise UnsupportedFormat(
            f"{path} has format {version}, newer than the {FORMAT_VERSION} that this sqlfs"
            " understands; install a newer sqlfs"
        )
    if version < 1:
        raise Corrupt(f"{path} is damaged: its header names format {version}")
    page_size = 65536 if page_size == 1 else page_size
    if page_size < 512 or page_size & (page_size - 1):
        raise Corrupt(f"{path} is damaged: its header names a page size of {page_size}")
    return Header(page_size, page_count, version)


def read_lineage(fd: int, path: Path, header: Header) -> Lineage:
    """Raises Corrupt when page 3 doesn't end in a sound record."""
    offset = LINEAGE_PAGE * header.page_size - RECORD_BYTES
    lineage = Lineage.decode(os.pread(fd, RECORD_BYTES, offset))
    if lineage is None:
        raise Corrupt(f"{path} is damaged or truncated: its lineage record is not sound")
    return lineage


def check_complete(fd: int, path: Path, header: Header) -> None:
    """Raises Corrupt when the file is shorter than its header says.

    Valid only where no log is to be applied: a checkpoint cut short leaves the file short.
    """
    have = os.fstat(fd).st_size
    need = header.page_count * header.page_size
    if have < need:
        raise Corrupt(
            f"{path} is truncated: it has {have} of {need} bytes; restore it from a whole copy"
        )
