"""Whether a file's list of free pages is of one piece, read without SQLite.

SQLite's check of single tables leaves the list out, and its check of everything reads all content.
The layout is SQLite's: https://sqlite.org/fileformat2.html#the_freelist and, for the map that says
what every page is used for, https://sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from sqlfs.store.header import Header

_LIST_AT = 32  # in the first page: the first trunk, and how many pages are free
_MAP_ENTRY_BYTES = 5
_FREE = 2
_LOCK_BYTE = 0x40000000


def free_pages_are_sound(fd: int, header: Header) -> bool:
    """Whether the pages on the list are those that the map calls free, each of them once."""
    first, count = struct.unpack(">II", os.pread(fd, 8, _LIST_AT))
    mapped = set(_mapped_free(fd, header))
    if len(mapped) != count:
        return False
    trunk = first
    while trunk:
        if trunk not in mapped:
            return False
        mapped.remove(trunk)
        page = os.pread(fd, header.page_size, (trunk - 1) * header.page_size)
        following, leaves = struct.unpack_from(">II", page)
        if leaves > header.page_size // 4 - 2:
            return False
        for leaf in struct.unpack_from(f">{leaves}I", page, 8):
            if leaf not in mapped:
                return False
            mapped.remove(leaf)
        trunk = following
    return not mapped


def _mapped_free(fd: int, header: Header) -> Iterator[int]:
    per_page = header.page_size // _MAP_ENTRY_BYTES
    lock_page = _LOCK_BYTE // header.page_size + 1
    for nominal in range(2, header.page_count + 1, per_page + 1):
        # The page that holds SQLite's locks is used for nothing else.
        page = nominal + 1 if nominal == lock_page else nominal
        entries = os.pread(fd, header.page_size, (page - 1) * header.page_size)
        kinds = entries[: per_page * _MAP_ENTRY_BYTES : _MAP_ENTRY_BYTES]
        last = header.page_count - page
        for index in _places(kinds[:last], _FREE):
            yield page + 1 + index


def _places(kinds: bytes, kind: int) -> Iterator[int]:
    at = kinds.find(kind)
    while at >= 0:
        yield at
        at = kinds.find(kind, at + 1)
