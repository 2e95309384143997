"""The cells of one page of a b-tree, and the records in them.  Pure.

The layout is SQLite's: https://sqlite.org/fileformat2.html#b_tree_pages.  Rows lie in the leaves
of a table's tree, and in every page of an index's, which a table without rowids is one of.  No
number on a page is believed: what reaches out of its bounds ends a cell, and only that cell.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlfs.limits import CHUNK_BYTES_MAX

TABLE_LEAF: Final = 0x0D
INDEX_LEAF: Final = 0x0A
INDEX_INTERIOR: Final = 0x02
_KINDS: Final = (TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR)

# No row is longer than a padded chunk of the greatest size, which Padmé makes 12 % longer at most.
PAYLOAD_BYTES_MAX: Final = CHUNK_BYTES_MAX + CHUNK_BYTES_MAX // 8 + 1024

_FILE_HEADER_BYTES: Final = 100
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8)
_FLOAT: Final = 7
_ZERO, _ONE = 8, 9
_RESERVED: Final = (10, 11)

Value = int | bytes | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a page.

    ``number``: its place among the page's cells.  ``rowid``: None in an index.  ``length``: of the
    payload, bytes; ``local``: what of it is on the page; ``overflow``: the page where it goes on,
    or 0.
    """

    number: int
    rowid: int | None
    length: int
    local: bytes
    overflow: int


def cells(page: bytes, *, is_first: bool) -> Iterator[Cell]:
    """The cells of a page that are within its bounds; none where it holds no rows.  `is_first`: of
    the file, where the header comes before."""
    start = _FILE_HEADER_BYTES if is_first else 0
    kind = page[start]
    if kind not in _KINDS:
        return
    (count,) = struct.unpack_from(">H", page, start + 3)
    head = start + (12 if kind == INDEX_INTERIOR else 8)
    if not count or head + 2 * count > len(page):
        return
    for number, at in enumerate(struct.unpack_from(f">{count}H", page, head)):
        cell = _cell(page, kind, number, at)
        if cell is not None:
            yield cell


def cell_at(page: bytes, number: int, *, is_first: bool) -> Cell | None:
    """The cell that :func:`cells` numbers so; None if there is none."""
    return next((cell for cell in cells(page, is_first=is_first) if cell.number == number), None)


def _cell(page: bytes, kind: int, number: int, at: int) -> Cell | None:
    try:
        rowid = None
        if kind == INDEX_INTERIOR:
            at += 4
        length, at = _varint(page, at)
        if kind == TABLE_LEAF:
            rowid, at = _varint(page, at)
            rowid -= (rowid >> 63) << 64
    except IndexError:
        return None
    if not 0 < length <= PAYLOAD_BYTES_MAX:
        return None
    here = _local_bytes(len(page), kind, length)
    end, overflow = at + here, 0
    if here < length:
        if end + 4 > len(page):
            return None
        (overflow,) = struct.unpack_from(">I", page, end)
    return Cell(number, rowid, length, page[at:end], overflow) if end <= len(page) else None


def _local_bytes(page_size: int, kind: int, length: int) -> int:
    """https://sqlite.org/fileformat2.html#cell_payload_overflow_pages"""
    most = page_size - 35 if kind == TABLE_LEAF else (page_size - 12) * 64 // 255 - 23
    if length <= most:
        return length
    least = (page_size - 12) * 32 // 255 - 23
    here = least + (length - least) % (page_size - 4)
    return here if here <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits, and where it ends.  Raises IndexError."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What the values of a record are: SQLite's serial types, and where the first value begins."""

    types: tuple[int, ...]
    at: int

    @classmethod
    def of(cls, cell: Cell) -> RecordHead | None:
        """None unless it says a value for each byte of the payload, no more and no fewer."""
        local = cell.local
        try:
            end, at = _varint(local, 0)
            if not at < end <= min(len(local), cell.length):
                return None
            types, total = [], end
            while at < end:
                type_, at = _varint(local, at)
                if type_ in _RESERVED or type_ == _FLOAT:
                    return None
                types.append(type_)
                total += size_of(type_)
        except IndexError:
            return None
        return cls(tuple(types), end) if at == end and total == cell.length else None

    def values(self, payload: bytes) -> list[Value]:
        """The values of the whole payload.  Raises UnicodeDecodeError for text that is none."""
        found: list[Value] = []
        at = self.at
        for type_ in self.types:
            raw = payload[at : at + size_of(type_)]
            at += len(raw)
            if type_ == 0:
                found.append(None)
            elif type_ in (_ZERO, _ONE):
                found.append(type_ - _ZERO)
            elif type_ < len(_INTEGER_BYTES):
                found.append(int.from_bytes(raw, "big", signed=True))
            else:
                found.append(raw.decode() if type_ % 2 else raw)
        return found


def size_of(type_: int) -> int:
    """Bytes of a value of that serial type."""
    if type_ >= 12:
        return (type_ - 12) // 2
    return _INTEGER_BYTES[type_] if type_ < len(_INTEGER_BYTES) else 0
