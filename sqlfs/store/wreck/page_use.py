"""What pages are used for, by the map that SQLite keeps of it.

Rows that were deleted stay on pages that are free.  The layout is SQLite's:
https://sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages
"""

from __future__ import annotations

import struct
from typing import Final

from sqlfs.store.wreck.pages import Pages

_ENTRY: Final = struct.Struct(">BI")
_ROOT, _FREE, _OVERFLOW_FIRST, _OVERFLOW, _TREE = range(1, 6)
_WITHOUT_PARENT: Final = (_ROOT, _FREE)
_LOCK_BYTE: Final = 0x40000000


class PageUse:
    """Asked for pages in about their order."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._per_map = pages.size // _ENTRY.size
        self._map = 0
        self._kinds: bytes | None = None
        self.untold = 0  # pages for which no map could be believed

    def is_live(self, page: int) -> bool | None:
        """Whether a page is of a tree; None where the map can't be believed."""
        if page == 1:
            return True
        ordinal = (page - 2) // (self._per_map + 1)
        at = ordinal * (self._per_map + 1) + 2
        if at == _LOCK_BYTE // self._pages.size + 1:
            at += 1
        if page <= at:
            return False  # the map itself, or the page of locks
        if at != self._map:
            self._map = at
            self._kinds = self._read(at)
        index = page - at - 1
        kind = self._kinds[index] if self._kinds is not None and index < len(self._kinds) else 0
        if kind == 0:
            self.untold += 1
            return None
        return kind in (_ROOT, _TREE)

    def _read(self, at: int) -> bytes | None:
        """The kinds of the pages behind the map at page `at`; None where an entry of it makes no
        sense, since then any other may be wrong."""
        raw = self._pages.newest(at)
        if raw is None:
            return None
        entries = raw[: self._per_map * _ENTRY.size].rstrip(b"\0")
        entries = entries.ljust(-(-len(entries) // _ENTRY.size) * _ENTRY.size, b"\0")
        kinds = bytearray()
        for kind, parent in _ENTRY.iter_unpack(entries):
            page = at + 1 + len(kinds)
            is_lock = page == _LOCK_BYTE // self._pages.size + 1
            if not is_lock and (
                not 1 <= kind <= _TREE or (kind in _WITHOUT_PARENT) != (parent == 0)
            ):
                return None
            kinds.append(kind)
        return bytes(kinds)
