"""How large the pages of a file are, whatever its header says."""

from __future__ import annotations

import os
import struct
from typing import Final

from sqlfs.limits import PAGE_BYTES_DEFAULT
from sqlfs.store.lineage import LINEAGE_PAGE, RECORD_BYTES, Lineage
from sqlfs.store.wreck.reading import read_at
from sqlfs.store.wreck.rows import candidates

_SIZES: Final = tuple(1 << bit for bit in range(9, 17))
_WINDOW_BYTES: Final = _SIZES[-1]
_WINDOWS_MAX: Final = 256
_HEADER_FIELD: Final = 16


def page_size_of(fd: int) -> int:
    """Where the lineage record is tells; or else, by which size most rows are found in pages that
    are looked at here and there; or else the header."""
    for size in _SIZES:
        if lineage_of(fd, size) is not None:
            return size
    (named,) = struct.unpack(">H", read_at(fd, 2, _HEADER_FIELD).ljust(2, b"\0"))
    named = 65536 if named == 1 else named
    found = dict.fromkeys(_SIZES, 0)
    length = os.fstat(fd).st_size
    windows = -(-length // _WINDOW_BYTES)
    for index in range(0, windows, -(-windows // _WINDOWS_MAX) or 1):
        window = read_at(fd, _WINDOW_BYTES, index * _WINDOW_BYTES)
        for size in _SIZES:
            found[size] += _rows(window, size, is_first=index == 0)
    best = max(found.values())
    if best == 0:
        return named if named in _SIZES else PAGE_BYTES_DEFAULT
    return named if found.get(named) == best else max(found, key=lambda size: found[size])


def lineage_of(fd: int, page_size: int) -> Lineage | None:
    """The sound lineage record of a file with such pages."""
    return Lineage.decode(read_at(fd, RECORD_BYTES, LINEAGE_PAGE * page_size - RECORD_BYTES))


def _rows(window: bytes, size: int, *, is_first: bool) -> int:
    return sum(
        sum(1 for _ in candidates(page, is_first=is_first and at == 0))
        for at in range(0, len(window), size)
        if len(page := window[at : at + size]) == size
    )
